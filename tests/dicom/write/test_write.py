from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    NuclearMedicineImageStorage,
    RLELossless,
)

from medaug.audit.stored_pixels import image_digest
from medaug.dicom.uids import instance_uid, series_uid
from medaug.dicom.write import write
from medaug.dicom.write.stored_values import overwritten
from medaug.errors import OutputError, SourceError, WriteError
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.dicom_derived import PROVENANCE, as_volume, edited, full_of_traps, ring, variant_of, written

SOURCES: dict[str, Callable[[Path], tuple[Path, ...]]] = {
    "CR": lambda folder: (make.radiograph(folder, bits=10),),
    "CR MONOCHROME1 8 bit odd": lambda folder: (
        make.radiograph(folder, rows=33, columns=21, bits=8, photometric="MONOCHROME1"),
    ),
    "DX": lambda folder: (make.radiograph(folder, modality="DX", photometric="MONOCHROME1"),),
    "CT signed, padding": lambda folder: make.series(folder, padding=-2000),
    "MR": lambda folder: make.series(folder, modality="MR", orientation=(0, 1, 0, 0, 0, -1)),
}

# Written out, not taken from the table: the table is what is tested.
GONE = {
    "DataSetTrailingPadding",
    "DeviceSerialNumber",
    "DigitalSignaturesSequence",
    "EncryptedAttributesSequence",
    "IconImageSequence",
    "InstanceCreatorUID",
    "LargestPixelValueInSeries",
    "MACParametersSequence",
    "OriginalAttributesSequence",
    "ReferencedPerformedProcedureStepSequence",
    "RetrieveURL",
    "SOPInstanceStatus",
    "SmallestPixelValueInSeries",
    "StationName",
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Volume:
    return as_volume(SOURCES[request.param](tmp_path / "in"))


@pytest.fixture
def radiograph(tmp_path: Path) -> Volume:
    return as_volume([make.radiograph(tmp_path / "in")])


@pytest.fixture
def trapped(tmp_path: Path) -> Volume:
    return as_volume([edited(make.radiograph(tmp_path / "in"), full_of_traps)])


def values(path: Path) -> np.ndarray:
    """The stored values, from the bytes of the file and without pydicom's decoders."""
    ds = pydicom.dcmread(path)
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    kind = f"<{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}"
    return np.frombuffer(ds.PixelData, kind)[: ds.Rows * ds.Columns].reshape(ds.Rows, ds.Columns)


def test_pixels_are_the_source_s_but_where_they_were_generated(source: Volume, tmp_path: Path) -> None:
    changed = ring(source)
    variant = variant_of(source, changed)
    assert (variant.stored != source.stored).sum() > 0.5 * changed.sum()
    for k, path in enumerate(written(source, tmp_path / "out")):
        found = values(path)
        assert found.dtype == source.stored.dtype
        np.testing.assert_array_equal(found[~changed[k]], source.stored[k][~changed[k]])
        np.testing.assert_array_equal(found[changed[k]], variant.stored[k][changed[k]])
        assert path.stat().st_size % 2 == 0


def test_the_digests_that_are_handed_on_are_those_of_the_files(source: Volume, tmp_path: Path) -> None:
    changed, folder = ring(source), tmp_path / "out"
    files = write.write_series(
        variant_of(source, changed), changed, source=source, provenance=PROVENANCE, folder=folder
    )
    assert [file.path for file in files] == sorted(folder.iterdir())
    for file in files:
        assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
        assert file.pixels_sha256 == image_digest(file.path)
        assert file.sop_instance_uid == pydicom.dcmread(file.path).SOPInstanceUID


def test_the_source_s_integers_are_the_start_whatever_the_variant_holds() -> None:
    source, variant = np.arange(6, dtype=np.int16).reshape(2, 3), np.full((2, 3), 9, dtype=np.int16)
    changed = np.array([[True, False, False], [False, False, True]])
    np.testing.assert_array_equal(overwritten(source, variant, changed), [[9, 1, 2], [3, 4, 9]])
    np.testing.assert_array_equal(source, np.arange(6).reshape(2, 3))


def test_every_instance_says_that_it_is_synthetic_and_of_what(source: Volume, tmp_path: Path) -> None:
    for k, path in enumerate(written(source, tmp_path / "out")):
        ds = pydicom.dcmread(path)
        reference = source.source
        assert ds.SyntheticData == "YES"
        assert ds.ContentQualification == "RESEARCH"
        assert list(ds.ImageType[:2]) == ["DERIVED", "SECONDARY"]
        assert list(ds.ImageType[2:]) == list(pydicom.dcmread(reference.files[k]).ImageType[2:])
        assert ds.SeriesDescription.startswith("SYNTHETIC")
        assert PROVENANCE.statement in ds.DerivationDescription
        (image,) = ds.SourceImageSequence
        assert image.ReferencedSOPInstanceUID == reference.instance_uids[k] != ds.SOPInstanceUID
        assert image.ReferencedSOPClassUID == ds.SOPClassUID
        assert image.SpatialLocationsPreserved == "YES"
        assert image.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        (derivation,) = ds.DerivationCodeSequence
        assert (derivation.CodeValue, derivation.CodingSchemeDesignator) == ("GENERATED", "99MEDAUG")
        purposes = [e.PurposeOfReferenceCodeSequence[0].CodeValue for e in ds.ContributingEquipmentSequence]
        assert purposes == ["109101", "109100"]
        assert ds.Manufacturer == "medaug"


def test_a_new_series_in_the_same_study(source: Volume, tmp_path: Path) -> None:
    files = written(source, tmp_path / "out")
    assert [path.name for path in files] == [f"{k + 1:04d}.dcm" for k in range(len(files))]
    assert sorted((tmp_path / "out").iterdir()) == list(files)
    read = [pydicom.dcmread(path) for path in files]
    for k, ds in enumerate(read):
        before = pydicom.dcmread(source.source.files[k])
        assert ds.SOPInstanceUID == instance_uid(
            PROVENANCE.run, PROVENANCE.unit, before.SOPInstanceUID, PROVENANCE.variant
        )
        assert ds.SeriesInstanceUID == series_uid(PROVENANCE.run, PROVENANCE.unit) != before.SeriesInstanceUID
        assert ds.InstanceNumber == k + 1
        for kept in ("StudyInstanceUID", "FrameOfReferenceUID", "SOPClassUID", "ImagePositionPatient", "PixelSpacing"):
            assert ds.get(kept) == before.get(kept)
    if len(read) > 1:
        normal = np.cross(read[0].ImageOrientationPatient[:3], read[0].ImageOrientationPatient[3:])
        along = [float(np.dot(normal, ds.ImagePositionPatient)) for ds in read]
        assert along == sorted(along)


def test_file_meta_is_our_own(radiograph: Volume, tmp_path: Path) -> None:
    (path,) = written(radiograph, tmp_path / "out")
    ds = pydicom.dcmread(path)
    assert path.read_bytes()[:132] == b"\0" * 128 + b"DICM"
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert ds.file_meta.MediaStorageSOPClassUID == ds.SOPClassUID
    assert ds.file_meta.ImplementationVersionName == "MEDAUG 0.1"
    assert ds.file_meta.ImplementationClassUID.startswith("2.25.")


def test_a_program_in_the_preamble_is_not_passed_on(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path / "in")
    path.write_bytes(b"MZ" + path.read_bytes()[2:])
    (derived,) = written(as_volume([path]), tmp_path / "out")
    assert derived.read_bytes()[:128] == b"\0" * 128


def test_what_describes_or_vouches_for_the_source_is_gone(trapped: Volume, tmp_path: Path) -> None:
    before = pydicom.dcmread(trapped.source.files[0])
    ds = pydicom.dcmread(written(trapped, tmp_path / "out")[0])
    assert set(before.dir()) >= GONE  # the source does hold them, else this shows nothing
    assert GONE & set(ds.dir()) == set()
    assert [e.tag for e in before.iterall() if e.tag.is_private]
    assert [e.tag for e in ds.iterall() if e.tag.is_private] == []
    assert "DigitalSignaturesSequence" in before.RequestAttributesSequence[0]
    assert ds.RequestAttributesSequence[0].dir() == ["RequestedProcedureID"]


def test_what_follows_the_pixels_is_recomputed(trapped: Volume, tmp_path: Path) -> None:
    (path,) = written(trapped, tmp_path / "out")
    ds, found = pydicom.dcmread(path), values(path)
    assert (ds.SmallestImagePixelValue, ds.LargestImagePixelValue) == (found.min(), found.max())


def test_minimum_and_maximum_of_signed_values(tmp_path: Path) -> None:
    files = [edited(path, full_of_traps) for path in make.series(tmp_path / "in", slices=1, padding=-2000)]
    ds = pydicom.dcmread(written(as_volume(files), tmp_path / "out")[0])
    assert ds["SmallestImagePixelValue"].VR == "SS"
    assert ds.SmallestImagePixelValue == -2000


def test_lists_of_the_source_are_kept_and_added_to(trapped: Volume, tmp_path: Path) -> None:
    ds = pydicom.dcmread(written(trapped, tmp_path / "out")[0])
    assert [c.CodeValue for c in ds.DerivationCodeSequence] == ["113061", "GENERATED"]
    assert ds.DerivationDescription.startswith("denoised by the scanner; pixels generated")
    assert len(ds.SourceImageSequence) == 1  # the direct source alone


def test_everything_else_is_copied(source: Volume, tmp_path: Path) -> None:
    changing = {row.keyword for row in write.rows("standard") if row.rule != "copy"} | {"PixelData"}
    for k, path in enumerate(written(source, tmp_path / "out")):
        before, after = pydicom.dcmread(source.source.files[k]), pydicom.dcmread(path)
        assert [e.keyword for e in before if e.keyword not in changing and after.get(e.tag) != e] == []
        assert set(after.dir()) - set(before.dir()) <= changing


def test_identity_stays_in_the_attributes_it_came_in(trapped: Volume, tmp_path: Path) -> None:
    (path,) = written(trapped, tmp_path / "out")
    holding = {e.keyword for e in pydicom.dcmread(path).iterall() if "CANARY" in str(e.value)}
    assert holding == {"PatientName", "PatientID", "InstitutionName", "OperatorsName", "AccessionNumber"}
    assert path.read_bytes().count(b"CANARY") == len(holding)
    assert "CANARY" not in path.name


def test_private_elements_stay_on_request(trapped: Volume, tmp_path: Path) -> None:
    ds = pydicom.dcmread(written(trapped, tmp_path / "out", keep_private=True)[0])
    assert ds.private_block(0x0029, "CANARYCREATOR")[0x01].value == "CANARYPRIVATE"
    nested = ds.RequestAttributesSequence[0]
    assert nested.private_block(0x0029, "CANARYCREATOR")[0x01].value == "CANARYNESTED"
    assert "DigitalSignaturesSequence" not in nested


def test_simulate_keeps_the_scanner_as_the_equipment(trapped: Volume, tmp_path: Path) -> None:
    ds = pydicom.dcmread(written(trapped, tmp_path / "out", equipment="simulate")[0])
    assert (ds.Manufacturer, ds.ManufacturerModelName, ds.StationName) == ("medaug tests", "phantom", "CANARYSTATION")
    assert [e.Manufacturer for e in ds.ContributingEquipmentSequence] == ["medaug tests", "medaug"]
    assert ds.SyntheticData == "YES"


def test_slices_without_a_change_are_carried_over_and_say_so(tmp_path: Path) -> None:
    source = as_volume(make.series(tmp_path / "in", padding=-2000))
    files = written(source, tmp_path / "out", ring(source, slice(2, 4)))
    for k, path in enumerate(files):
        ds = pydicom.dcmread(path)
        carried = k not in (2, 3)
        assert ("carried over unchanged" in ds.DerivationDescription) == carried
        assert ds.DerivationCodeSequence[0].CodeValue == ("CARRIED" if carried else "GENERATED")
        assert np.array_equal(values(path), source.stored[k]) == carried
        assert ds.SOPInstanceUID != source.source.instance_uids[k]
        assert (ds.ImageType[0], ds.SyntheticData) == ("DERIVED", "YES")


def test_the_same_inputs_give_the_same_bytes(trapped: Volume, tmp_path: Path) -> None:
    first, second = written(trapped, tmp_path / "a")[0], written(trapped, tmp_path / "b")[0]
    assert first.read_bytes() == second.read_bytes()
    other = replace(PROVENANCE, unit="0" * 64)
    third = written(trapped, tmp_path / "c", provenance=other)[0]
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert pydicom.dcmread(third).get(keyword) != pydicom.dcmread(first).get(keyword)


def test_a_change_outside_the_mask_is_refused_and_nothing_written(source: Volume, tmp_path: Path) -> None:
    changed = ring(source)
    stored = variant_of(source, changed).stored.copy()
    k, i, j = np.argwhere(~changed)[0]
    stored[k, i, j] += 1
    with pytest.raises(WriteError, match="1 protected voxels differ") as caught:
        write.write_series(
            replace(source, stored=stored), changed, source=source, provenance=PROVENANCE, folder=tmp_path / "out"
        )
    assert caught.value.code == "protected-changed"
    assert not (tmp_path / "out").exists()


def test_a_generated_voxel_never_reads_as_padding(tmp_path: Path) -> None:
    source = as_volume(make.series(tmp_path / "in", padding=-2000))
    changed = ring(source)
    stored = variant_of(source, changed).stored.copy()
    stored[tuple(np.argwhere(changed)[0])] = -2000
    blank = replace(source, stored=stored, padding=None)  # a variant that forgot about padding is no excuse
    with pytest.raises(WriteError, match="1 generated voxels equal the padding") as caught:
        write.write_series(blank, changed, source=source, provenance=PROVENANCE, folder=tmp_path / "out")
    assert caught.value.code == "padding"


def test_padding_is_never_generated_over(tmp_path: Path) -> None:
    source = as_volume(make.series(tmp_path / "in", padding=-2000))
    changed = source.padded
    with pytest.raises(WriteError, match="where the source has no image") as caught:
        written(source, tmp_path / "out", changed)
    assert caught.value.code == "padding"


@pytest.mark.parametrize("claimed", [(0, 4095), (0, 65535)])
def test_a_value_beyond_the_stored_bits_is_refused(
    radiograph: Volume, tmp_path: Path, claimed: tuple[int, int]
) -> None:
    changed = ring(radiograph)
    stored = variant_of(radiograph, changed).stored.copy()
    stored[tuple(np.argwhere(changed)[0])] = 4096
    source = replace(radiograph, stored_range=claimed)
    with pytest.raises(WriteError) as caught:
        write.write_series(
            replace(source, stored=stored), changed, source=source, provenance=PROVENANCE, folder=tmp_path / "out"
        )
    assert caught.value.code == "stored-range"
    assert list((tmp_path / "out").glob("*")) == []


def test_grids_that_do_not_match_are_refused(radiograph: Volume, tmp_path: Path) -> None:
    other = as_volume([make.radiograph(tmp_path / "other", seed=1)])
    variant, changed = variant_of(radiograph, ring(radiograph)), ring(radiograph)
    for bad, mask in [(variant, changed[:, 1:]), (variant, changed.astype(np.uint8)), (other, changed)]:
        with pytest.raises(WriteError, match="one grid") as caught:
            write.write_series(bad, mask, source=radiograph, provenance=PROVENANCE, folder=tmp_path / "out")
        assert caught.value.code == "grid"


def test_a_source_that_changed_during_the_run_is_refused(radiograph: Volume, tmp_path: Path) -> None:
    path = radiograph.source.files[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(WriteError, match="changed during the run") as caught:
        written(radiograph, tmp_path / "out")
    assert caught.value.code == "source-changed"
    path.unlink()
    with pytest.raises(WriteError, match=r"changed during the run \(unreadable\)") as caught:
        written(radiograph, tmp_path / "out")
    assert caught.value.code == "source-changed"
    assert str(tmp_path) not in str(caught.value)


def test_a_volume_that_is_not_what_its_files_hold_is_refused(radiograph: Volume, tmp_path: Path) -> None:
    source = replace(radiograph, stored=radiograph.stored.max() - radiograph.stored)
    with pytest.raises(WriteError) as caught:
        written(source, tmp_path / "out")
    assert caught.value.code == "source-differs"


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ({"SOPClassUID": NuclearMedicineImageStorage}, "sop-class"),
        ({"HighBit": 15}, "unsupported-encoding"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "palette"),
        ({"NumberOfFrames": 2}, "multi-frame"),
    ],
)
def test_what_can_not_be_written_yet_is_refused(
    radiograph: Volume, tmp_path: Path, edit: dict[str, object], code: str
) -> None:
    def change(ds: Dataset) -> None:
        for keyword, value in edit.items():
            setattr(ds, keyword, value)

    path = edited(radiograph.source.files[0], change)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = replace(radiograph, source=replace(radiograph.source, sha256=(digest,)))
    with pytest.raises(SourceError) as caught:
        written(source, tmp_path / "out")
    assert caught.value.code == code


