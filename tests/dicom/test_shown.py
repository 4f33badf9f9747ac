"""How an image is to be shown: LUT tables, several windows, inversion, the shape of pixels, overlays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut

from medaug import assemble
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.dicom.write.write import write_series
from medaug.errors import ReadError
from medaug.imaging.lut import Lut
from medaug.imaging.presentation import Presentation
from medaug.imaging.volume import Volume, Window
from medaug.profile.components import FileWindow
from medaug.profile.digest import profile_digest
from medaug.profile.load import load_profile
from tests.support import make
from tests.support.dicom_derived import PROVENANCE
from tests.support.dicom_edit import edit

TABLES = {
    "rising": np.round(1000 * np.linspace(0, 1, 4096) ** 2),
    "falling": np.round(4000 * np.sqrt(np.linspace(1, 0, 4096))),
    "steps": np.floor(np.arange(4096) / 16) * 16,
}


def table_item(values: np.ndarray, first: int = 0) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), first, 16])
    item.add_new("LUTData", "US", values.astype(int).tolist())
    item.ModalityLUTType = "OD"
    return item


def read(folder: Path, **attributes: object) -> Volume:
    path = make.radiograph(folder)
    edit(path, **attributes)
    (series,) = discover(folder).series
    (volume,) = read_series(series)
    return volume


@pytest.mark.parametrize("values", TABLES.values(), ids=TABLES)
def test_a_monotone_table_is_applied_and_undone(values: np.ndarray) -> None:
    lut = Lut(-5, values)
    stored = np.arange(-20, 4200)
    shown = lut.apply(stored)
    assert np.array_equal(lut.apply(lut.undo(shown).astype(np.int64)), shown)
    between = np.random.default_rng(1).uniform(-50, values.max() + 50, 500)
    nearest = np.abs(values[None] - between[:, None]).min(axis=1)
    assert np.allclose(np.abs(lut.apply(lut.undo(between).astype(np.int64)) - between), nearest)


@pytest.mark.parametrize("values", TABLES.values(), ids=TABLES)
def test_an_image_with_a_table_is_read_and_derived(tmp_path: Path, values: np.ndarray) -> None:
    volume = read(tmp_path / "in", ModalityLUTSequence=[table_item(values)])
    (path,) = (tmp_path / "in").iterdir()
    source = pydicom.dcmread(path)
    assert np.array_equal(volume.modality[0], apply_modality_lut(source.pixel_array, source))
    assert volume.rescale[0].units == "OD"
    changed = np.zeros(volume.stored.shape, bool)
    changed[0, 10:30, 10:30] = True
    variant = volume.with_modality(volume.modality + 40.0, changed)
    assert np.array_equal(variant.stored[~changed], volume.stored[~changed])
    changed &= variant.stored != volume.stored
    assert changed.any()
    (written,) = write_series(variant, changed, source=volume, provenance=PROVENANCE, folder=tmp_path / "out")
    ds = pydicom.dcmread(written.path)
    assert np.array_equal(ds.pixel_array, variant.stored[0])
    assert ds.ModalityLUTSequence == source.ModalityLUTSequence


def test_a_table_that_turns_back_is_refused(tmp_path: Path) -> None:
    turning = TABLES["rising"].copy()
    turning[2000] = 0
    for values in (turning, np.full(9, 5.0)):
        with pytest.raises(ReadError) as caught:
            read(tmp_path, ModalityLUTSequence=[table_item(values)])
        assert caught.value.code == "modality-lut"


def test_the_profile_chooses_among_several_windows(tmp_path: Path) -> None:
    volume = read(tmp_path, WindowCenter=[100, 300, 50], WindowWidth=[51, 101, 0], VOILUTFunction="LINEAR_EXACT")
    assert volume.windows == (Window(100, 51), Window(300, 101))
    assert volume.window == Window(100, 51)
    profile = load_profile("bone-xray")
    shown = {}
    for number in (1, 2, 9):
        chosen = profile.model_copy(update={"window": FileWindow(kind="file", number=number)})
        shown[number] = assemble.window_of(chosen, volume)
    assert shown == {1: Window(100, 51), 2: Window(300, 101), 9: Window(300, 101)}


def test_the_number_of_the_window_is_in_the_digest_and_the_first_is_as_before() -> None:
    profile = load_profile("bone-xray")
    second = profile.model_copy(update={"window": FileWindow(kind="file", number=2)})
    assert second.sha256 != profile.sha256
    keys = profile.model_dump(mode="json")
    del keys["window"]["number"]
    assert profile_digest(keys) == profile.sha256


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_low_is_bright_where_the_image_says_so(
    tmp_path: Path, photometric: str, shape: str | None, inverted: bool
) -> None:
    volume = read(tmp_path, PhotometricInterpretation=photometric, PresentationLUTShape=shape or "")
    assert volume.inverted is inverted
    view = Presentation.of(volume, Window.spanning(0, 4095), 64)
    least = view.to_display(volume.modality).ravel()[volume.modality.ravel().argmin()]
    assert (least > 0) == inverted


def test_calibrated_spacing_comes_before_the_detectors(tmp_path: Path) -> None:
    both = read(tmp_path / "a", PixelSpacing=[0.1, 0.2], ImagerPixelSpacing=[0.3, 0.3])
    assert both.geometry.spacing == (0.0, 0.1, 0.2)
    detector = read(tmp_path / "b", PixelSpacing=None, ImagerPixelSpacing=[0.3, 0.6])
    assert detector.geometry.spacing == (0.0, 0.3, 0.6)
    for volume in (both, detector):
        assert volume.geometry.space == "detector"
        _, rows, columns = volume.geometry.shape
        height, width = Presentation.of(volume, Window(1, 2), 256).inner
        assert height / width == pytest.approx(rows / columns / 2, rel=0.02)


def test_pixels_without_spacing_keep_their_stated_aspect(tmp_path: Path) -> None:
    tall = read(tmp_path / "a", PixelSpacing=None, ImagerPixelSpacing=None, PixelAspectRatio=[2, 1])
    square = read(tmp_path / "b", PixelSpacing=None, ImagerPixelSpacing=None)
    assert tall.geometry.space == square.geometry.space == "pixel"
    ratios = [a / b for a, b in (Presentation.of(v, Window(1, 2), 256).inner for v in (tall, square))]
    assert ratios[0] == pytest.approx(2 * ratios[1], rel=0.02)


@pytest.mark.data
def test_real_tables_and_overlays(data: Path) -> None:
    found = {}
    for series in discover(data / "dev" / "14_luts_overlays_paramaps").series:
        for volume in read_series(series, slices=True):
            found[series.files[0].name] = volume
    mlut = found["mlut_18.dcm"]
    source = pydicom.dcmread(mlut.source.files[0])
    assert np.array_equal(mlut.modality[0], apply_modality_lut(source.pixel_array, source))
    everywhere = np.ones(mlut.stored.shape, bool)
    again = replace(mlut, stored=np.zeros_like(mlut.stored)).with_modality(mlut.modality, everywhere)
    assert np.array_equal(again.modality, mlut.modality)
    assert found["vlut_04.dcm"].window is not None
    overlay = found["MR-SIEMENS-DICOM-WithOverlays.dcm"]
    assert overlay.stored.max() < 4096
