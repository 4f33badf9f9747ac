"""Items taken apart here hold what pydicom reads of them, in every encoding; what isn't plain is left to it."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from medaug.dicom import fields
from medaug.dicom.fields import tag_of
from medaug.dicom.raw_items import Item, items_of
from medaug.errors import ReadError
from tests.support.dicom_multiframe import delimit

GROUPS, CONTENT = "PerFrameFunctionalGroupsSequence", "FrameContentSequence"
PLACE = "PlanePositionSequence"
ENCODINGS = [(False, True), (True, True), (False, False)]  # implicit, little endian


def frame(n: int) -> Dataset:
    content, place, group = Dataset(), Dataset(), Dataset()
    content.StackID, content.DimensionIndexValues, content.FrameReferenceDateTime = "A", [1, n], "20200101"
    place.ImagePositionPatient = [-30.25, n, 1e-3]
    private = group.private_block(0x2005, "MAKER", create=True)
    private.add_new(0x0F, "SQ", [Dataset()])
    group.FrameContentSequence, group.PlanePositionSequence = [content], [place]
    group.FrameVOILUTSequence = []
    return group


def stored(*, implicit: bool, little: bool, delimited: bool) -> bytes:
    """A data set with the groups of three frames, as bytes."""
    ds = Dataset()
    ds.PerFrameFunctionalGroupsSequence = [frame(n) for n in range(3)]
    if delimited:
        delimit(ds)
    written = DicomBytesIO()
    written.is_implicit_VR, written.is_little_endian = implicit, little
    write_dataset(written, ds)
    return written.getvalue()


def raw(data: bytes, *, implicit: bool, little: bool) -> RawDataElement:
    """The sequence as an element that wasn't converted, whatever its length says."""
    start = 8 if implicit else 12
    tag = tag_of(GROUPS)
    return RawDataElement(tag, None if implicit else "SQ", len(data) - start, data[start:], start, implicit, little)


@pytest.mark.parametrize(("implicit", "little"), ENCODINGS)
@pytest.mark.parametrize("delimited", [False, True])
def test_items_hold_what_pydicom_reads(implicit: bool, little: bool, delimited: bool) -> None:
    data = stored(implicit=implicit, little=little, delimited=delimited)
    expected = read_dataset(BytesIO(data), implicit, little)[GROUPS].value
    found = items_of(raw(data, implicit=implicit, little=little), "iso8859")
    assert found is not None
    assert len(found) == len(expected) == 3
    for item, theirs in zip(found, expected, strict=True):
        assert set(item) == set(theirs.keys())
        (content,), (place,) = fields.items(item, CONTENT), fields.items(item, PLACE)
        assert isinstance(content, Item)
        assert isinstance(place, Item)
        assert fields.text(content, "StackID") == "A"
        assert fields.numbers(content, "DimensionIndexValues") == tuple(
            theirs.FrameContentSequence[0][0x00209157].value
        )
        assert fields.numbers(place, "ImagePositionPatient") == tuple(theirs.PlanePositionSequence[0][0x00200032].value)
        assert not fields.items(item, "FrameVOILUTSequence")
        assert all(item[tag] == theirs[tag] for tag in item if not tag.is_private)  # nobody asks for private ones


PLACES = (b"1\\2\\3", b"-1.5e-3\\ 2 \\+3.", b"0.1\\1e400\\2", b"1\\\\2", b"  ", b"1,5\\2\\3", b"1\\2\\3\0", b"1\\2")


@pytest.mark.parametrize("value", PLACES)
def test_numbers_of_elements_that_were_not_converted_are_pydicoms(value: bytes) -> None:
    tag = tag_of("ImagePositionPatient")
    raw_element = RawDataElement(tag, "DS", len(value), value, 0, False, True)

    def outcome(ds: Dataset) -> object:
        try:
            return fields.numbers(ds, "ImagePositionPatient", 3)
        except ReadError as error:
            return error.code

    converted = Dataset({tag: raw_element})
    with suppress(ValueError):
        assert converted[tag].VR == "DS"
    assert outcome(Dataset({tag: raw_element})) == outcome(converted)


def cut(data: bytes) -> bytes:
    return data[:-5]


def foreign_vr(data: bytes) -> bytes:
    return data.replace(b"SH", b"zz")


@pytest.mark.parametrize("damage", [cut, foreign_vr])
def test_what_is_not_plain_is_left_to_pydicom(damage: object) -> None:
    data = damage(stored(implicit=False, little=True, delimited=True))  # type: ignore[operator]
    assert items_of(raw(data, implicit=False, little=True), "iso8859") is None


def test_what_was_converted_is_left_as_it_is() -> None:
    ds = Dataset()
    ds.PerFrameFunctionalGroupsSequence = Sequence([frame(1)])
    assert items_of(ds[GROUPS], "iso8859") is None
