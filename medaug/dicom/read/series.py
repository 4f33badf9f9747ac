"""Files into series that can be one volume: by geometry, not by SeriesInstanceUID alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from medaug.dicom.identity import IdentityStatement, identity_of_all, unnamed_patient
from medaug.dicom.read.header import ImageHeader, InstanceHeader
from medaug.storage import archive

T = TypeVar("T")
DIRECTIONS = 1e-3  # largest difference of direction cosines and spacings (mm) inside one stack
PLACE = 2  # decimals of mm by which two positions count as one

# Codes of what never was an image to augment; every other skip is an image that could not be used.
NO_IMAGE = frozenset(
    {"archive", "dicomdir", "duplicate-file", "empty", "localizer", "not-a-file", "not-an-image", "not-dicom"}
)


@dataclass(frozen=True, order=True)
class Skipped:
    """Files that are left out, and why. Holds no name and no path.

    Attributes:
        series_uid: SeriesInstanceUID, or ``""`` where it isn't known.
        code: frozen English code.
        reason: one sentence.
        count: number of files.
    """

    series_uid: str
    code: str
    reason: str
    count: int

    @property
    def refused(self) -> bool:
        """True for an image that could not be used, False for what never was one."""
        return self.code not in NO_IMAGE


@dataclass(frozen=True)
class SeriesFiles:
    """The files (or frames of files) of one grid: a radiograph, or the slices of one stack.

    Attributes:
        first: header of one of the files; what is asked of it here is the same for all.
        images: file and 0-based frame of every image, in order of SOPInstanceUID and frame; paths stay inside the
            process.
        identity: of the least safe instance.
        part: what tells apart several stacks at one place, such as ``EchoTime 15``; usually empty.
        notes: sentences for the user.
    """

    first: InstanceHeader
    images: tuple[tuple[Path, int], ...]
    identity: IdentityStatement
    part: str = ""
    notes: tuple[str, ...] = ()

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID."""
        return self.first.study_uid

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return self.first.series_uid

    @property
    def modality(self) -> str:
        """(0008,0060)."""
        return self.first.modality

    @property
    def rows(self) -> int:
        """Image height in px."""
        return self.first.rows

    @property
    def columns(self) -> int:
        """Image width in px."""
        return self.first.columns

    @property
    def colour(self) -> bool:
        """Whether it has colour samples; its grey pixels may change where the user says so."""
        return self.first.colour

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of every image."""
        return tuple(path for path, _ in self.images)

    @property
    def file_count(self) -> int:
        """How many different files it is made of."""
        return len(set(self.files))


Copies = dict[Path, Path]  # copy, byte by byte → the file that is used in its place


def group(images: Iterable[ImageHeader]) -> tuple[tuple[SeriesFiles, ...], tuple[Skipped, ...], Copies]:
    """Form series, in an order that depends on UIDs only; beside them what is left out, and copies.

    Repeats of one place (echoes, phases) become stacks of their own where a numbered attribute tells them apart;
    where none does they stay together, and reading refuses them.
    """
    by_file = _by(images, lambda image: image.instance)
    of_file = {same[0].instance: same for same in by_file}
    ordered = sorted(of_file, key=lambda h: (h.study_uid, h.series_uid, h.instance_uid))
    unique, skipped, copies = _without_duplicates(ordered)
    usable, refused = _without_conflicts(unique, ordered)
    series = []
    stacks: dict[str, set[str]] = defaultdict(set)
    every = [image for header in usable for image in of_file[header]]
    for image in every:
        stacks[image.instance.series_uid].add(image.stack)
    for one_grid in _by(every, _grid):
        flat = one_grid[0].instance.kind == "radiograph"
        for stack in [[image] for image in one_grid] if flat else _same_orientation(one_grid):
            parts = [("", stack)] if flat else _repeats(stack)
            series += [_series(f"{_stack_name(stack[0], stacks)} {part}".strip(), files) for part, files in parts]
    series.sort(key=lambda s: (s.study_uid, s.series_uid))  # stable: inside a series the order of the groups stays
    return tuple(series), (*skipped, *refused), copies


def _grid(image: ImageHeader) -> Hashable:
    """What all slices of one stack share exactly."""
    h = image.instance
    place = (h.frame_of_reference_uid, h.photometric, image.flavour)
    return (h.study_uid, h.series_uid, h.kind, image.stack, h.rows, h.columns, h.encoding, *place)


def _stack_name(image: ImageHeader, stacks: dict[str, set[str]]) -> str:
    """``StackID 2`` where a series has several; by rank, because the ID itself is free text."""
    known = sorted(stacks[image.instance.series_uid])
    return f"StackID {known.index(image.stack) + 1}" if len(known) > 1 else ""


def _series(part: str, images: Sequence[ImageHeader]) -> SeriesFiles:
    headers = list(dict.fromkeys(image.instance for image in images))
    return SeriesFiles(
        headers[0],
        tuple((image.instance.path, image.frame) for image in images),
        identity_of_all(h.identity for h in headers),
        part,
        tuple(sorted({note for h in headers for note in h.notes})),
    )


def _without_duplicates(headers: Sequence[InstanceHeader]) -> tuple[list[InstanceHeader], list[Skipped], Copies]:
    """Drop copies of a file; instances that share a UID but not their bytes all stay, for `_without_conflicts`."""
    kept: list[InstanceHeader] = []
    copies: Copies = {}
    for same in _by(headers, lambda h: h.instance_uid):
        alike = _by(same, _digest) if len(same) > 1 else [same]
        kept += [same_bytes[0] for same_bytes in alike]
        copies |= {other.path: same_bytes[0].path for same_bytes in alike for other in same_bytes[1:]}
    dropped = Counter(h.series_uid for h in headers)
    dropped.subtract(h.series_uid for h in kept)
    reason = "a copy of another file, byte by byte"
    skipped = [Skipped(series, "duplicate-file", reason, n) for series, n in dropped.items() if n]
    return kept, skipped, copies


def _without_conflicts(
    headers: Sequence[InstanceHeader], every: Sequence[InstanceHeader]
) -> tuple[list[InstanceHeader], list[Skipped]]:
    """Leave out series whose UIDs contradict each other."""
    reasons: dict[tuple[str, str], tuple[str, str]] = {}
    for same in _by(headers, lambda h: h.instance_uid):
        if len(same) > 1:
            why = f"{len(same)} different files hold one SOP Instance UID; export the study again"
            reasons |= {(h.study_uid, h.series_uid): ("uid-conflict", why) for h in same}
    for study in _by(headers, lambda h: h.study_uid):
        patients = len({h.patient for h in study} - {unnamed_patient(study[0].study_uid)})
        if patients > 1:
            why = f"the study names {patients} patients; correct it where it was stored"
            reasons |= {(h.study_uid, h.series_uid): ("two-patients", why) for h in study}
    files = Counter((h.study_uid, h.series_uid) for h in every)
    refused = [Skipped(key[1], code, why, files[key]) for key, (code, why) in reasons.items()]
    return [h for h in headers if (h.study_uid, h.series_uid) not in reasons], refused


def _digest(header: InstanceHeader) -> str:
    try:
        return archive.sha256_of(header.path)
    except OSError:
        return str(header.path)  # not known to be a copy: the series is refused as a conflict


def _by(values: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Groups of equal key, in order of first appearance."""
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for value in values:
        groups[key(value)].append(value)
    return list(groups.values())


