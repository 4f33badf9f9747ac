"""What a run would do, worked out before it does anything."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medaug.annotations.registry import Matched, read_annotations
from medaug.annotations.structures import kept, on_volumes, packed
from medaug.augmentation.recipe import Recipe, boxes_digest, kept_digest
from medaug.errors import AnnotationError, IdentityError, ReadError, SourceError
from medaug.execution.planning.sources import Collected, Skip, Source, collect, load_headers, refusal
from medaug.execution.planning.units import Unit, units_of
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, Volume
from medaug.profile import profile as profiles
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile

# Measured on two CPU cores with the embedded prior at 256 px; see docs/explanation/prior.md.
SECONDS_PER_STEP = 0.05
SECONDS_PER_UNIT = 1.0
PREVIEW_BYTES = 1_500_000
NOTHING_FREE = "--protect and --within let nothing of it change; with --within, no given structure may lie on it"

# Why a source may name a person, and what to do, by `SourceRef.format`
DOUBTS = {
    "dicom": "the instances are '{state}': they don't declare that the patient's identity was removed (0012,0062); "
    "de-identify the export first",
    "nifti": "the NIfTI header holds free text or extensions, where a name may stand; clear them",
    "nrrd": "the NRRD header holds comments or fields of free text, where a name may stand; clear them",
    "picture": "the picture holds EXIF, text or a comment beside its pixels, where a name may stand; save it without",
}


@dataclass(frozen=True)
class Plan:
    """What would be done, what is left out and why.

    Attributes:
        profile: the resolved profile.
        seed: the run's seed.
        units: in the order of their source and variant; not in memory, see `units.units_of`.
        skips: sources that are left out.
        unmatched: sentences about annotations that fit no image.
        identity_reason: what the user stated about identity, or None.
        notes: sentences about sources that are used.
    """

    profile: Profile
    seed: int
    units: Sequence[Unit]
    skips: tuple[Skip, ...]
    unmatched: tuple[str, ...]
    identity_reason: str | None
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Estimated on two CPU cores with the embedded prior; None for a prior of unknown speed."""
        if self.profile.prior_path is not None:
            return None
        per_slice = self.profile.solver.steps * SECONDS_PER_STEP * (self.profile.size / 256) ** 2
        return sum(unit.shape[0] * per_slice + SECONDS_PER_UNIT for unit in self.units)

    @property
    def bytes(self) -> int:
        """Estimated size of OUTPUT: uncompressed pixels, headers and previews."""
        return sum(unit.bytes + 8192 * unit.shape[0] + PREVIEW_BYTES for unit in self.units)

    @property
    def refused(self) -> int:
        """How many image series could not be used."""
        return sum(skip.refused for skip in self.skips)


def plan(  # noqa: PLR0913 - what a run may be told, by name
    input: str | Path,  # noqa: A002 - the word the documentation uses
    *,
    profile: str | Profile,
    annotations: str | Path | Sequence[str | Path],
    variants: int = 1,
    seed: int = 0,
    identity_reason: str | None = None,
    annotation_format: str | None = None,
    readers: str = "union",
    protect: Sequence[str | Path] = (),
    within: Sequence[str | Path] = (),
) -> Plan:
    """Work out what `run` would do. Reads every source once; writes nothing.

    Args:
        input: a folder, file or zip archive of images.
        profile: a shipped profile's name, a path, or a profile.
        annotations: one or more files or folders with boxes.
        variants: variants per source, at least 1.
        seed: the run's seed.
        identity_reason: why the export may be used although it doesn't declare that identity was removed.
        annotation_format: a name of docs/reference/annotations.md for all of ``annotations``; None tells by content.
        readers: where several people read an image (a csv with rad_id): ``union``, ``majority``, or one reader's name.
        protect: Segmentations or label maps whose structures must not change.
        within: the same; nothing outside of their structures may change.

    Raises:
        ProfileError: the profile is wrong.
        ReadError: INPUT does not exist.
        AnnotationError: an annotation file is malformed.
    """
    if variants < 1:
        raise AnnotationError(f"variants: expected at least 1, got {variants}")
    chosen = load_profile(profile) if isinstance(profile, str) else profile
    paths = [Path(annotations)] if isinstance(annotations, str | Path) else [Path(path) for path in annotations]
    given = {"protect": [Path(path) for path in protect], "within": [Path(path) for path in within]}
    found = collect(Path(input), chosen, [*paths, *given["protect"], *given["within"]])
    headers, refused = _headers(found.sources, chosen, identity_reason)
    read = partial(_read, found, headers, format=annotation_format, readers=readers)
    boxes, withheld, unmatched = _boxes(paths, read)
    volumes = [header.volume for header in headers]
    masks = [on_volumes(group, volumes, found.files, what) for what, group in given.items()]
    pinned = chosen.sha256, chosen.prior.sha256  # worked out once, and one string for all units
    unlabelled: list[Skip] = []

    def firsts() -> Iterator[Unit]:
        for header in sorted(headers, key=lambda header: (header.first, header.key)):
            labels = boxes.get(header.key)
            if not labels:
                unlabelled.append(_without_boxes(header.volume, withheld=header.key in withheld))
                continue
            mask = kept(header.volume.geometry.shape, *(one.get(header.key) for one in masks))
            if mask is not None and mask.all():
                unlabelled.append(_left_out(header.volume, "nothing-free", NOTHING_FREE))
                continue
            recipe = Recipe(header.key, boxes_digest(labels), 0, seed, *pinned, kept=kept_digest(mask))
            yield _unit(recipe, header, labels, mask)

    units = units_of(firsts(), variants)
    notes = tuple(sorted({note for header in headers for note in header.source.notes}))
    skips = _merged((*found.skips, *refused, *unlabelled))
    return Plan(chosen, seed, units, skips, unmatched, identity_reason, notes)


