"""Evidence of a radiograph's variant from that of the one before: names and outlines differ, and are exchanged.

highdicom checks and copies an object as it builds it, which takes a third of what a variant costs beside its pixels.
The objects of two variants of one source differ in UIDs and in the unit's key, those of two sources also in where their
boxes lie; all else is the same, as long as what the builder is shown is the same. What is nested and stays the same is
kept as it is encoded, since writing it element by element takes longer than all pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from medaug.dicom.evidence.evidence_headers import shown
from medaug.dicom.frames import is_enhanced
from medaug.dicom.read.header import KINDS

OF_THE_STANDARD = "1.2.840.10008."  # UIDs that name no instance
_OWN = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")


@dataclass(frozen=True, eq=False)
class _Template:
    """What was built, what it was built from but for names and outlines, and where these stand in it."""

    key: object
    made: Dataset
    places: tuple[tuple[DataElement, int], ...]
    outlines: tuple[DataElement, ...]


class Templates:
    """What was built last of each kind. Nothing depends on what is kept."""

    def __init__(self) -> None:
        self._last: dict[str, _Template] = {}

    def of(
        self,
        kind: str,
        derived: Sequence[Dataset],
        given: object,
        names: Sequence[str],
        build: Callable[[], Dataset],
        outlines: Sequence[list[float]] = (),
    ) -> Dataset:
        """What ``build`` gives; or what it gave last, with these names and outlines in the place of those.

        Args:
            kind: of the object.
            derived: the headers that the builder is shown, SeriesNumber aside; of several, or a slice, it builds anew.
            given: what else it is built from, names and outlines aside.
            names: drawn for this variant, in the same order each time.
            build: builds it.
            outlines: each GraphicData in it, in order.

        Returns:
            A data set of its own; what is nested in it is shared with the next one.
        """
        named = (*names, *(str(derived[0].get(keyword) or "") for keyword in _OWN))
        said = [name for name in named if name]
        ambiguous = len({*said}) < len(said) or any(name.startswith(OF_THE_STANDARD) for name in said)
        if len(derived) > 1 or is_enhanced(derived[0]) or KINDS[derived[0].SOPClassUID] == "slice" or ambiguous:
            return build()
        charset = _charset(derived[0])
        key = given, _looks(derived[0]), tuple(map(bool, named)), len(outlines), str(charset)
        last = self._last.get(kind)
        if last is None or last.key != key:
            made = build()
            self._last[kind] = last = _Template(key, made, _places(made, named), _outlines(made))
            _encode(made, {id(element) for element in (*last.outlines, *(one for one, _ in last.places))}, charset)
        for element, number in last.places:
            element.value = named[number]
        for element, points in zip(last.outlines, outlines, strict=True):
            element.value = points
        return _copied(last.made, charset)


def _looks(derived: Dataset) -> tuple[object, ...]:
    """What a builder is shown of a header, names aside."""
    seen = [(element.tag, str(element.value)) for element in shown(derived) if element.keyword not in _OWN]
    return (*seen, derived.Rows, derived.Columns)


def _places(made: Dataset, names: Sequence[str]) -> tuple[tuple[DataElement, int], ...]:
    known = {name: number for number, name in enumerate(names) if name}
    return tuple(
        (element, known[str(element.value)])
        for element in made.iterall()
        if element.VR in ("UI", "LO") and str(element.value) in known
    )


def _outlines(made: Dataset) -> tuple[DataElement, ...]:
    return tuple(element for element in made.iterall() if element.keyword == "GraphicData")


def _charset(derived: Dataset) -> str | list[str]:
    """What the texts of an object are encoded in that is derived from this one, by Python's names."""
    said = derived.get("SpecificCharacterSet")
    return convert_encodings(said) if said else default_encoding


def _encode(made: Dataset, changing: set[int], charset: str | list[str]) -> None:
    """Encode what is nested in a data set and holds none of the elements that change, named by `id`."""
    for sequence in (element for element in made if element.VR == "SQ"):
        for nested in sequence.value:
            _encode_nested(nested, changing, charset)


def _encode_nested(nested: Dataset, changing: set[int], charset: str | list[str]) -> bool:
    """Encode elements in place; whether any was left since it changes, or something in it does."""
    left = False
    for element in tuple(nested):
        inside = [_encode_nested(one, changing, charset) for one in element.value] if element.VR == "SQ" else []
        if id(element) in changing or any(inside):
            left = True
        else:
            nested[element.tag] = _encoded(element, charset)
    nested.set_original_encoding(False, True, default_encoding)  # what is encoded is written as it is
    return left


def _encoded(element: DataElement, charset: str | list[str]) -> RawDataElement:
    """An element as the bytes of its value, Explicit VR Little Endian (PS3.5 7.1.2)."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = False, True
    write_data_element(stream, element, charset)
    value = stream.getvalue()[12 if element.VR in EXPLICIT_VR_LENGTH_32 else 8 :]
    return RawDataElement(element.tag, element.VR, len(value), value, 0, False, True)


def _copied(made: Dataset, charset: str | list[str]) -> Dataset:
    """A data set of the same elements: what is set in it leaves the other as it is."""
    copied = Dataset()
    for tag in made.keys():  # noqa: SIM118 - iterating gives elements
        element = made[tag]
        shared = element.VR == "SQ"
        copied[tag] = element if shared else DataElement(tag, element.VR, element.value)
    copied.set_original_encoding(False, True, charset)
    return copied
