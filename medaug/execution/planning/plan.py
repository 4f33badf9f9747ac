"""What a run would do, worked out before it does anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Unpack

from medaug.annotations.bounded import read_structures
from medaug.annotations.label_choice import LabelChoice
from medaug.annotations.structures import kept, on_volumes, packed, with_boxes
from medaug.augmentation.recipe import Recipe, boxes_digest, kept_digest
from medaug.errors import IdentityError, ReadError, RunError, SourceError, counted
from medaug.execution.planning.donors import Donors, Sketches
from medaug.execution.planning.labels import labels_of
from medaug.execution.planning.on_device import on_its_device
from medaug.execution.planning.request import RunOptions, RunRequest
from medaug.execution.planning.sources import (
    DOUBTS,
    Collected,
    Header,
    ImageSource,
    LeftOut,
    Skip,
    collect,
    load_headers,
    merged,
    refusal,
)
from medaug.execution.planning.space import bytes_on_disk
from medaug.execution.planning.units import Unit, units_of
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, Volume
from medaug.processes.time_limit import limited
from medaug.profile import profile as profiles
from medaug.profile.components import moves, transplants
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile
from medaug.regions.motions import check_planar

READ_SECONDS, FILE_SECONDS = 120.0, 5.0  # of the processor that reading a source may take, and for each of its files
NOTHING_FREE = "--protect and --within let nothing of it change; with --within, no given structure may lie on it"


@dataclass(frozen=True)
class Plan:
    """What would be done, what is left out and why.

    Attributes:
        request: what was asked.
        units: in the order of their source and variant; not in memory, see `units.units_of`.
        skips: sources that are left out.
        unmatched: sentences about annotations that fit no image.
        notes: sentences about sources that are used.
        left_out: files that no unit is made of, and the code why; for the owner's screen alone.
    """

    request: RunRequest
    units: Sequence[Unit]
    skips: tuple[Skip, ...] = ()
    unmatched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[tuple[Path, str], ...] = ()

    @property
    def profile(self) -> Profile:
        """The resolved profile."""
        return self.request.profile

    @property
    def bytes(self) -> int:
        """Estimated size of OUTPUT, see `space.bytes_on_disk`."""
        return sum(bytes_on_disk(unit.source, unit.shape, unit.bytes, self.profile) for unit in self.units)


def plan(input: str | Path, **options: Unpack[RunOptions]) -> Plan:  # noqa: A002 - the option's word
    """Work out what `run` would do. Reads every source once; writes nothing.

    Args:
        input: a folder, file or zip archive of images.
        options: ``profile``, ``annotations`` and any other option of ``medaug run``, see `RunRequest`.

    Raises:
        ProfileError: the profile is wrong.
        ReadError: INPUT does not exist.
        AnnotationError: an annotation file is malformed.
    """
    return plan_for(RunRequest.of(input, **options))


def plan_for(
    request: RunRequest,
    on_read: Callable[[int, int], None] | None = None,
    only: Collection[str] | None = None,
) -> Plan:
    """`plan`, for a request.

    Args:
        request: what is asked.
        on_read: called with (sources read, all of them).
        only: keys of the volumes to vary; where a law sets lesions in, those lesions are theirs, too. None for all.

    Raises:
        ReadError: INPUT does not exist.
        AnnotationError: an annotation file is malformed.
        RunError: there is no such device here; or voxels are to be kept where nothing is generated.
    """
    request = on_its_device(_checked(request))
    collected = collect(request.input, request.profile, (*request.annotations, *request.protect, *request.within))
    sources = _told(collected.sources, on_read) if on_read else collected.sources
    sketches = _sketches(request.profile)
    headers, refused = _headers(sources, request.profile, request.accept_identity, sketches)
    volumes = [header.volume for header in headers]
    how = {"format": request.format, "readers": request.readers}
    found = labels_of(collected, volumes, request.annotations, LabelChoice(request.label, request.ignore_label), **how)
    headers = [header for header in headers if only is None or header.key in only]
    masks = _structures(request, volumes, collected)
    pinned = request.profile.sha256, request.profile.prior.sha256  # worked out once, and one string for all units
    unlabelled: list[LeftOut] = []
    donors = Donors(request.profile, request.seed, sketches, found.lesions, headers) if sketches else None
    varied = request.profile.unlabelled == "keep-nothing" or bool(donors and donors.spec.hosts != "labelled")

    def firsts() -> Iterator[Unit]:
        for header in sorted(headers, key=lambda header: (header.first, header.key)):
            labels = found.lesions.get(header.key, ())
            # of an annotation that fits nothing nobody knows which image it marks
            withheld = header.key in found.withheld or (varied and bool(found.unmatched))
            if not labels and (withheld or not varied):
                unlabelled.append(_without_boxes(header.volume, withheld=withheld))
                continue
            shape, context = header.volume.geometry.shape, found.context.get(header.key)
            mask = with_boxes(kept(shape, *(one.get(header.key) for one in masks)), context, shape)
            if mask is not None and mask.all():
                unlabelled.append(_left_out(header.volume, "nothing-free", NOTHING_FREE))
                continue
            recipe = Recipe(header.key, boxes_digest(labels), 0, request.seed, *pinned, kept=kept_digest(mask))
            first = _unit(recipe, header, labels, mask)
            yield from donors.given(first, header, request.variants) if donors else (first,)

    units = units_of(firsts(), 1 if donors else request.variants)
    notes = tuple(sorted({note for header in headers for note in header.source.notes}))
    gone = (*refused, *unlabelled, *_without_donors(donors))
    skips = merged((*collected.skips, *(each.skip for each in gone)))
    left_out = *collected.left_out, *((file, each.skip.code) for each in gone for file in each.files)
    return Plan(request, units, skips, found.unmatched, (*notes, *found.notes), left_out)


def _checked(request: RunRequest) -> RunRequest:
    """The request, unless it asks for what can't be."""
    if not request.profile.generates and (request.protect or request.within):
        what = f"protect and within keep voxels from a solve, and profile {request.profile.name!r} has none"
        raise RunError(f"{what}; leave them out")
    return request


