"""Files into series that can be one volume: by geometry, not by SeriesInstanceUID alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medaug.dicom.identity import Identity, identity_of_all
from medaug.dicom.read.header import Header
from medaug.storage import archive

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
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        modality: (0008,0060).
        files: in order of SOPInstanceUID and frame; paths stay inside the process.
        identity: of the least safe instance.
        rows: image height in px.
        columns: image width in px.
        frames: 0-based frame per entry of ``files``, where a file stands once for each of its frames; left out, all 0.
        part: what tells apart several stacks at one place, such as ``EchoTime 15``; usually empty.
        notes: sentences for the user.
        colour: whether it has colour samples; its grey pixels may change where the user says so.
    """

    study_uid: str
    series_uid: str
    modality: str
    files: tuple[Path, ...]
    identity: Identity
    rows: int
    columns: int
    part: str = ""
    notes: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()
    colour: bool = False

    @property
    def images(self) -> tuple[tuple[Path, int], ...]:
        """File and frame of every image."""
        return tuple(zip(self.files, self.frames or (0,) * len(self.files), strict=True))

    @property
    def file_count(self) -> int:
        """How many different files it is made of."""
        return len(set(self.files))


Copies = dict[Path, Path]  # copy, byte by byte → the file that is used in its place


def group(headers: Iterable[Header]) -> tuple[tuple[SeriesFiles, ...], tuple[Skipped, ...], Copies]:
    """Form series, in an order that depends on UIDs only; beside them what is left out, and copies.

    Repeats of one place (echoes, phases) become stacks of their own where a numbered attribute tells them apart;
    where none does they stay together, and reading refuses them.
    """
    ordered = sorted(headers, key=lambda h: (h.study_uid, h.series_uid, h.instance_uid, h.frame))
    unique, skipped, copies = _without_duplicates(ordered)
    usable, refused = _without_conflicts(unique, ordered)
    found = []
    stacks: dict[str, set[str]] = defaultdict(set)
    for header in usable:
        stacks[header.series_uid].add(header.stack)
    for one_grid in _by(usable, lambda h: (h.study_uid, h.series_uid, h.kind, h.stack, *h.grid)):
        for stack in _alone(one_grid) if one_grid[0].kind == "radiograph" else _alike(one_grid):
            parts = _repeats(stack) if stack[0].kind == "slice" else [("", stack)]
            found += [_series(f"{_stack_name(stack[0], stacks)} {part}".strip(), files) for part, files in parts]
    found.sort(key=lambda s: (s.study_uid, s.series_uid))  # stable: inside a series the order of the groups stays
    return tuple(found), (*skipped, *refused), copies


def _stack_name(header: Header, stacks: dict[str, set[str]]) -> str:
    """``StackID 2`` where a series has several; by rank, because the ID itself is free text."""
    known = sorted(stacks[header.series_uid])
    return f"StackID {known.index(header.stack) + 1}" if len(known) > 1 else ""


def _series(part: str, headers: Sequence[Header]) -> SeriesFiles:
    first = headers[0]
    return SeriesFiles(
        study_uid=first.study_uid,
        series_uid=first.series_uid,
        modality=first.modality,
        files=tuple(h.path for h in headers),
        identity=identity_of_all(h.identity for h in headers),
        rows=first.rows,
        columns=first.columns,
        part=part,
        frames=tuple(h.frame for h in headers),
        notes=tuple(sorted({note for h in headers for note in h.notes})),
        colour=any(h.colour for h in headers),
    )


