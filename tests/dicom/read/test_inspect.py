from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from medaug.cli import app
from medaug.dicom import fields
from medaug.dicom.frames import frames_of
from medaug.dicom.read.discover import discover
from medaug.dicom.read.inspect import Notes, inspect, noting
from medaug.dicom.read.interpretation import Interpretation, interpretation_of
from medaug.dicom.read.read import read_series
from medaug.errors import ReadError
from medaug.execution.planning.inventory import inventory
from medaug.formats.nifti import write_nifti
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.dicom_edit import edit, load, only
from tests.support.dicom_multiframe import enhanced, placed


def test_the_headers_say_what_reading_finds(tmp_path: Path) -> None:
    make.series(tmp_path / "ct")
    make.radiograph(tmp_path / "cr")
    enhanced(tmp_path / "mr", [placed(3.0 * n) for n in (2, 0, 1)])
    notes: Notes = {}
    for series in discover(tmp_path, noting=noting(notes)).series:
        facts, (volume,) = inspect(series, notes), read_series(series)
        assert facts.usable
        assert facts.shape == volume.geometry.shape
        assert facts.spacing == pytest.approx(volume.geometry.spacing)
        assert facts.window == volume.window
        assert (facts.modality, facts.identity) == (volume.source.modality, volume.source.identity)
        assert facts.syntaxes == ("Explicit VR Little Endian",)


def test_a_frame_says_what_it_says_alone_whatever_the_one_before_said(tmp_path: Path) -> None:
    stack = {"FrameContentSequence": {"StackID": "1", "InStackPositionNumber": 1}}
    other = {"FrameContentSequence": {"StackID": "2", "InStackPositionNumber": 1}}
    window = {"FrameVOILUTSequence": {"WindowCenter": 500, "WindowWidth": 100}}
    bad = {"PixelValueTransformationSequence": {"RescaleSlope": 0, "RescaleIntercept": 0, "RescaleType": "US"}}
    scout = {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]}}
    kinds = [stack, stack, other, {**stack, **window}, scout, stack, {**stack, **bad}, stack, {}, stack]
    path = enhanced(tmp_path, [placed(3.0 * n, **kind) for n, kind in enumerate(kinds)])
    notes: Notes = {}
    discover(tmp_path, noting=noting(notes))
    assert [frame for _, frame in notes] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    for (_, number), note in notes.items():
        (alone,) = frames_of(dcmread(path), (number,))
        if number == 6:
            assert note.refusal is not None
            assert note.refusal[0] == "bad-value"
            continue
        assert note.interpretation is not None
        meant = interpretation_of(alone, placed=True)
        assert note.interpretation.windows == meant.windows
        assert note.interpretation.plane is not None
        assert note.interpretation.plane.position == pytest.approx([-30, -25, -100 + 3 * number])
        assert note.image.position == pytest.approx([-30, -25, -100 + 3 * number])
        assert note.image.stack == fields.text(alone, "StackID")


def test_frames_that_differ_in_position_alone_are_interpreted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def counting(*given: object, placed: bool) -> Interpretation:
        asked.append(placed)
        return interpretation_of(*given, placed=placed)  # type: ignore[arg-type]

    monkeypatch.setattr("medaug.dicom.read.interpretation.interpretation_of", counting)
    content = [{"StackID": "1", "InStackPositionNumber": n, "DimensionIndexValues": [1, n]} for n in range(1, 31)]
    enhanced(tmp_path, [placed(3.0 * n, FrameContentSequence=one) for n, one in enumerate(content)])
    assert inventory(tmp_path).usable == 1
    assert asked == [True]


@pytest.mark.parametrize("options", [{"gap_at": 3}, {"tilt_deg": 12.0}])
def test_the_headers_refuse_what_reading_refuses(tmp_path: Path, options: dict[str, float]) -> None:
    make.series(tmp_path, **options)
    (facts,) = inventory(tmp_path).series
    with pytest.raises(ReadError) as caught:
        read_series(only(tmp_path))
    assert not facts.usable
    assert facts.code == caught.value.code
    assert facts.reason in str(caught.value)


def test_no_pixel_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: object, **__: object) -> None:
        raise AssertionError("pixels were decoded")

    make.series(tmp_path)
    monkeypatch.setattr("medaug.dicom.read.decode.pixel_array", decoded)
    monkeypatch.setattr("medaug.dicom.read.parse.instance", decoded)
    monkeypatch.setattr("medaug.dicom.read.decode.decoded", decoded)
    assert inventory(tmp_path).usable == 1


def test_the_command_names_nobody(tmp_path: Path) -> None:
    root = tmp_path / "Doe^Jane"
    make.radiograph(root, identity_removed=False)
    make.series(root / "ct", gap_at=2)
    (root / "note.txt").write_text("Doe^Jane")
    write_nifti(_small(root / "one"), root / "Doe.nii")
    for options in ([], ["--json"]):
        result = CliRunner().invoke(app, ["inspect", str(root), *options])
        assert result.exit_code == 0
        assert not any(word in result.output for word in ("Doe", "Jane", "MRN", str(tmp_path)))
    found = json.loads(result.output)
    assert {(s["modality"], s["usable"], s["code"]) for s in found["series"]} == {
        ("CR", True, ""),
        ("CT", False, "missing-slice"),
        ("CT", True, ""),
        ("NIFTI", True, ""),
    }
    assert [s["code"] for s in found["skipped"]] == ["not-dicom"]


def test_nothing_usable_is_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no image")
    assert CliRunner().invoke(app, ["inspect", str(tmp_path)]).exit_code == 3


CLASSES = {
    "XA": "1.2.840.10008.5.1.4.1.1.12.1",
    "RF": "1.2.840.10008.5.1.4.1.1.12.2",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
}


@pytest.mark.parametrize("modality", CLASSES)
def test_single_images_of_other_machines(tmp_path: Path, modality: str) -> None:
    path = make.radiograph(tmp_path, rows=20, columns=30, bits=8)
    edit(path, SOPClassUID=CLASSES[modality], Modality=modality, ImagerPixelSpacing=None, PixelSpacing=None)
    volume = load(tmp_path)
    np.testing.assert_array_equal(volume.stored[0], np.rint(make.limb(20, 30) * 255))
    assert (volume.source.modality, volume.geometry.space) == (modality, "pixel")
    assert any("BurnedInAnnotation" in note for note in only(tmp_path).notes) is (modality in {"US", "OT", "XA"})


def test_an_image_that_needs_its_mask_subtracted_is_refused(tmp_path: Path) -> None:
    def subtract(ds: object) -> None:
        from pydicom.dataset import Dataset

        item = Dataset()
        item.MaskOperation = "AVG_SUB"
        ds.MaskSubtractionSequence = [item]  # type: ignore[attr-defined]

    path = make.radiograph(tmp_path)
    edit(path, subtract, SOPClassUID=CLASSES["XA"], Modality="XA")
    assert [s.code for s in discover(tmp_path).skipped] == ["subtraction"]


def _small(folder: Path) -> Volume:
    make.series(folder, slices=2, seed=3)
    return load(folder)