def _told(sources: Sequence[ImageSource], on_read: Callable[[int, int], None]) -> Iterator[ImageSource]:
    for done, source in enumerate(sources):
        on_read(done, len(sources))
        yield source
    on_read(len(sources), len(sources))


def _headers(
    sources: Iterable[ImageSource], profile: Profile, accept_identity: str | None, sketches: Sketches | None = None
) -> tuple[list[Header], list[LeftOut]]:
    """Every volume that may be used, each content once, and what may not."""
    from medaug.dicom.read.parse import LastFile

    headers: dict[str, Header] = {}
    gone: list[LeftOut] = []
    last = LastFile()
    look = sketches.look if sketches else None
    for source in sources:
        volumes, refused = _usable(source, profile, accept_identity, partial(load_headers, last=last, look=look))
        gone += [LeftOut(skip, source.paths) for skip in refused]
        first = min((volume.source.key for volume in volumes), default="")
        for volume in volumes:
            if volume.source.key in headers:
                why = "the same content was found twice; one copy is used"
                skip = Skip("duplicate", why, 1, refused=False, series_uid=source.series_uid)
                gone.append(LeftOut(skip, _files(volume)))
                continue
            headers[volume.source.key] = Header(source, volume, first)
    return list(headers.values()), gone


def _unit(recipe: Recipe, header: Header, boxes: tuple[Box, ...], mask: Mask | None) -> Unit:
    volume = header.volume
    size = volume.stored.dtype.itemsize * volume.stored.size
    kept_there = None if mask is None else packed(mask)
    return Unit(recipe, header.source, volume.source, boxes, volume.geometry.shape, size, kept_there)


def _usable(
    source: ImageSource,
    profile: Profile,
    accepted: str | None,
    load: Callable[[ImageSource], tuple[Volume, ...]],
) -> tuple[tuple[Volume, ...], tuple[Skip, ...]]:
    """The source's volumes without their pixels, or the reason why there are none."""
    if source.modality not in profile.modalities:
        kinds = ", ".join(profile.modalities)
        reason = f"modality {source.modality or 'unknown'} is not one of profile {profile.name!r} ({kinds})"
        return (), (Skip("other-modality", reason, source.files, refused=False, series_uid=source.series_uid),)
    try:
        _check_colour(source, profile)
        with limited(READ_SECONDS + FILE_SECONDS * source.files, "reading it"):
            volumes = load(source)
        for volume in volumes:
            _check_tint(volume, profile)
            _check_identity(volume, accepted)
            if moves(profile.regions.kind):
                check_planar(volume)
    except SourceError as error:
        return (), (refusal(error, source),)
    except Exception as error:  # noqa: BLE001 - one bad source must not stop the export; its kind is reported
        crash = SourceError(f"reading failed unexpectedly ({type(error).__name__}); please report it", code="crashed")
        return (), (refusal(crash, source),)
    return volumes, ()


def _check_colour(source: ImageSource, profile: Profile) -> None:
    if source.series and source.series.colour and profile.colour != "grey":
        raise ReadError(
            "colour image: the profile refuses colour; where most of it is grey, say colour: grey", code="colour"
        )


def _check_tint(volume: Volume, profile: Profile) -> None:
    if volume.converted == "tint" and profile.colour != "grey":
        raise ReadError("picture with a tint, or colour in under 0.1 %: to convert it, say colour: grey", code="colour")


