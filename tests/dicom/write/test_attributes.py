from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from pydicom import datadict
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSNearLossless, JPEGLSTransferSyntaxes

from medaug.dicom.uids import IMPLEMENTATION_CLASS_UID, derived_uid, instance_uid, series_uid
from medaug.dicom.write import attribute_values
from medaug.dicom.write.attributes import (
    DROPPED_AT_EVERY_DEPTH,
    ENHANCED,
    ENHANCED_EQUIPMENT,
    EQUIPMENT,
    GROUPS,
    TABLE,
    Row,
    rows,
)
from medaug.dicom.write.derive import drop_overlays
from medaug.dicom.write.provenance import MAX_TEXT, Provenance
from tests.support.dicom_derived import PROVENANCE
from tests.support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "reference" / "dicom.md").read_text(encoding="utf-8")


def facts(**attributes: object) -> attribute_values.Facts:
    source = Dataset()
    source.SOPInstanceUID, source.SOPClassUID, source.PixelData = "1.2.3", "1.2.4", b"\0" * 16
    for keyword, value in attributes.items():
        setattr(source, keyword, value)
    return attribute_values.Facts(source, ExplicitVRLittleEndian, np.zeros((4, 8), np.uint16), 4, False, PROVENANCE)


@pytest.mark.parametrize("equipment", EQUIPMENT)
def test_every_row_names_a_dicom_attribute_once(equipment: attribute_values.Equipment) -> None:
    keywords = [row.keyword for row in rows(equipment)]
    assert len(keywords) == len(set(keywords))
    assert [k for k in keywords if datadict.tag_for_keyword(k) is None] == []
    assert set(DROPPED_AT_EVERY_DEPTH) <= {row.keyword for row in TABLE if row.rule == "drop"}


@pytest.mark.parametrize("row", [*rows("standard"), *EQUIPMENT["simulate"]], ids=lambda row: row.keyword)
def test_a_row_has_a_value_exactly_when_its_rule_needs_one(row: Row) -> None:
    assert (row.value is None) == (row.rule in ("copy", "drop"))
    assert row.section


@pytest.mark.parametrize(
    "row",
    [*rows("standard"), *EQUIPMENT["simulate"], *ENHANCED, *ENHANCED_EQUIPMENT["standard"]],
    ids=lambda row: row.keyword,
)
def test_the_document_for_auditors_holds_the_row(row: Row) -> None:
    value = (row.value.__doc__ or "").split("\n")[0].rstrip(".") if callable(row.value) else row.value or ""
    assert f"| {row.keyword} | {row.rule} | {row.section} | {value} |\n" in DOCUMENT


@pytest.mark.parametrize("group", GROUPS)
def test_the_document_for_auditors_holds_the_group(group: str) -> None:
    assert f"| {group} | {GROUPS[group]} |\n" in DOCUMENT


def test_uids_come_from_names_and_are_valid() -> None:
    assert derived_uid("a", 1) == derived_uid("a", "1")
    names: list[tuple[str, ...]] = [("a",), ("b",), ("ab", "c"), ("a", "bc"), ("a", "b", "c"), ()]
    assert len({derived_uid(*n) for n in names}) == len(names)
    for found in (derived_uid("a"), IMPLEMENTATION_CLASS_UID, series_uid("r", "a"), instance_uid("r", "a", "1.2", 3)):
        assert UID(found).is_valid
        assert found.startswith("2.25.")
    variants = (
        ("r", "a", "1.2", 3),
        ("r", "a", "1.2", 4),
        ("r", "b", "1.2", 3),
        ("r", "a", "1.3", 3),
        ("s", "a", "1.2", 3),
    )
    assert len({instance_uid(*n) for n in variants}) == 5
    assert series_uid("r", "a") != series_uid("s", "a")  # another run may give the same unit other bytes