@dataclass(frozen=True, eq=False)
class _Header:
    """A volume without its pixels; ``first`` is the least key of its source, which keeps a series' slices together."""

    source: Source
    volume: Volume
    first: str

    @property
    def key(self) -> str:
        return self.volume.source.key


def _headers(sources: Sequence[Source], profile: Profile, reason: str | None) -> tuple[list[_Header], list[Skip]]:
    """Every volume that may be used, each content once, and what may not."""
    headers: dict[str, _Header] = {}
    skips: list[Skip] = []
    for source in sources:
        volumes, refused = _usable(source, profile, reason)
        skips += refused
        for volume in volumes:
            if volume.source.key in headers:
                why = "the same content was found twice; one copy is used"
                skips.append(Skip("duplicate", why, 1, refused=False, series_uid=source.series_uid))
                continue
            headers[volume.source.key] = _Header(source, volume, min(other.source.key for other in volumes))
    return list(headers.values()), skips


def _unit(recipe: Recipe, header: _Header, boxes: tuple[Box, ...], mask: Mask | None) -> Unit:
    volume = header.volume
    size = volume.stored.dtype.itemsize * volume.stored.size
    kept_there = None if mask is None else packed(mask)
    return Unit(recipe, header.source, volume.source, boxes, volume.geometry.shape, size, kept_there)


def _usable(
    source: Source, profile: Profile, identity_reason: str | None
) -> tuple[tuple[Volume, ...], tuple[Skip, ...]]:
    """The source's volumes without their pixels, or the reason why there are none."""
    if source.modality not in profile.modalities:
        kinds = ", ".join(profile.modalities)
        reason = f"modality {source.modality or 'unknown'} is not one of profile {profile.name!r} ({kinds})"
        return (), (Skip("other-modality", reason, source.files, refused=False, series_uid=source.series_uid),)
    try:
        _check_colour(source, profile)
        volumes = load_headers(source)
        for volume in volumes:
            _check_identity(volume, identity_reason)
    except SourceError as error:
        return (), (refusal(error, source),)
    except Exception as error:  # noqa: BLE001 - one bad source must not stop the export; its kind is reported
        crash = SourceError(f"reading failed unexpectedly ({type(error).__name__}); please report it", code="crashed")
        return (), (refusal(crash, source),)
    return volumes, ()


def _check_colour(source: Source, profile: Profile) -> None:
    if source.series and source.series.colour and profile.colour != "grey":
        raise ReadError(
            "colour image: the profile refuses colour; where most of it is grey, say colour: grey", code="colour"
        )


def _check_identity(volume: Volume, reason: str | None) -> None:
    """Refuse what may identify a person, unless the user states that it was checked."""
    if volume.source.identity != "declared" and not reason:
        why = DOUBTS.get(volume.source.format, DOUBTS["picture"]).format(state=volume.source.identity)
        raise IdentityError(f'{why}, or state --accept-identity "reason" if it was checked')