def _check_identity(volume: Volume, accepted: str | None) -> None:
    """Refuse what may identify a person, unless the user states that it was checked."""
    if volume.source.identity != "declared" and not accepted:
        why = DOUBTS.get(volume.source.format, DOUBTS["picture"]).format(state=volume.source.identity)
        raise IdentityError(f'{why}, or state --accept-identity "reason" if it was checked')


def _without_boxes(volume: Volume, *, withheld: bool) -> LeftOut:
    if withheld:
        reason = "an annotation may lie on it but could not be placed, so what it marks can't be kept; see unmatched"
        return _left_out(volume, "unplaced-box", reason)
    reason = "no usable annotation matches it, so there is no label to keep"
    return _left_out(volume, "no-boxes", reason, refused=False)


def _without_donors(donors: Donors | None) -> Iterator[LeftOut]:
    """Hosts that aren't given a lesion for each of their variants."""
    if donors is None:
        return
    for volume, missing in donors.without:
        tried, least = donors.spec.tried, donors.spec.likeness
        reason = f"for {counted(missing, 'variant')} of it none of the lesions that were tried, up to {tried}, has "
        reason += f"surroundings that any place of it looks like (likeness of at least {least:g})"
        yield _left_out(volume, "no-donor", reason, refused=False)


def _left_out(volume: Volume, code: str, reason: str, *, refused: bool = True) -> LeftOut:
    uid, files = volume.source.series_uid if volume.source.format == "dicom" else "", _files(volume)
    return LeftOut(Skip(code, reason, len(files), refused, series_uid=uid), files)


def _files(volume: Volume) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(volume.source.files))


def _structures(request: RunRequest, volumes: Sequence[Volume], collected: Collected) -> list[Mapping[str, Mask]]:
    structures = {"protect": request.protect, "within": request.within}
    return [on_volumes(paths, volumes, collected.files, what, read_structures) for what, paths in structures.items()]


def _sketches(profile: Profile) -> Sketches | None:
    """Where images are remembered while a run is planned, for a law that sets lesions in."""
    if not transplants(profile.regions.kind):
        return None
    from medaug.assemble import present_tools  # it knows every component, torch's too

    tools = present_tools(profile)
    return Sketches(lambda volume: tools.domain(volume, tools.window(volume)))


@dataclass(frozen=True, eq=False)
class Usable:
    """A volume that may be used, labelled or not.

    Attributes:
        source: where to load it from.
        key: of the volume; a source may hold several.
        boxes: its labels; empty where there are none.
        patient: the same for all of a patient's volumes; a digest, to group by and not to keep.
    """

    source: ImageSource
    key: str
    boxes: tuple[Box, ...]
    patient: str


def survey(
    root: Path, profile: Profile, annotations: Sequence[Path] = (), accept_identity: str | None = None
) -> tuple[tuple[Usable, ...], tuple[Skip, ...]]:
    """Every usable volume below ``root`` by the same rules as `plan`, whether it is labelled or not.

    A volume with a lesion that could not be placed is left out: where it lies isn't known.

    Raises:
        ReadError: ``root`` does not exist.
        AnnotationError: an annotation file is malformed.
    """
    collected = collect(root, profile, annotations)
    headers, refused = _headers(collected.sources, profile, accept_identity)
    labels = labels_of(collected, [header.volume for header in headers], annotations)
    usable = [
        Usable(header.source, header.key, labels.lesions.get(header.key, ()), _patient(header.volume))
        for header in sorted(headers, key=lambda header: (header.first, header.key))
        if header.key not in labels.withheld
    ]
    return tuple(usable), merged((*collected.skips, *(each.skip for each in refused)))


def labels_in(
    root: Path, annotations: Sequence[Path]
) -> tuple[tuple[tuple[ImageSource, tuple[Box, ...] | None], ...], tuple[str, ...]]:
    """The boxes of every readable series below ``root``, and the sentences about annotations that fit none.

    Boxes are None where one may lie on the series that could not be placed.

    Raises:
        ReadError: ``root`` does not exist.
        AnnotationError: an annotation file is malformed.
    """
    profile = load_profile("paper").model_copy(update={"modalities": profiles.MODALITIES, "colour": "grey"})
    collected = collect(root, profile, annotations)
    headers, _ = _headers(collected.sources, profile, "boxes are only counted")
    labels = labels_of(collected, [header.volume for header in headers], annotations)
    each = tuple((h.source, None if h.key in labels.withheld else labels.lesions.get(h.key, ())) for h in headers)
    return each, labels.unmatched


def _patient(volume: Volume) -> str:
    return hashlib.sha256((volume.source.patient or volume.source.key).encode()).hexdigest()[:16]
