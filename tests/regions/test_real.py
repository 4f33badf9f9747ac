"""The domains and the law on real images: figures that were agreed with by looking at the overlays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from medaug.imaging.boxes import Box
from medaug.imaging.geometry import planar
from medaug.imaging.volume import Mask, Rescale, SourceRef, Volume, Window
from medaug.regions import laws
from medaug.regions.domains import domain

pytestmark = pytest.mark.data
FRACTURES = "dev/01_fracture_boxes_fracatlas/train"
CHESTS = "dev/02_chest_masks_generalblockchain/images"


def radiograph(path: Path) -> tuple[Volume, Window]:
    values = np.array(Image.open(path).convert("L"))
    source = SourceRef("dicom", "CR", "1", "2", ("3",), (path,), ("0" * 64,))
    volume = Volume(values[None], planar(*values.shape, None), (Rescale(),), None, (0, 255), None, False, source)
    low, high = np.percentile(values, [0.5, 99.5])
    return volume, Window.spanning(float(low), float(high))


def anatomy(path: Path) -> tuple[Mask, npt.NDArray[np.uint8]]:
    volume, window = radiograph(path)
    return domain(volume, window, ["body"])[0], np.asarray(volume.stored[0], dtype=np.uint8)


# hand, leg, foot, forearm with a plate; share of the frame that is limb, by eye from the overlays
@pytest.mark.parametrize(
    ("name", "share"),
    [("IMG0002600", 0.16), ("IMG0002438", 0.36), ("IMG0002444", 0.24), ("IMG0002998", 0.05), ("IMG0002499", 0.21)],
)
def test_the_limb_is_found(data: Path, name: str, share: float) -> None:
    found, image = anatomy(data / FRACTURES / "images" / f"{name}.jpg")
    assert found.mean() == pytest.approx(share, abs=0.03)
    assert image[found].mean() > 1.5 * np.median(image[~found])


def test_boxed_fractures_lie_in_the_domain(data: Path) -> None:
    inside = []
    for labels in sorted((data / FRACTURES / "labels").glob("*.txt"))[:60]:
        found, _ = anatomy(data / FRACTURES / "images" / f"{labels.stem}.jpg")
        inside += [found[box.slices[1:]].mean() for box in boxes(labels, *found.shape)]
    assert len(inside) > 50
    assert np.mean(np.array(inside) > 0.5) > 0.95


def test_chests_that_fill_the_frame_are_nearly_all_domain(data: Path) -> None:
    shares = [anatomy(path)[0].mean() for path in sorted((data / CHESTS).iterdir())]
    assert np.median(shares) > 0.95
    assert min(shares) > 0.6  # one of 30 loses its abdomen to a "shutter"


def test_the_papers_figures_on_its_own_layouts(data: Path) -> None:
    shares, empty_cells = [], []
    for seed, labels in enumerate(sorted((data / FRACTURES / "labels").glob("*.txt"))):
        grown = [box.grown((0, 16, 16), (1, 384, 384)) for box in boxes(labels, 384, 384)]
        if grown:
            regions = laws.gaussian_outside(np.ones((1, 384, 384), dtype=np.bool_), grown, seed)
            shares.append(regions.observed[regions.free].mean())
            empty_cells.append(np.mean(~regions.observed[0].reshape(48, 8, 48, 8).any(axis=(1, 3))))
    assert np.percentile(shares, 5) > 0.10
    assert np.percentile(shares, 95) < 0.20
    assert 0.05 < np.median(empty_cells) < 0.15


@pytest.mark.parametrize(("case", "share"), [("05_cr_extremity_nema", 0.26), ("06_mg_nema", 0.55)])
def test_dicom_radiographs(data: Path, case: str, share: float) -> None:
    volume = volumes(data / "dev" / case)[0]
    window = volume.window or Window.spanning(*volume.stored_range)
    found = domain(volume, window, ["body"])
    assert found.mean() == pytest.approx(share, abs=0.03)


def test_slices_of_ct_and_mr(data: Path) -> None:
    for case, low, high in (("03_ct_liver_seg_dcmqi/ct", 0.5, 0.65), ("07_mr_t1_studyforrest", 0.3, 0.6)):
        for volume in volumes(data / "dev" / case, slices=True)[::20]:
            found = domain(volume, volume.window or Window(40, 400), ["body"])
            assert low < found.mean() < high
            assert not found[:, :5].any()
            assert not found[:, :, :5].any()


def volumes(folder: Path, *, slices: bool = False) -> tuple[Volume, ...]:
    from medaug.dicom.discover import discover
    from medaug.dicom.read import read_series

    series = next(one for one in discover(folder).series if one.modality != "SEG")
    return read_series(series, slices=slices)


def boxes(labels: Path, rows: int, columns: int) -> list[Box]:
    found = []
    for line in labels.read_text().splitlines():
        x, y, width, height = (float(word) for word in line.split()[1:5])
        top, left = int((y - height / 2) * rows), int((x - width / 2) * columns)
        bottom, right = round((y + height / 2) * rows), round((x + width / 2) * columns)
        if bottom > top and right > left:
            found.append(Box((0, top, left), (1, min(rows, bottom), min(columns, right)), "fractured"))
    return found
