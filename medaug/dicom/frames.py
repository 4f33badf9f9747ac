"""Frames of an Enhanced object, each as the single-frame instance that would say the same.

An Enhanced object states most of its attributes once for all frames (shared functional groups) or once per frame.
Here the groups that the reading half needs are laid flat, so that planes, rescale and window of a frame are read by
the same functions as those of a classic instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
)

from medaug.dicom import fields
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
_TAGS = {macro: Tag(macro) for macro in MACROS}
Known = dict[tuple[BaseTag, bytes], dict[BaseTag, DataElement]]
POSITION = Tag("ImagePositionPatient")
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
    shared, single = fields.items(ds, SHARED), fields.items(ds, PER_FRAME)
    if len(shared) > 1 or len(single) != count:
        raise ReadError(
            f"expected functional groups for {count} frames and at most 1 shared one, found {len(single)} and "
            f"{len(shared)}; export the series as single-frame",
            code="functional-groups",
        )
    return count


def is_enhanced(ds: Dataset) -> bool:
    """Whether the SOP class keeps its geometry in functional groups."""
    return fields.text(ds, "SOPClassUID") in ENHANCED


def frames_of(
    ds: Dataset,
    frames: Iterable[int] | None = None,
    macros: Iterable[str] = tuple(MACROS),
    known: Known | None = None,
) -> Iterator[Dataset]:
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
    common = {Tag(keyword): ds[keyword] for keyword in COMMON if fields.value(ds, keyword) is not None}
    for groups in fields.items(ds, SHARED):
        common |= _flat(groups, asked, known)
    single = fields.items(ds, PER_FRAME)
    for number in range(len(single)) if frames is None else frames:
        yield Dataset({**common, **_flat(single[number], asked, known)})  # what a frame states wins


def dimensions_of(ds: Dataset) -> Iterator[tuple[tuple[str, str], ...]]:
    """Keyword and index value of every dimension of each frame that is not its place in a stack.

    A dimension index tells frames apart and nothing more: the attribute it points to may lie in a group that
    `frames_of` does not lay flat.

    Source: PS3.3 C.7.6.17 (multi-frame dimension).
    """
    pointers = [_keyword(fields.value(item, "DimensionIndexPointer")) for item in fields.items(ds, GROUPS[2])]
    for groups in fields.items(ds, PER_FRAME) if is_enhanced(ds) else (Dataset(),):
        content = fields.items(groups, "FrameContentSequence")[:1]
        values = fields.numbers(content[0], "DimensionIndexValues") if content else ()
        pairs = zip(pointers, values, strict=True) if len(pointers) == len(values) else ()
        yield tuple((f"{name}Index", f"{value:g}") for name, value in pairs if name not in IN_STACK)


def differs_in_position_alone(frame: Dataset, other: Dataset) -> bool:
    """Whether two frames of one pass of `frames_of` state the very same elements, but for ImagePositionPatient."""
    pairs = [(one, before) for one, before in zip(frame.values(), other.values(), strict=False) if one is not before]
    return len(frame) == len(other) and all(one.tag == before.tag == POSITION for one, before in pairs)


def _flat(groups: Dataset, macros: Mapping[BaseTag, str], known: Known) -> dict[BaseTag, DataElement]:
    """What groups state, under the tags of a classic instance; what is said in the same bytes is parsed once."""
    flat: dict[BaseTag, DataElement] = {}
    for tag in [tag for tag in macros if tag in groups.keys()]:  # noqa: SIM118 - its own lookup takes long
        raw = groups.get_item(tag).value
        key = (tag, raw) if isinstance(raw, bytes) else None
        elements = known.get(key) if key else None
        if elements is None:
            elements = {tag: _once(element, known) for tag, element in _classic(groups, macros[tag]).items()}
            if key:
                known[key] = elements
        flat |= elements
    return flat


def _once(element: DataElement, known: Known) -> DataElement:
    """The element, or one that said the same before: a frame's number in its stack changes, its stack doesn't."""
    if element.tag == POSITION:
        return element
    key = element.tag, repr(element.value).encode()
    return known.setdefault(key, {element.tag: element})[element.tag]


def _classic(groups: Dataset, macro: str) -> dict[BaseTag, DataElement]:
    found: dict[BaseTag, DataElement] = {}
    for item in fields.items(groups, macro)[:1]:
        for keyword, classic in MACROS[macro].items():
            _take(item, keyword, classic, found)
        for direction in fields.items(item, "DiffusionGradientDirectionSequence")[:1]:
            _take(direction, _GRADIENT, _GRADIENT, found)
    return found


def _take(item: Dataset, keyword: str, classic: str, found: dict[BaseTag, DataElement]) -> None:
    value = fields.value(item, keyword)
    if value is not None:
        tag = Tag(classic)
        found[tag] = item[keyword] if keyword == classic else DataElement(tag, dictionary_VR(tag), value)


def _keyword(tag: Any) -> str:
    return (keyword_for_tag(tag) or "Private") if isinstance(tag, int) else "Private"