def test_bits_above_the_stored_ones_are_masked(tmp_path: Path) -> None:
    def overlay_in_high_bits(ds: Dataset) -> None:
        ds.PixelData = (ds.pixel_array | 0x8000).tobytes()
        ds.add_new((0x6000, 0x0010), "US", ds.Rows)
        ds.add_new((0x6000, 0x0102), "US", 15)

    path = edited(make.radiograph(tmp_path / "in"), overlay_in_high_bits)
    (derived,) = written(as_volume([path]), tmp_path / "out")
    assert values(derived).max() < 4096
    assert (0x6000, 0x0010) not in pydicom.dcmread(derived)


def test_signed_values_of_twelve_bits_are_sign_extended(tmp_path: Path) -> None:
    def twelve_bits_signed(ds: Dataset) -> None:
        values = np.clip(ds.pixel_array, -2048, 2047)
        ds.BitsStored, ds.HighBit = 12, 11
        ds.PixelData = (values & 0x0FFF).astype(np.uint16).tobytes()

    (path,) = (edited(p, twelve_bits_signed) for p in make.series(tmp_path / "in", slices=1, padding=-2000))
    source = as_volume([path])
    assert source.stored.min() == -2000
    (derived,) = written(source, tmp_path / "out")
    changed = ring(source)[0]
    np.testing.assert_array_equal(values(derived)[~changed], source.stored[0][~changed])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, JPEGLSLossless])
