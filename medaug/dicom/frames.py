"""Frames of an Enhanced object, each as the single-frame instance that would say the same.

An Enhanced object states most of its attributes once for all frames (shared functional groups) or once per frame.
Here the groups that the reading half needs are laid flat, so that planes, rescale and window of a frame are read by
the same functions as those of a classic instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
)

from medaug.dicom import fields
from medaug.dicom.fields import Elements, tag_of
from medaug.dicom.raw_items import Item, items_kept
from medaug.errors import ReadError

ENHANCED = frozenset(
    {
        EnhancedCTImageStorage,
        EnhancedMRImageStorage,
        LegacyConvertedEnhancedCTImageStorage,
        LegacyConvertedEnhancedMRImageStorage,
    }
)
MAX_FRAMES = 20_000  # of one file; a long perfusion study has 5,000
SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
GROUPS = (SHARED, PER_FRAME, "DimensionIndexSequence")

# What every frame has from the top level of its object.
COMMON = ("Modality", "FrameOfReferenceUID", "BitsAllocated", "BitsStored", "PixelRepresentation")

# Functional group → its attributes, and the name under which a classic instance states the same.
MACROS: dict[str, dict[str, str]] = {
    "PlanePositionSequence": {"ImagePositionPatient": "ImagePositionPatient"},
    "PlaneOrientationSequence": {"ImageOrientationPatient": "ImageOrientationPatient"},
    "PixelMeasuresSequence": {
        "PixelSpacing": "PixelSpacing",
        "SliceThickness": "SliceThickness",
        "SpacingBetweenSlices": "SpacingBetweenSlices",
    },
    "PixelValueTransformationSequence": {
        "RescaleSlope": "RescaleSlope",
        "RescaleIntercept": "RescaleIntercept",
        "RescaleType": "RescaleType",
    },
    "FrameVOILUTSequence": {
        "WindowCenter": "WindowCenter",
        "WindowWidth": "WindowWidth",
        "VOILUTFunction": "VOILUTFunction",
    },
    "CTImageFrameTypeSequence": {"FrameType": "ImageType"},
    "MRImageFrameTypeSequence": {"FrameType": "ImageType", "ComplexImageComponent": "ComplexImageComponent"},
    "CTAcquisitionDetailsSequence": {"GantryDetectorTilt": "GantryDetectorTilt"},
    "FrameContentSequence": {
        "StackID": "StackID",
        "TemporalPositionIndex": "TemporalPositionIndex",
        "FrameAcquisitionNumber": "AcquisitionNumber",
    },
    "MREchoSequence": {"EffectiveEchoTime": "EchoTime"},
    "MRModifierSequence": {"InversionTimes": "InversionTime"},
    "MRTimingAndRelatedParametersSequence": {"FlipAngle": "FlipAngle"},
    "MRDiffusionSequence": {"DiffusionBValue": "DiffusionBValue"},
    "CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": "TriggerTime"},
    "UnassignedPerFrameConvertedAttributesSequence": {
        "TemporalPositionIdentifier": "TemporalPositionIdentifier",
        "EchoNumbers": "EchoNumbers",
        "EchoTime": "EchoTime",
        "InversionTime": "InversionTime",
        "FlipAngle": "FlipAngle",
        "TriggerTime": "TriggerTime",
    },
}
# What says what the numbers of a frame mean and where it lies; the others tell frames apart.
MEANING = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "CTAcquisitionDetailsSequence",
)
_PER_FRAME = tag_of(PER_FRAME)
_TAGS = {macro: tag_of(macro) for macro in MACROS}
Flat = dict[BaseTag, DataElement | RawDataElement]
Known = dict[tuple[BaseTag, bytes], Flat]
POSITION = tag_of("ImagePositionPatient")
_GRADIENT = "DiffusionGradientOrientation"
# Dimensions that order the frames of one stack, so no repeats.
IN_STACK = frozenset({"StackID", "InStackPositionNumber", "ImagePositionPatient", "FrameOfReferenceUID"})


def frame_count(ds: Dataset) -> int:
    """How many frames an instance has; more than one only where functional groups say where each lies.

    Raises:
        ReadError: ``multi-frame`` for several frames of a class without functional groups (cine), or too many;
            ``functional-groups`` for an Enhanced object whose groups are missing or fit another number of frames.
    """
    stated = fields.value(ds, "NumberOfFrames")
    count = 1 if stated is None else fields.integer(ds, "NumberOfFrames")
    if not is_enhanced(ds):
        if count != 1:
            raise ReadError(
                f"{count} frames without functional groups, so nothing says where each lies; export single frames",
                code="multi-frame",
            )
        return 1
    if not 1 <= count <= MAX_FRAMES:
        raise ReadError(f"{count} frames (expected 1 to {MAX_FRAMES}); export the series again", code="multi-frame")
    shared, single = fields.items(ds, SHARED), _per_frame(ds)
    if len(shared) > 1 or len(single) != count:
        raise ReadError(
            f"expected functional groups for {count} frames and at most 1 shared one, found {len(single)} and "
            f"{len(shared)}; export the series as single-frame",
            code="functional-groups",
        )
    return count


def is_enhanced(ds: Elements) -> bool:
    """Whether the SOP class keeps its geometry in functional groups."""
    return fields.text(ds, "SOPClassUID") in ENHANCED


def frames_of(ds: Dataset, frames: Iterable[int] | None = None) -> Iterator[Dataset]:
    """`flat_frames` with all macros, as data sets."""
    return (flat if isinstance(flat, Dataset) else Dataset(dict(flat)) for flat in flat_frames(ds, frames))


def flat_frames(
    ds: Dataset,
    frames: Iterable[int] | None = None,
    macros: Iterable[str] = tuple(MACROS),
    known: Known | None = None,
) -> Iterator[Elements]:
    """What the instance says of each frame, laid flat; the instance itself where it is no Enhanced object.

    Args:
        ds: the instance, its groups counted by `frame_count`.
        frames: 0-based, in any order; all of them when left out.
        macros: which of `MACROS` are asked for.
        known: what was parsed before of the same instance, and is added to.

    Raises:
        ReadError: ``bad-value``.

    Source: PS3.3 C.7.6.16 (multi-frame functional groups).
    """
    if not is_enhanced(ds):
        yield from [ds] * (1 if frames is None else len(list(frames)))
        return
    known = {} if known is None else known
    asked = {_TAGS[macro]: macro for macro in macros}
    common: Flat = {tag_of(keyword): ds[keyword] for keyword in COMMON if fields.value(ds, keyword) is not None}
    for groups in fields.items(ds, SHARED):
        common |= _flat(groups, asked, known)
    single = _per_frame(ds)
    for number in range(len(single)) if frames is None else frames:
        flat = {**common, **_flat(single[number], asked, known)}  # what a frame states wins
        yield Item(flat, ds.original_character_set)


def dimensions_of(ds: Dataset) -> Iterator[tuple[tuple[str, str], ...]]:
    """Keyword and index value of every dimension of each frame that is not its place in a stack.

    A dimension index tells frames apart and nothing more: the attribute it points to may lie in a group that
    `flat_frames` does not lay flat.

    Source: PS3.3 C.7.6.17 (multi-frame dimension).
    """
    pointers = [_keyword(fields.value(item, "DimensionIndexPointer")) for item in fields.items(ds, GROUPS[2])]
    for groups in _per_frame(ds) if is_enhanced(ds) else (Dataset(),):
        content = fields.items(groups, "FrameContentSequence")[:1]
        values = fields.numbers(content[0], "DimensionIndexValues") if content else ()
        pairs = zip(pointers, values, strict=True) if len(pointers) == len(values) else ()
        yield tuple((f"{name}Index", f"{value:g}") for name, value in pairs if name not in IN_STACK)


def differs_in_position_alone(frame: Elements, other: Elements) -> bool:
    """Whether two frames of one pass of `flat_frames` state the very same elements, but for ImagePositionPatient."""
    pairs = [(one, before) for one, before in zip(frame.values(), other.values(), strict=False) if one is not before]
    return len(frame) == len(other) and all(one.tag == before.tag == POSITION for one, before in pairs)


def _per_frame(ds: Dataset) -> Sequence[Elements]:
    """The groups of every frame."""
    tag = _PER_FRAME
    split = items_kept(ds.get_item(tag), ds.original_character_set) if tag in ds.keys() else None  # noqa: SIM118
    return fields.items(ds, PER_FRAME) if split is None else split


def _flat(groups: Elements, macros: Mapping[BaseTag, str], known: Known) -> Flat:
    """What groups state, under the tags of a classic instance; what is said in the same bytes is parsed once."""
    flat: Flat = {}
    for tag in [tag for tag in macros if tag in groups.keys()]:  # noqa: SIM118 - its own lookup takes long
        raw = groups.get_item(tag).value
        key = (tag, raw) if isinstance(raw, bytes) else None
        elements = known.get(key) if key else None
        if elements is None:
            elements = _classic(groups, macros[tag], known)
            if key:
                known[key] = elements
        flat |= elements
    return flat


def _classic(groups: Elements, macro: str, known: Known) -> Flat:
    flat: Flat = {}
    for item in fields.items(groups, macro)[:1]:
        for keyword, classic in MACROS[macro].items():
            flat |= _taken(item, tag_of(keyword), tag_of(classic), known)
        for direction in fields.items(item, "DiffusionGradientDirectionSequence")[:1]:
            flat |= _taken(direction, tag_of(_GRADIENT), tag_of(_GRADIENT), known)
    return flat


def _taken(item: Elements, tag: BaseTag, classic: BaseTag, known: Known) -> Flat:
    """An element under its classic tag, none where it is empty.

    One that said the same before is taken in its place, and not converted again: a frame's number in its stack changes,
    its stack doesn't. Places do, and stay as they are stored.
    """
    stored = item.get_item(tag) if tag in item.keys() else None  # noqa: SIM118
    if not isinstance(stored, RawDataElement):
        return _once(_converted(item, tag, classic), known)
    if tag == POSITION and stored.value and stored.value.strip(b" \0"):
        return {POSITION: stored}
    key = classic, stored.value or b""
    if key not in known:
        known[key] = _once(_converted(item, tag, classic), known)
    return known[key]


def _converted(item: Elements, tag: BaseTag, classic: BaseTag) -> Flat:
    value = fields.value(item, keyword_for_tag(tag))
    if value is None:
        return {}
    return {classic: item[tag] if tag == classic else DataElement(classic, dictionary_VR(classic), value)}


def _once(elements: Flat, known: Known) -> Flat:
    """The same, or what had the same value before, in whatever bytes."""
    if not elements or POSITION in elements:
        return elements
    (element,) = elements.values()
    return known.setdefault((element.tag, repr(element.value).encode()), elements)


def _keyword(tag: Any) -> str:
    return (keyword_for_tag(tag) or "Private") if isinstance(tag, int) else "Private"