def _without_duplicates(headers: Sequence[Header]) -> tuple[list[Header], list[Skipped], Copies]:
    """Drop copies of a file; instances that share a UID but not their bytes all stay, for `_without_conflicts`."""
    kept: list[Header] = []
    copies: Copies = {}
    for same in _by(headers, lambda h: h.instance_uid):
        files = _by(same, lambda h: h.path)
        if len(files) > 1:
            alike = _by_digest(files)
            files = [same_bytes[0] for same_bytes in alike]
            copies |= {other[0].path: same_bytes[0][0].path for same_bytes in alike for other in same_bytes[1:]}
        kept += [header for file in files for header in file]
    dropped = Counter(series for series, _ in {(h.series_uid, h.path) for h in headers})
    dropped.subtract(series for series, _ in {(h.series_uid, h.path) for h in kept})
    reason = "a copy of another file, byte by byte"
    skipped = [Skipped(series, "duplicate-file", reason, n) for series, n in dropped.items() if n]
    return kept, skipped, copies


def _without_conflicts(headers: Sequence[Header], every: Sequence[Header]) -> tuple[list[Header], list[Skipped]]:
    """Leave out series whose UIDs contradict each other."""
    reasons: dict[tuple[str, str], tuple[str, str]] = {}
    for same in _by(headers, lambda h: h.instance_uid):
        paths = {h.path for h in same}
        if len(paths) > 1:
            why = f"{len(paths)} different files hold one SOP Instance UID; export the study again"
            reasons |= {(h.study_uid, h.series_uid): ("uid-conflict", why) for h in same}
    for study in _by(headers, lambda h: h.study_uid):
        patients = len({h.patient for h in study} - {""})
        if patients > 1:
            why = f"the study names {patients} patients; correct it where it was stored"
            reasons |= {(h.study_uid, h.series_uid): ("two-patients", why) for h in study}
    files = Counter(key for key, _ in {((h.study_uid, h.series_uid), h.path) for h in every})
    refused = [Skipped(key[1], code, why, files[key]) for key, (code, why) in reasons.items()]
    return [h for h in headers if (h.study_uid, h.series_uid) not in reasons], refused


def _by_digest(files: list[list[Header]]) -> list[list[list[Header]]]:
    groups: dict[str, list[list[Header]]] = defaultdict(list)
    for file in files:
        groups[_digest(file[0])].append(file)
    return list(groups.values())


def _digest(header: Header) -> str:
    try:
        return archive.sha256_of(header.path)
    except OSError:
        return str(header.path)  # not known to be a copy: the series is refused as a conflict


def _by(headers: Iterable[Header], key: Callable[[Header], Hashable]) -> list[list[Header]]:
    """Groups of equal key, in order of first appearance."""
    groups: dict[Hashable, list[Header]] = defaultdict(list)
    for header in headers:
        groups[key(header)].append(header)
    return list(groups.values())


def _alone(headers: Iterable[Header]) -> list[list[Header]]:
    return [[header] for header in headers]


def _alike(headers: Iterable[Header]) -> list[list[Header]]:
    """Groups of one orientation and spacing, within a tolerance: exact rounding would split a stack by its noise."""
    groups: list[list[Header]] = []
    for header in headers:
        for known in groups:
            if _close(known[0].directions, header.directions):
                known.append(header)
                break
        else:
            groups.append([header])
    return groups


def _close(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= DIRECTIONS for x, y in zip(a, b, strict=True))


def _repeats(headers: list[Header]) -> list[tuple[str, list[Header]]]:
    """Split a stack until no position repeats.

    An attribute is believed only when it makes no more parts than some place has images: an acquisition number that
    rises with every slice would leave single slices.
    """
    stacks = [("", headers)]
    for name in dict.fromkeys(name for header in headers for name, _ in header.repeats):
        split: list[tuple[str, list[Header]]] = []
        for part, stack in stacks:
            values = _by(stack, lambda h, n=name: dict(h.repeats).get(n, ""))  # type: ignore[misc]
            most = max(Counter(tuple(round(x, PLACE) for x in h.position) for h in stack).values())
            if 1 < len(values) <= most:
                split += [(f"{part} {name} {dict(v[0].repeats).get(name) or 'none'}".strip(), v) for v in values]
            else:
                split.append((part, stack))
        stacks = split
    return stacks