def test_every_source_encoding_becomes_native_explicit(tmp_path: Path, syntax: UID) -> None:
    native = make.radiograph(tmp_path / "native")
    path = edited(make.radiograph(tmp_path / "in"), full_of_traps)
    encode(path, syntax)
    source = as_volume([path])
    np.testing.assert_array_equal(source.stored, as_volume([native]).stored)
    (derived,) = written(source, tmp_path / "out")
    changed = ring(source)[0]
    np.testing.assert_array_equal(values(derived)[~changed], source.stored[0][~changed])
    assert "LossyImageCompression" not in pydicom.dcmread(derived)


def test_jpeg_2000_becomes_native_explicit(tmp_path: Path) -> None:
    source = as_volume([Path(get_testdata_file("MR_small_jp2klossless.dcm", download=False))])
    (derived,) = written(source, tmp_path / "out")
    changed = ring(source)[0]
    np.testing.assert_array_equal(values(derived)[~changed], source.stored[0][~changed])
    ds = pydicom.dcmread(derived)
    assert (ds.SmallestImagePixelValue, ds.LargestImagePixelValue) == (values(derived).min(), values(derived).max())


def encode(path: Path, syntax: UID, **options: object) -> None:
    ds = pydicom.dcmread(path)
    if syntax.is_compressed:
        ds.compress(syntax, generate_instance_uid=False, **options)
        ds.save_as(path, enforce_file_format=True)
        return
    if not syntax.is_little_endian:
        ds.PixelData = ds.pixel_array.astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, ds, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)