def _same_orientation(images: Iterable[ImageHeader]) -> list[list[ImageHeader]]:
    """Groups of one orientation and spacing, within a tolerance: exact rounding would split a stack by its noise."""
    groups: list[list[ImageHeader]] = []
    known: dict[tuple[float, ...], list[ImageHeader]] = {}  # what was sorted before need not be compared again
    for image in images:
        group = known.get(image.directions)
        if group is None:
            group = next((g for g in groups if _close(g[0].directions, image.directions)), None)
            if group is None:
                groups.append(group := [])
            known[image.directions] = group
        group.append(image)
    return groups


def _close(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= DIRECTIONS for x, y in zip(a, b, strict=True))


def _repeats(images: list[ImageHeader]) -> list[tuple[str, list[ImageHeader]]]:
    """Split a stack until no position repeats.

    An attribute is believed only when it makes no more parts than some place has images: an acquisition number that
    rises with every slice would leave single slices.
    """
    stacks = [("", images)]
    for name in dict.fromkeys(name for image in images for name, _ in image.repeats):
        split: list[tuple[str, list[ImageHeader]]] = []
        for part, stack in stacks:
            values = _by(stack, lambda image, n=name: dict(image.repeats).get(n, ""))  # type: ignore[misc]
            if 1 < len(values) <= _most_at_one_place(stack):
                split += [(f"{part} {name} {dict(v[0].repeats).get(name) or 'none'}".strip(), v) for v in values]
            else:
                split.append((part, stack))
        stacks = split
    return stacks


def _most_at_one_place(stack: Sequence[ImageHeader]) -> int:
    return max(Counter(tuple(round(x, PLACE) for x in image.position) for image in stack).values())