def test_uids_stay_the_same_in_later_versions() -> None:
    assert derived_uid("instance", "a") == "2.25.301091958822513095428074546656706178884"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (["ORIGINAL", "PRIMARY", "AXIAL", "ADD"], ["DERIVED", "SECONDARY", "AXIAL", "ADD"]),
        (["ORIGINAL", "PRIMARY", "", "RT", "", "1"], ["DERIVED", "SECONDARY", "", "RT", "", "1"]),
        (["ORIGINAL", "PRIMARY"], ["DERIVED", "SECONDARY"]),
        ("ORIGINAL", ["DERIVED", "SECONDARY"]),
        (None, ["DERIVED", "SECONDARY"]),
    ],
)
def test_image_type_changes_its_first_two_values_only(source: object, expected: list[str]) -> None:
    assert attribute_values.image_type(facts(ImageType=source)) == expected


def test_the_description_keeps_the_source_s_words_before_ours() -> None:
    assert attribute_values.derivation_description(facts(DerivationDescription="smoothed")).startswith(
        "smoothed; pixels"
    )
    assert attribute_values.derivation_description(facts()).startswith("pixels generated in part by medaug 0.1.0: PSLD")


def test_the_description_cuts_the_source_s_words_never_ours() -> None:
    spare = MAX_TEXT - len(PROVENANCE.statement)
    longest = replace(PROVENANCE, summary=PROVENANCE.summary + "s" * spare)
    full = attribute_values.derivation_description(replace(facts(DerivationDescription="x" * 1020), provenance=longest))
    assert len(full) == 1024
    assert full.endswith(longest.statement)
    assert " [...]; " in full
    with pytest.raises(ValueError, match="at most"):
        replace(longest, summary=longest.summary + "s")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unit", "abc"),
        ("unit", "A" * 64),
        ("variant", -1),
        ("summary", "Müller"),
        ("summary", "two\nlines"),
        ("summary", "a\\b"),
        ("prior", ""),
        ("created", datetime(2026, 1, 1)),
    ],
)
def test_provenance_refuses_what_a_header_can_not_hold(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"provenance {field}"):
        replace(PROVENANCE, **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (None, "20260101 003000"),
        ("+0530", "20260101 060000"),
        ("-0200", "20251231 223000"),
        ("junk", "20260101 003000"),
    ],
)
def test_new_times_are_in_the_time_zone_of_the_source_s(offset: str | None, expected: str) -> None:
    at = replace(PROVENANCE, created=datetime(2026, 1, 1, 0, 30, tzinfo=UTC))
    attributes = {} if offset is None else {"TimezoneOffsetFromUTC": offset}
    found = replace(facts(**attributes), provenance=at)
    assert f"{attribute_values.date(found)} {attribute_values.time(found)}" == expected


@pytest.mark.parametrize(("number", "expected"), [(5, 5003), (None, 3), (0, 3), (-5, 5003), (2**31 - 1, 2147482651)])
def test_the_series_number_fits_is(number: int | None, expected: int) -> None:
    found = attribute_values.series_number(facts(SeriesNumber=number))
    assert found == expected
    assert 0 <= found < 2**31


def test_a_lossy_source_is_never_declared_lossless() -> None:
    lossless, near = replace(facts(), syntax=JPEG2000Lossless), replace(facts(), syntax=JPEGLSNearLossless)
    assert (
        attribute_values.lossy(lossless)
        is attribute_values.lossy_method(lossless)
        is attribute_values.lossy_ratio(lossless)
        is None
    )
    assert (attribute_values.lossy(near), attribute_values.lossy_method(near), attribute_values.lossy_ratio(near)) == (
        "01",
        "ISO_14495_1",
        4.0,
    )
    stated = replace(near, source=facts(LossyImageCompressionMethod="ISO_10918_1").source)
    assert (
        attribute_values.lossy(stated),
        attribute_values.lossy_method(stated),
        attribute_values.lossy_ratio(stated),
    ) == ("01", None, None)
    assert set(JPEGLSTransferSyntaxes) & set(attribute_values.LOSSY) == {JPEGLSNearLossless}