def test_a_lossy_source_stays_marked_as_lossy(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path / "in")
    encode(path, JPEGLSNearLossless, jls_error=2)
    ds = pydicom.dcmread(written(as_volume([path]), tmp_path / "out")[0])
    assert (ds.LossyImageCompression, ds.LossyImageCompressionMethod) == ("01", "ISO_14495_1")
    assert 1 < ds.LossyImageCompressionRatio < 20


def test_look_up_tables_in_big_endian_words_are_refused(tmp_path: Path) -> None:
    path = edited(make.radiograph(tmp_path / "in"), lambda ds: ds.add_new(0x60003000, "OW", b"\0\1" * 8))
    path = edited(path, lambda ds: ds.add_new(0x00283006, "OW", b"\0\1" * 8))
    encode(path, ExplicitVRBigEndian)
    with pytest.raises(WriteError) as caught:
        written(as_volume([path]), tmp_path / "out")
    assert caught.value.code == "big-endian-words"


@pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:The value length")
def test_illegal_values_of_the_source_are_copied_without_noise(tmp_path: Path) -> None:
    path = edited(
        make.radiograph(tmp_path / "in"), lambda ds: ds.add_new("ImageComments", "CS", "lower case, and long")
    )
    source = as_volume([path])
    ds = pydicom.dcmread(written(source, tmp_path / "out")[0])
    assert ds.ImageComments == "lower case, and long"


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize(
    ("character_set", "name"),
    [("ISO_IR 192", "Müller^Ö"), ("ISO_IR 100", "Müller^Ö"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎")],
)
def test_text_of_the_source_keeps_its_bytes(tmp_path: Path, character_set: object, name: str, implicit: bool) -> None:
    def write_names(ds: Dataset) -> None:
        ds.SpecificCharacterSet, ds.PatientName, ds.ImageComments = character_set, name, name

    path = edited(make.radiograph(tmp_path / "in"), write_names)
    if implicit:
        encode(path, ImplicitVRLittleEndian)
    (derived,) = written(as_volume([path]), tmp_path / "out")
    for keyword in ("PatientName", "ImageComments"):
        before, after = (pydicom.dcmread(p).get_item(keyword).value for p in (path, derived))
        assert isinstance(before, bytes)
        assert after == before


def test_a_header_that_can_not_be_carried_over_is_refused_without_quoting_it(
    radiograph: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise KeyError("CANARYNAME^A")

    monkeypatch.setattr(write, "dcmwrite", stumble)
    with pytest.raises(WriteError, match=r"slice 1.*KeyError") as caught:
        written(radiograph, tmp_path / "out")
    assert caught.value.code == "header"
    assert "CANARY" not in str(caught.value)


def test_a_full_disk_leaves_nothing_half_written(
    radiograph: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        written(radiograph, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert str(tmp_path) not in str(caught.value)


def test_files_are_flushed_before_they_take_their_name(
    radiograph: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    flush = os.fsync

    def watched(descriptor: int) -> None:
        seen.append([path.name for path in (tmp_path / "out").iterdir()])
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    written(radiograph, tmp_path / "out")
    assert seen == [[f".0001.dcm.{os.getpid()}"]]


@pytest.mark.parametrize("where", [-1, 400])
def test_a_disk_that_returns_other_bytes_is_noticed(
    radiograph: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: int
) -> None:
    write = Path.write_bytes

    def faulty(path: Path, data: bytes) -> int:
        spoiled = bytearray(data)
        spoiled[where] ^= 1
        return write(path, spoiled)

    monkeypatch.setattr(Path, "write_bytes", faulty)
    with pytest.raises(WriteError) as caught:
        written(radiograph, tmp_path / "out")
    assert caught.value.code == "not-read-back"
    assert list((tmp_path / "out").iterdir()) == []


def test_the_source_is_not_touched(source: Volume, tmp_path: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.source.files}
    stored = source.stored.copy()
    written(source, tmp_path / "out")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.source.files} == before
    np.testing.assert_array_equal(source.stored, stored)
