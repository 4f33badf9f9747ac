from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from medaug.dicom.evidence.segmentation import CATEGORY, FAMILY, SEGMENTS, write_segmentation
from medaug.errors import OutputError, WriteError
from medaug.imaging.boxes import Code as BoxCode
from tests.support.dicom_derived import PROVENANCE, edited
from tests.support.dicom_validators import PRIVATE_CODE, dcentvfy, dciodvfy, errors
from tests.support.evidence_series import BUILT, Made, derived


@pytest.fixture(params=BUILT)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    return derived(request.param, tmp_path)


def written(made: Made, path: Path) -> Path:
    write_segmentation(made.files, made.masks, provenance=PROVENANCE, path=path)
    return path


def test_highdicom_reads_back_every_voxel(made: Made, tmp_path: Path) -> None:
    segmentation = hd.seg.segread(written(made, tmp_path / "regions.dcm"))
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in made.files]
    found = segmentation.get_pixels_by_source_instance(uids)
    assert found.shape == (*made.free.shape, 3)
    for number, expected in enumerate(made.masks):
        np.testing.assert_array_equal(found[..., number].astype(np.bool_), expected)
    assert [d.SegmentLabel for d in segmentation.SegmentSequence] == ["synthetic", "observed", "protected label"]


def test_planes_lie_where_the_derived_slices_lie(tmp_path: Path) -> None:
    made = derived("MR oblique", tmp_path)
    segmentation = hd.seg.segread(written(made, tmp_path / "regions.dcm"))
    image = hd.get_volume_from_series([pydicom.dcmread(path) for path in made.files])
    volume = segmentation.get_volume(combine_segments=False)
    np.testing.assert_allclose(volume.affine, image.affine, atol=1e-6)
    flat = volume.array[..., 0].astype(np.bool_)
    np.testing.assert_array_equal(flat, made.free)


def test_simpleitk_decodes_the_same_frames(tmp_path: Path) -> None:
    import SimpleITK

    made = derived("CT", tmp_path)
    path = written(made, tmp_path / "regions.dcm")
    frames = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    ds = pydicom.dcmread(path)
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in made.files]
    assert len(frames) == 3 * len(uids)
    for frame, group in zip(frames, ds.PerFrameFunctionalGroupsSequence, strict=True):
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        image = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        np.testing.assert_array_equal(frame.astype(np.bool_), made.masks[number - 1][uids.index(image)])


def test_the_validators_find_nothing(made: Made, tmp_path: Path) -> None:
    path = written(made, tmp_path / "regions.dcm")
    found = dciodvfy(path)
    assert [
        line for line in found if line.startswith(("Error", "Abort", "Warning")) and not PRIVATE_CODE.match(line)
    ] == []
    assert len([line for line in found if PRIVATE_CODE.match(line)]) == len(SEGMENTS) + 1  # and the scheme's own name
    study = (*made.source.source.files, *made.files)
    before = dcentvfy(*study)
    assert [x for x in dcentvfy(*study, path) if x not in before] == []


def test_it_says_what_it_is_and_of_what(made: Made, tmp_path: Path) -> None:
    ds = pydicom.dcmread(written(made, tmp_path / "regions.dcm"))
    first = pydicom.dcmread(made.files[0])
    assert (ds.SyntheticData, ds.ContentQualification, ds.Modality) == ("YES", "RESEARCH", "SEG")
    assert ds.StudyInstanceUID == first.StudyInstanceUID
    assert ds.SeriesInstanceUID not in (first.SeriesInstanceUID, made.source.source.series_uid)
    (series,) = ds.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == first.SeriesInstanceUID
    referred = [r.ReferencedSOPInstanceUID for r in series.ReferencedInstanceSequence]
    assert referred == [pydicom.dcmread(path).SOPInstanceUID for path in made.files]
    for segment in ds.SegmentSequence:
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("medaug", PROVENANCE.software_version)
    assert ds.ContentDate == ds.SeriesDate == ds.InstanceCreationDate == "20260304"
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert ds.SOPInstanceUID.startswith("2.25.")


def test_a_series_that_names_no_frame_of_reference_is_marked_all_the_same(tmp_path: Path) -> None:
    made = derived("CT", tmp_path)
    for path in made.files:
        edited(path, lambda ds: delattr(ds, "FrameOfReferenceUID"))
    path = written(made, tmp_path / "regions.dcm")
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in made.files]
    found = hd.seg.segread(path).get_pixels_by_source_instance(uids)
    np.testing.assert_array_equal(found[..., 0].astype(np.bool_), made.free)
    assert errors(dciodvfy(path)) == set()