def test_the_scanner_is_listed_once_and_without_its_place() -> None:
    source = facts(Manufacturer="Acme", StationName="ROOM7", DeviceSerialNumber="9", InstitutionName="St. Elsewhere")
    scanner, ours = attribute_values.contributing_equipment(source)
    assert scanner.Manufacturer == "Acme"
    assert ours.Manufacturer == "medaug"
    for listed in (scanner, ours):
        assert not {"StationName", "DeviceSerialNumber", "InstitutionName", "OperatorsName"} & set(listed.dir())
    again = facts(Manufacturer="medaug", ContributingEquipmentSequence=[scanner, ours])
    assert [e.Manufacturer for e in attribute_values.contributing_equipment(again)] == ["medaug"]
    assert [e.Manufacturer for e in attribute_values.contributing_equipment(facts())] == ["medaug"]


@pytest.mark.filterwarnings("ignore:The value length")  # a source's value, set here as a careless writer would
def test_an_illegal_value_of_the_scanner_is_not_repeated() -> None:
    scanner, _ = attribute_values.contributing_equipment(facts(Manufacturer="Acme", ManufacturerModelName="m" * 65))
    assert "ManufacturerModelName" not in scanner
    assert len(attribute_values.contributing_equipment(facts(Manufacturer="m" * 65))) == 1


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("SeriesDescription", "x" * 65), ("ImageType", "lower"), ("SOPInstanceUID", "1..2"), ("SeriesDate", "today")],
)
def test_illegal_values_raise_where_pydicom_would_warn(keyword: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"[Vv]alue"):
        attribute_values.put(Dataset(), keyword, value)


def overlay(ds: Dataset, group: int, drawn: np.ndarray, origin: tuple[int, int] = (1, 1), position: int = 0) -> None:
    rows_, columns = drawn.shape
    ds.add_new((group, 0x0010), "US", rows_)
    ds.add_new((group, 0x0011), "US", columns)
    ds.add_new((group, 0x0040), "CS", "G")
    ds.add_new((group, 0x0050), "SS", list(origin))
    ds.add_new((group, 0x0100), "US", 1)
    ds.add_new((group, 0x0102), "US", position)
    ds.add_new((group, 0x3000), "OW", np.packbits(drawn.ravel(), bitorder="little").tobytes())


def groups(ds: Dataset) -> set[int]:
    return {tag.group for tag in ds.keys() if 0x6000 <= tag.group < 0x6100}  # noqa: SIM118


def test_an_overlay_stays_while_it_marks_no_generated_pixel() -> None:
    changed = np.zeros((8, 8), dtype=np.bool_)
    changed[:, 4:] = True
    left, right = np.zeros((8, 8), dtype=np.bool_), np.zeros((8, 8), dtype=np.bool_)
    left[2, 1], right[2, 4] = True, True
    ds = Dataset()
    overlay(ds, 0x6000, left)
    overlay(ds, 0x6002, right)
    overlay(ds, 0x6004, left, origin=(1, 4))  # the same drawing, moved by three columns onto column 4
    overlay(ds, 0x6006, left, origin=(-40, 1))  # drawn outside the image
    overlay(ds, 0x6008, left, position=12)  # in unused bits of the pixels, which are masked
    del ds[(0x6008, 0x3000)]
    drop_overlays(ds, changed)
    assert groups(ds) == {0x6000, 0x6006}


@pytest.mark.parametrize("missing", [0x0010, 0x0011, 0x0050, 0x3000])
def test_an_overlay_that_can_not_be_placed_is_dropped(missing: int) -> None:
    ds = Dataset()
    overlay(ds, 0x6000, np.ones((4, 4), dtype=np.bool_))
    nothing = np.zeros((4, 4), dtype=np.bool_)
    drop_overlays(ds, nothing)
    assert groups(ds) == {0x6000}
    del ds[(0x6000, missing)]
    drop_overlays(ds, nothing)
    assert groups(ds) == set()


def test_provenance_is_a_value() -> None:
    assert replace(PROVENANCE) == PROVENANCE
    assert isinstance(PROVENANCE, Provenance)
