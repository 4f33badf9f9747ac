"""What joins the lists with the real data: digests, names, and the real images themselves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import medaug
from medaug.execution.output.open import attach
from medaug.execution.output.store import file_name
from medaug.execution.planning.naming import real_image
from medaug.imaging.volume import SourceRef
from medaug.verification.list_entries import check_lists
from tests.support import make
from tests.support.small_runs import boxes, export, small_profile

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's and torch's own

OPTIONS: dict[str, Any] = {"accept_identity": "drawn here", "device": "cpu", "seed": 1}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("names")
    export(folder / "in")
    return {
        "input": folder / "in",
        "annotations": boxes(folder / "b.json"),
        "profile": small_profile(folder),
        **OPTIONS,
    }


@pytest.fixture(scope="module")
def output(given: dict[str, Any]) -> Path:
    output: Path = given["input"].parent / "out"
    medaug.run(output=output, **given)
    return output


def items(output: Path, name: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((output / name).read_text())[key]
    return found


def test_each_item_names_its_source_by_a_digest_and_a_key_that_the_owner_can_make(
    given: dict[str, Any], output: Path
) -> None:
    files = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in (given["input"] / "xray").iterdir()}
    secret = attach(output).secret
    listed = items(output, "monai.json", "training") + items(output, "coco.json", "images")
    assert len(listed) == 4
    for item in listed:
        source = files[item["medaug"]["source_sha256"]]
        assert item["medaug"]["source_name"] == file_name(secret, f"xray/{source.name}")
    assert not any("xray" in path.read_text() for path in output.glob("*.json"))


def test_plain_names_and_real_images_are_listed_on_request(given: dict[str, Any], output: Path) -> None:
    """The same OUTPUT, given the command again with the options: nothing is solved anew."""
    summary = medaug.run(output=output, plain_names=True, with_sources=True, **given)
    assert summary.already_done == 2
    listed = items(output, "monai.json", "training")
    assert [item["medaug"]["synthetic"] for item in listed] == [False, True, False, True]
    assert {item["medaug"]["source_name"] for item in listed} == {"xray/x1.dcm", "xray/x2.dcm"}
    for real, variant in zip(listed[::2], listed[1::2], strict=True):
        assert (output / real["image"]).resolve() == (given["input"] / real["medaug"]["source_name"]).resolve()
        assert (real["box"], real["fold"], real["medaug"].keys()) == (
            variant["box"],
            variant["fold"],
            variant["medaug"].keys(),
        )
    records = attach(output).records()
    assert list(check_lists(output, records)) == []
    (output / "monai.json").write_text((output / "monai.json").read_text().replace("x1.dcm", "x2.dcm"))
    assert [fault.code for fault in check_lists(output, records) if fault.file == "monai.json"] != []


def reference(files: list[Path]) -> SourceRef:
    from medaug.dicom.read.discover import discover
    from medaug.dicom.read.read import read_series

    (series,) = [s for s in discover(files[0].parent).series if s.file_count == len(files)]
    return read_series(series)[0].source


def test_a_folder_is_a_real_image_only_if_monais_reader_gives_the_same_slices(tmp_path: Path) -> None:
    from monai.transforms import LoadImage

    files = make.series(tmp_path / "ct", slices=4, rows=20, columns=30)
    ref = reference(files)
    for number, file in enumerate(ref.files, 1):
        ds = pydicom.dcmread(file)
        ds.InstanceNumber = number
        ds.save_as(file)
    assert real_image(ref) == tmp_path / "ct"
    array = LoadImage(reader="PydicomReader", image_only=True)(str(tmp_path / "ct"))
    first = pydicom.dcmread(ref.files[0])
    assert np.array_equal(array[..., 0].numpy().T, first.pixel_array * first.RescaleSlope + first.RescaleIntercept)
    for number, file in enumerate(reversed(ref.files), 1):
        ds = pydicom.dcmread(file)
        ds.InstanceNumber = number
        ds.save_as(file)
    assert real_image(ref) is None, "its reader would give the slices the other way round"


def test_a_folder_with_other_files_is_no_real_image(tmp_path: Path) -> None:
    files = make.series(tmp_path / "ct", slices=4, rows=20, columns=30)
    (tmp_path / "ct" / "other.dcm").write_bytes(files[0].read_bytes())
    assert real_image(SourceRef("dicom", "CT", "1", "2", tuple("abcd"), tuple(files), tuple("abcd"))) is None
    assert real_image(_alone(files[0])) == files[0]


def _alone(file: Path) -> SourceRef:
    return SourceRef("nifti", "", "1", "2", ("a", "b"), (file, file), ("a", "a"))