def test_an_empty_character_set_is_not_passed_on(tmp_path: Path) -> None:
    made = derived("CR", tmp_path)
    edited(made.files[0], lambda ds: setattr(ds, "SpecificCharacterSet", ""))
    ds = pydicom.dcmread(written(made, tmp_path / "regions.dcm"))
    assert "SpecificCharacterSet" not in ds
    assert ds.PatientName == ""


def test_the_labels_codes_modify_what_the_labelled_pixels_mean(tmp_path: Path) -> None:
    made, path = derived("CR", tmp_path), tmp_path / "regions.dcm"
    own = [BoxCode("72704001", "SCT", "Fracture of bone"), BoxCode("a-code-of-more-than-16", "99X", "Something")]
    write_segmentation(made.files, made.masks, provenance=PROVENANCE, path=path, codes=own)
    kinds = [s.SegmentedPropertyTypeCodeSequence[0] for s in pydicom.dcmread(path).SegmentSequence]
    first, second = kinds[2].SegmentedPropertyTypeModifierCodeSequence
    assert (first.CodeValue, first.CodeMeaning) == ("72704001", "Fracture of bone")
    assert second.LongCodeValue == "a-code-of-more-than-16"
    assert all("SegmentedPropertyTypeModifierCodeSequence" not in kind for kind in kinds[:2])
    assert errors(dciodvfy(path)) == set()
    write_segmentation(made.files, made.masks, provenance=PROVENANCE, path=path.with_name("plain.dcm"))
    plain = pydicom.dcmread(path.with_name("plain.dcm")).SegmentSequence[2].SegmentedPropertyTypeCodeSequence[0]
    assert "SegmentedPropertyTypeModifierCodeSequence" not in plain


def test_codes_of_the_standard_have_the_standard_s_meanings() -> None:
    for ours, standard in (
        (FAMILY, codes.DCM.ArtificialIntelligence),
        (CATEGORY, codes.SCT.SpatialAndRelationalConcept),
    ):
        assert ours == (standard.value, standard.scheme_designator, standard.meaning)


def test_identity_is_the_derived_instance_s_byte_by_byte(tmp_path: Path) -> None:
    made = derived("CR every trap", tmp_path)
    ds, first = pydicom.dcmread(written(made, tmp_path / "regions.dcm")), pydicom.dcmread(made.files[0])
    for keyword in ("PatientName", "PatientID", "AccessionNumber", "DeidentificationMethod", "StudyDate"):
        assert ds.get_item(keyword).value == first.get_item(keyword).value
    holding = {e.keyword for e in ds.iterall() if "CANARY" in str(e.value)}
    assert holding == {"PatientName", "PatientID", "AccessionNumber"}


@pytest.mark.parametrize("character_set", ["ISO_IR 100", None])
def test_a_name_in_any_character_set_is_carried_over(tmp_path: Path, character_set: str | None) -> None:
    made = derived("CR", tmp_path)
    name = b"M\xfcller^J"
    for path in made.files:
        raw = path.read_bytes()
        ds = pydicom.dcmread(path)
        ds.PatientName = "Mxller^J"
        if character_set:
            ds.SpecificCharacterSet = character_set
        ds.save_as(path)
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"Mxller^J", name))
    ds = pydicom.dcmread(written(made, tmp_path / "regions.dcm"))
    assert ds.get_item("PatientName").value == name
    assert ds.get("SpecificCharacterSet") == character_set


def test_the_same_inputs_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    assert written(made, tmp_path / "a.dcm").read_bytes() == written(made, tmp_path / "b.dcm").read_bytes()


def test_a_header_that_gives_no_segmentation_is_refused_without_quoting_it(tmp_path: Path) -> None:
    made = derived("CT", tmp_path)
    edited(made.files[0], lambda ds: setattr(ds, "StudyInstanceUID", "1.2.3"))  # not one study any more
    with pytest.raises(WriteError, match=r"evidence\.segmentation to false") as caught:
        written(made, tmp_path / "regions.dcm")
    assert caught.value.code == "evidence"
    assert not (tmp_path / "regions.dcm").exists()


def test_no_folder_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        written(derived("CR", tmp_path), tmp_path / "nowhere" / "regions.dcm")