def _read(found: Collected, headers: Sequence[_Header], path: Path, **how: Any) -> Matched:
    volumes = [header.volume for header in headers]
    left_out = found.without(volumes)
    return read_annotations(path, volumes, known=found.files, copies=found.copies, left_out=left_out, **how)


def _boxes(
    paths: Sequence[Path], read: Callable[[Path], Matched]
) -> tuple[dict[str, tuple[Box, ...]], set[str], tuple[str, ...]]:
    """All annotation files together: boxes by source, sources withheld, the unmatched; a box given twice counts once.

    A volume with a lesion that could not be placed is left out whole: what is not boxed would be repainted.
    """
    collected: dict[str, set[Box]] = defaultdict(set)
    unmatched: list[str] = []
    withheld: set[str] = set()
    for path in paths:
        matched = read(path)
        unmatched += matched.unmatched_annotations
        withheld |= matched.withheld
        for key, found in matched.boxes.items():
            collected[key].update(found)
    boxes = {key: tuple(sorted(found)) for key, found in collected.items() if key not in withheld}
    return boxes, withheld, tuple(unmatched)


def _without_boxes(volume: Volume, *, withheld: bool) -> Skip:
    if withheld:
        reason = "an annotation may lie on it but could not be placed, so what it marks can't be kept; see unmatched"
        return _left_out(volume, "unplaced-box", reason)
    reason = "no usable annotation matches it, so there is no label to keep"
    return _left_out(volume, "no-boxes", reason, refused=False)


def _left_out(volume: Volume, code: str, reason: str, *, refused: bool = True) -> Skip:
    uid = volume.source.series_uid if volume.source.format == "dicom" else ""
    return Skip(code, reason, len(set(volume.source.files)), refused, series_uid=uid)


def _merged(skips: Iterable[Skip]) -> tuple[Skip, ...]:
    """Equal reasons of one series become one."""
    files: dict[tuple[str, str, bool, str], int] = defaultdict(int)
    for skip in skips:
        files[skip.code, skip.reason, skip.refused, skip.series_uid] += skip.files
    return tuple(Skip(code, why, n, refused, uid) for (code, why, refused, uid), n in sorted(files.items()))


@dataclass(frozen=True, eq=False)
class Usable:
    """A volume that may be used, labelled or not.

    Attributes:
        source: where to load it from.
        key: of the volume; a source may hold several.
        boxes: its labels; empty where there are none.
        patient: the same for all of a patient's volumes; a digest, to group by and not to keep.
    """

    source: Source
    key: str
    boxes: tuple[Box, ...]
    patient: str


def survey(
    root: Path, profile: Profile, annotations: Sequence[Path] = (), identity_reason: str | None = None
) -> tuple[tuple[Usable, ...], tuple[Skip, ...]]:
    """Every usable volume below ``root`` by the same rules as `plan`, whether it is labelled or not.

    A volume with a lesion that could not be placed is left out: where it lies isn't known.

    Raises:
        ReadError: ``root`` does not exist.
        AnnotationError: an annotation file is malformed.
    """
    found = collect(root, profile, annotations)
    headers, refused = _headers(found.sources, profile, identity_reason)
    boxes, withheld, _ = _boxes(annotations, partial(_read, found, headers))
    usable = [
        Usable(header.source, header.key, boxes.get(header.key, ()), _patient(header.volume))
        for header in sorted(headers, key=lambda header: (header.first, header.key))
        if header.key not in withheld
    ]
    return tuple(usable), _merged((*found.skips, *refused))


def labels_in(
    root: Path, annotations: Sequence[Path]
) -> tuple[tuple[tuple[Source, tuple[Box, ...] | None], ...], tuple[str, ...]]:
    """The boxes of every readable series below ``root``, and the sentences about annotations that fit none.

    Boxes are None where one may lie on the series that could not be placed.

    Raises:
        ReadError: ``root`` does not exist.
        AnnotationError: an annotation file is malformed.
    """
    profile = load_profile("paper").model_copy(update={"modalities": profiles.MODALITIES, "colour": "grey"})
    found = collect(root, profile, annotations)
    headers, _ = _headers(found.sources, profile, "boxes are only counted")
    boxes, withheld, unmatched = _boxes(annotations, partial(_read, found, headers))
    each = tuple((h.source, None if h.key in withheld else boxes.get(h.key, ())) for h in headers)
    return each, unmatched


def _patient(volume: Volume) -> str:
    return hashlib.sha256((volume.source.patient or volume.source.key).encode()).hexdigest()[:16]
