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
from medaug.regions.domains.domain import domain

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


def test_nothing_around_the_mammograms_marker_may_change(data: Path) -> None:
    volume = volumes(data / "dev" / "06_mg_nema")[0]
    found = domain(volume, volume.window or Window.spanning(*volume.stored_range), ["body"])[0]
    assert not found[210:740, 2170:2930].any()
    assert found[1400:2200, 700:1400].all()  # the mass and its surroundings


def dice(one: Mask, other: Mask) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def test_lungs_on_chests_against_radiologists_masks(data: Path) -> None:
    """30 frontal chests with pneumonia: two thirds are answered, and what is answered is lung."""
    found = []
    for path in sorted((data / CHESTS).iterdir()):
        volume, window = radiograph(path)
        lungs = domain(volume, window, ["lung"])[0]
        masks = list((data / CHESTS).parent.glob(f"masks/{path.stem}__*_Lung_*.png"))
        truth = np.any([np.array(Image.open(mask).convert("L")) > 0 for mask in masks], axis=0)
        if lungs.any():
            found.append((dice(lungs, truth), truth[lungs].mean()))
    assert len(found) >= 18
    median, least = np.median(found, axis=0), np.min(found, axis=0)
    assert median[0] > 0.7
    assert median[1] > 0.97
    assert least[1] > 0.9


def test_skull_and_brain_in_a_head_ct(data: Path) -> None:
    """Against the skull and the calcifications inside the brain as this project's data derive them."""
    import pydicom

    folder = data / "dev" / "04_ct_head_tilt_ge"
    slices = volumes(folder / "ct", slices=True)
    segmentation = pydicom.dcmread(folder / "derived_labels" / "seg_derived.dcm")
    truth = np.zeros((2, len(slices), *slices[0].stored.shape[1:]), dtype=np.bool_)
    place = {volume.source.instance_uids[0]: k for k, volume in enumerate(slices)}
    for frame, group in zip(segmentation.pixel_array, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        image = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        truth[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1, place[image]] |= frame > 0
    bone, brain = (
        np.concatenate([domain(volume, Window(40, 80), [part]) for volume in slices]) for part in ("bone", "brain")
    )
    assert bone[truth[0]].mean() > 0.99
    assert dice(bone, truth[0]) > 0.85
    assert brain[truth[1]].mean() > 0.95
    assert not (bone & brain).any()
    assert 0.10 < brain.mean() < 0.16
    assert not np.concatenate([domain(volume, Window(40, 80), ["lung"]) for volume in slices]).any()


def test_lungs_and_spine_in_a_body_ct(data: Path) -> None:
    folder = data / "dev" / "03_ct_liver_seg_dcmqi"
    slices = sorted(volumes(folder / "ct", slices=True), key=lambda v: float(v.geometry.affine[2, 3]))
    from SimpleITK import GetArrayFromImage, ReadImage

    liver, spine = (GetArrayFromImage(ReadImage(str(folder / "seg" / f"{n}_seg.nrrd"))) > 0 for n in ("liver", "spine"))
    lung, bone = (
        np.concatenate([domain(volume, Window(40, 400), [part]) for volume in slices]) for part in ("lung", "bone")
    )
    assert lung[liver].mean() < 0.005  # their common edge
    assert 0.08 < lung.mean() < 0.11
    assert bone[spine].mean() > 0.6  # marrow of wide vertebrae is not as bright
    assert bone[liver].mean() < 0.001


def test_the_brain_in_mr_holds_the_tumour(data: Path) -> None:
    from medaug.formats.nifti import read_nifti

    folder = data / "dev" / "12_nifti_brain_label_pyradiomics"
    volume = read_nifti(folder / "brain1_image.nii.gz")
    brain = domain(volume, Window(1000, 2000), ["brain"])
    assert brain[read_nifti(folder / "brain1_label.nii.gz").stored > 0].mean() > 0.95
    assert not brain[:6].any()  # neck and face
    assert 0.2 < brain.mean() < 0.3
    (volume,) = volumes(data / "dev" / "07_mr_t1_studyforrest")
    brain = domain(volume, Window(40, 80), ["brain"])
    assert 0.14 < brain.mean() < 0.2
    assert not (brain & ~domain(volume, Window(40, 80), ["body"])).any()


def test_slices_of_ct_and_mr(data: Path) -> None:
    for case, low, high in (("03_ct_liver_seg_dcmqi/ct", 0.5, 0.65), ("07_mr_t1_studyforrest", 0.3, 0.6)):
        for volume in volumes(data / "dev" / case, slices=True)[::20]:
            found = domain(volume, volume.window or Window(40, 400), ["body"])
            assert low < found.mean() < high
            assert not found[:, :5].any()
            assert not found[:, :, :5].any()


def volumes(folder: Path, *, slices: bool = False) -> tuple[Volume, ...]:
    from medaug.dicom.read.discover import discover
    from medaug.dicom.read.read import read_series

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
