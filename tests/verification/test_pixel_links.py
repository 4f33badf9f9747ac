"""Images that somebody else de-identified, linked to the record by their numbers."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, RLELossless

from medaug.errors import OutputError, ReadError
from medaug.verification.pixel_links import link_by_pixels
from tests.support.sound_output import of, records


def _dicognito(files: list[Path]) -> None:
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer(seed="a test")
    for path in files:
        ds = pydicom.dcmread(path)
        anonymizer.anonymize(ds)
        ds.save_as(path)


def _dicom_anonymizer(files: list[Path]) -> None:
    from dicomanonymizer import anonymize_dataset

    for path in files:
        ds = pydicom.dcmread(path)
        anonymize_dataset(ds, delete_private_tags=True)
        ds.save_as(path)


def _recompressed(syntax: str) -> Callable[[list[Path]], None]:
    def work(files: list[Path]) -> None:
        for path in files:
            ds = pydicom.dcmread(path)
            ds.compress(syntax)
            ds.save_as(path)

    return work


@pytest.fixture
def elsewhere(sound: Path, tmp_path: Path) -> Path:
    """The images of all DICOM units under other names, with an evidence object and a text among them."""
    target = tmp_path / "elsewhere"
    target.mkdir()
    images = [o.path for r in records(sound / "out") for o in r.images if o.path.endswith(".dcm")]
    for number, path in enumerate(reversed(images)):
        shutil.copy(sound / "out" / path, target / f"img{number}")
    evidence = next(o.path for o in of(sound / "out", "CT").outputs if o.path.endswith("regions.dcm"))
    shutil.copy(sound / "out" / evidence, target / "regions")
    (target / "readme").write_text("not an image")
    return target


@pytest.mark.parametrize(
    "tool",
    [_dicognito, _dicom_anonymizer, _recompressed(JPEG2000Lossless), _recompressed(RLELossless)],
    ids=["dicognito", "dicom-anonymizer", "JPEG 2000", "RLE"],
)
def test_images_are_linked_whatever_became_of_their_headers(
    sound: Path, elsewhere: Path, tool: Callable[[list[Path]], None]
) -> None:
    files = sorted(elsewhere.glob("img*"))
    before = [path.read_bytes() for path in files]
    expected = {path.name: str(pydicom.dcmread(path).SOPInstanceUID) for path in files}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the foreign tools' own
        tool(files)
    assert all(path.read_bytes() != old for path, old in zip(files, before, strict=True))
    links = link_by_pixels(sound / "out", elsewhere)
    assert links.faults == ()
    assert links.ignored == 2
    assert links.absent == 1  # the NIfTI image
    named = {o.path: o.sop_instance_uid for r in records(sound / "out") for o in r.images}
    assert len(links.linked) == 5
    for name, found in links.linked.items():
        assert expected[name] in {named[path] for _, path in found}


def test_the_foreign_tools_do_change_uids(elsewhere: Path) -> None:
    """Or the test above would show nothing."""
    for tool in (_dicognito, _dicom_anonymizer):
        files = sorted(elsewhere.glob("img*"))
        before = {str(pydicom.dcmread(path).SOPInstanceUID) for path in files}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tool(files)
        assert not before & {str(pydicom.dcmread(path).SOPInstanceUID) for path in files}


def test_an_image_with_one_other_pixel_is_unknown(sound: Path, elsewhere: Path) -> None:
    path = elsewhere / "img3"
    ds = pydicom.dcmread(path)
    pixels = ds.pixel_array.copy()
    pixels[0, 0] += 1
    ds.PixelData = pixels.tobytes()
    ds.save_as(path)
    links = link_by_pixels(sound / "out", elsewhere)
    assert [(fault.code, fault.file) for fault in links.faults] == [("pixels-unknown", "img3")]
    assert len(links.linked) == 4


def test_a_source_is_no_output(sound: Path) -> None:
    links = link_by_pixels(sound / "out", sound / "in")
    assert {fault.code for fault in links.faults} == {"pixels-unknown"}


def test_a_file_that_cannot_be_read_is_not_passed_over(sound: Path, elsewhere: Path) -> None:
    path = elsewhere / "img0"
    path.write_bytes(path.read_bytes()[:-100])
    assert [fault.file for fault in link_by_pixels(sound / "out", elsewhere).faults] == ["img0"]


def test_nothing_is_linked_to_a_damaged_record(folder: Path, tmp_path: Path) -> None:
    (segment,) = (folder / "out" / "ledger").iterdir()
    segment.write_bytes(segment.read_bytes().replace(b'"cpu"', b'"gpu"', 1))
    with pytest.raises(OutputError, match="chain is broken"):
        link_by_pixels(folder / "out", folder / "in")
    with pytest.raises(OutputError, match=r"FORMAT.json"):
        link_by_pixels(tmp_path, folder / "in")


def test_a_folder_that_is_not_there_is_said(sound: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such"):
        link_by_pixels(sound / "out", tmp_path / "nowhere")
