"""DICOM SEG and label maps: components, overlaps, grids, and whose mask it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from medaug.annotations.matching import connected_components as components
from medaug.annotations.matching.connected_components import component_spans
from medaug.annotations.matching.grid_alignment import between
from medaug.annotations.registry import read_annotations
from medaug.errors import AnnotationError, ReadError
from medaug.formats.nifti import read_nifti, write_nifti
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Rescale, Volume
from medaug.processes import decoder
from tests.support import make
from tests.support.annotation_cases import LESION, WRITERS, loaded, mask_of, oblique, refusal, slices_of
from tests.support.grids import from_world


def spans(boxes: tuple[Box, ...]) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(box.label, box.start, box.stop) for box in boxes]


def edited(path: Path, change: Callable[[Any], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def nifti(folder: Path, name: str, stored: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """A label map or image on a grid that many data sets share: the identity."""
    common = np.diag([-1.0, -1, 1, 1])[:, [2, 1, 0, 3]]
    geometry = Geometry(stored.shape, common if affine is None else affine, "patient")
    volume = replace(make.volume(stored.shape), stored=stored, geometry=geometry, rescale=(Rescale(),) * len(stored))
    folder.mkdir(exist_ok=True)
    write_nifti(volume, folder / name)
    return folder / name


# components


def test_one_box_per_component_and_corners_touch() -> None:
    mask = np.zeros((4, 9, 9), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True  # touch at a corner: one lesion
    mask[3, 8, 2:5] = True
    assert component_spans(mask, "x") == [((0, 0, 0), (2, 2, 2)), ((3, 8, 2), (4, 9, 5))]
    assert component_spans(np.zeros_like(mask), "x") == []


def test_noise_is_not_taken_for_lesions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "MAX_COMPONENTS", 10)
    noise = np.zeros((1, 20, 20), dtype=bool)
    noise[0, ::2, ::2] = True
    with pytest.raises(AnnotationError, match="found 100; is it a mask"):
        component_spans(noise, "x")


# grids


@pytest.mark.parametrize("seed", range(5))
def test_a_grid_is_found_within_another_whatever_its_axes(seed: int) -> None:
    """A random flip, swap and crop of a random oblique grid; the lesion's voxels keep their places in the room."""
    numbers = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(numbers.normal(size=(3, 3)))[0] * numbers.uniform(0.5, 4, 3)
    affine[:3, 3] = numbers.uniform(-200, 200, 3)
    grid = Geometry((20, 30, 40), affine, "patient")
    steps = np.zeros((3, 3), dtype=int)
    steps[numbers.permutation(3), range(3)] = numbers.choice([-1, 1], 3)
    first = np.array([10, 15, 20])
    change = np.eye(4)
    change[:3, :3], change[:3, 3] = steps, first
    step = between(affine @ change, (4, 5, 6), grid)
    assert step is not None
    corners = np.array(list(product((0, 3), (0, 4), (0, 5))))
    np.testing.assert_allclose(
        grid.to_world(step.points(corners)), Geometry((4, 5, 6), affine @ change, "patient").to_world(corners)
    )
    low, high = step.span((0, 0, 0), (4, 5, 6))
    assert np.prod(np.subtract(high, low)) == 4 * 5 * 6


@pytest.mark.parametrize(
    "change",
    [
        np.diag([1, 1, 1.01, 1]),  # 0.4 voxel off at the far edge
        np.array([[1, 0, 0, 0.3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        np.array([[1, 0, 0, 0], [0, np.cos(0.01), np.sin(0.01), 0], [0, -np.sin(0.01), np.cos(0.01), 0], [0, 0, 0, 1]]),
        np.array([[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]),
        np.array([[1, 0, 0, 5], [0, 1, 0, 5], [0, 0, 1, 5], [0, 0, 0, 1]]),  # sticks out on one side
    ],
)
def test_the_same_shape_on_another_grid_is_not_the_same_grid(change: np.ndarray) -> None:
    affine = np.eye(4) @ np.diag([3, 0.8, 0.8, 1])
    grid = Geometry((10, 40, 40), affine, "patient")
    assert between(affine, (10, 40, 40), grid) is not None
    assert between(affine @ change, (10, 40, 40), grid) is None


@pytest.mark.parametrize("seed", range(4))
def test_two_corners_are_wrong_where_eight_are_right(seed: int) -> None:
    """A lesion box in the room, on an oblique grid: mapped by two corners it loses part of the lesion."""
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    affine[:3, 3] = -(affine[:3, :3] @ [20, 20, 20])
    grid = Geometry((40, 40, 40), affine, "patient")
    low, high = np.array([-8.0, -6, -4]), np.array([8.0, 6, 4])
    voxels = np.argwhere(np.ones(grid.shape))
    world = grid.to_world(voxels)
    lesion = voxels[((world >= low) & (world <= high)).all(axis=1)]
    box = from_world(low.tolist(), high.tolist(), grid, "lesion")
    assert box is not None
    assert ((lesion >= box.start) & (lesion < box.stop)).all()
    two = np.sort(grid.to_index([low, high]) + 0.5, axis=0)
    assert not ((lesion >= np.floor(two[0])) & (lesion < np.ceil(two[1]))).all()


# DICOM SEG


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    return loaded(make.series(tmp_path / "ct", orientation=oblique(5)))


def segmentation(folder: Path, ct: Volume, pixels: np.ndarray, names: str, kind: str, **options: Any) -> Path:
    import highdicom as hd
    from pydicom.sr.coding import Code

    code = Code("52988006", "SCT", "Lesion")
    manual = hd.seg.SegmentAlgorithmTypeValues.MANUAL
    built = hd.seg.Segmentation(
        source_images=[pydicom.dcmread(file) for file in ct.source.files],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[
            hd.seg.SegmentDescription(n, name, code, code, manual) for n, name in enumerate(names, 1)
        ],
        series_instance_uid=make.uid("s"),
        series_number=1,
        sop_instance_uid=make.uid("i"),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    built.save_as(folder / "seg.dcm")
    return folder / "seg.dcm"


def test_overlapping_segments_are_boxes_of_their_own(tmp_path: Path, ct: Volume) -> None:
    pixels = np.zeros((*ct.geometry.shape, 2), dtype=np.uint8)
    pixels[1:3, 10:20, 10:20, 0] = 1
    pixels[2:4, 15:30, 15:30, 1] = 1
    pixels[5, 40, 3, 1] = 1
    found = read_annotations(segmentation(tmp_path, ct, pixels, "ab", "BINARY"), [ct]).boxes[ct.source.key]
    assert spans(found) == [
        ("a", (1, 10, 10), (3, 20, 20)),
        ("b", (2, 15, 15), (4, 30, 30)),
        ("b", (5, 40, 3), (6, 41, 4)),
    ]
    assert [box.id for box in found] == ["1.1", "2.1", "2.2"]


@pytest.mark.parametrize(("meaning", "first"), [("OCCUPANCY", 10), ("PROBABILITY", 12)])
def test_occupied_at_all_or_half_probable(tmp_path: Path, ct: Volume, meaning: str, first: int) -> None:
    pixels = np.zeros(ct.geometry.shape, dtype=np.float32)
    pixels[2, 10:12, 5:9], pixels[2, 12:14, 5:9] = 0.4, 0.6
    path = segmentation(tmp_path, ct, pixels, "a", "FRACTIONAL", fractional_type=meaning)
    found = read_annotations(path, [ct]).boxes[ct.source.key]
    assert spans(found) == [("a", (2, first, 5), (3, 14, 9))]


def test_a_label_map_segmentation_names_segments_by_value(tmp_path: Path, ct: Volume) -> None:
    pixels = np.zeros(ct.geometry.shape, dtype=np.uint8)
    pixels[1:3, 10:20, 10:20], pixels[2, 30:40, 1:4] = 1, 2
    found = read_annotations(segmentation(tmp_path, ct, pixels, "ab", "LABELMAP"), [ct]).boxes[ct.source.key]
    assert spans(found) == [("a", (1, 10, 10), (3, 20, 20)), ("b", (2, 30, 1), (3, 40, 4))]


def test_compressed_masks_are_decoded_apart(tmp_path: Path, ct: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.zeros(ct.geometry.shape, dtype=np.float32)
    pixels[1:3, 10:20, 10:20] = 1
    path = segmentation(tmp_path, ct, pixels, "a", "FRACTIONAL", transfer_syntax_uid=RLELossless)
    found = read_annotations(path, [ct]).boxes[ct.source.key]
    assert spans(found) == [("a", (1, 10, 10), (3, 20, 20))]

    def dies(*_: Any, **__: Any) -> None:
        raise ReadError("the decoder died of it", code="decoder-died")

    with monkeypatch.context() as patch:
        patch.setattr(decoder, "ask", dies)
        with pytest.raises(AnnotationError, match="segmentation 0: the decoder died of it"):
            read_annotations(path, [ct])
    edited(path, lambda ds: setattr(ds, "PixelData", ds.PixelData[:-60]))
    with pytest.raises(AnnotationError, match="segmentation 0: "):
        read_annotations(path, [ct])


def test_frames_of_one_multi_frame_instance_go_by_position(tmp_path: Path, ct: Volume) -> None:
    """Enhanced CT and MR: every slice has the same SOP Instance UID, so it can't tell which slice."""

    def merge(ds: Any) -> None:
        for group in ds.PerFrameFunctionalGroupsSequence:
            for item in group.DerivationImageSequence[0].SourceImageSequence:
                item.ReferencedSOPInstanceUID = make.uid("enhanced")

    path = edited(WRITERS["seg"](tmp_path, ct), merge)
    enhanced = replace(ct, source=replace(ct.source, instance_uids=(make.uid("enhanced"),) * 6))
    found = read_annotations(path, [enhanced])
    assert spans(found.boxes[enhanced.source.key]) == [("lesion", LESION.start, LESION.stop)]


def test_frames_without_a_source_image_go_by_position(tmp_path: Path, ct: Volume) -> None:
    def forget(ds: Any) -> None:
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group.DerivationImageSequence

    def forget_all(ds: Any) -> None:
        forget(ds)
        del ds.ReferencedSeriesSequence

    for change in (forget, forget_all):
        path = edited(WRITERS["seg"](tmp_path, ct), change)
        found = read_annotations(path, [ct])
        assert spans(found.boxes[ct.source.key]) == [("lesion", LESION.start, LESION.stop)]
        found = read_annotations(path, slices_of(ct))
        assert spans(sum(found.boxes.values(), ())) == [("lesion", (0, 20, 10), (1, 31, 25))]
        assert not found.withheld
        coarse = np.diag([1.0, 2.0, 2.0, 1.0])  # another series of the same patient in the same room
        beside = replace(ct, geometry=replace(ct.geometry, affine=ct.geometry.affine @ coarse))
        beside = replace(beside, source=replace(ct.source, sha256=("b",) * 6, instance_uids=("b",) * 6))
        found = read_annotations(path, [beside, ct])
        assert list(found.boxes) == [ct.source.key]
        assert not found.withheld
        other = replace(ct, geometry=replace(ct.geometry, frame_of_reference_uid=make.uid("other")))
        other = replace(other, source=replace(other.source, series_uid=make.uid("other"), instance_uids=("1",) * 6))
        assert not read_annotations(path, [other]).boxes


def test_a_source_image_that_contradicts_the_position_is_an_error(tmp_path: Path, ct: Volume) -> None:
    def swap(ds: Any) -> None:
        source = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
        source.ReferencedSOPInstanceUID = ct.source.instance_uids[4]

    with pytest.raises(AnnotationError, match=r"frame 0: its source image is slice 4, its position is slice 2"):
        read_annotations(edited(WRITERS["seg"](tmp_path, ct), swap), [ct])


def test_a_mask_on_another_grid_withholds_its_series(tmp_path: Path, ct: Volume) -> None:
    def shrink(ds: Any) -> None:
        ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.4, 0.4]

    found = read_annotations(edited(WRITERS["seg"](tmp_path, ct), shrink), [ct])
    assert found.boxes == {}
    assert found.withheld == {ct.source.key}
    assert found.unmatched_annotations[0].startswith("grid-differs: 1 (segmentation 0, frame 0)")


def test_a_flipped_mask_is_placed_by_its_orientation(tmp_path: Path, ct: Volume) -> None:
    """Same source images, but stored upside down with the orientation to match: not the mirrored lesion."""

    def flip(ds: Any) -> None:
        pixels = ds.pixel_array.reshape(-1, 64, 64)[:, ::-1]
        ds.PixelData = np.packbits(pixels.astype(np.uint8), bitorder="little").tobytes()
        measures = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        orientation = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        cosines = np.array(orientation.ImageOrientationPatient, dtype=float)
        orientation.ImageOrientationPatient = [f"{x:.9g}" for x in (*cosines[:3], *-cosines[3:])]
        for group in ds.PerFrameFunctionalGroupsSequence:
            position = group.PlanePositionSequence[0]
            moved = np.array(position.ImagePositionPatient, dtype=float) + cosines[3:] * measures.PixelSpacing[0] * 63
            position.ImagePositionPatient = [f"{x:.9g}" for x in moved]

    found = read_annotations(edited(WRITERS["seg"](tmp_path, ct), flip), [ct])
    assert spans(found.boxes[ct.source.key]) == [("lesion", LESION.start, LESION.stop)]


def test_a_radiograph_s_mask_goes_by_its_source_image(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path / "cr", rows=64, columns=48)
    ds = pydicom.dcmread(path)
    mask = np.zeros((1, 64, 48), dtype=np.uint8)
    mask[0, 20:31, 10:25] = 1
    segmentation = make.seg(tmp_path / "seg", [path], mask, ["fracture"])
    volume = make.volume((1, 64, 48))
    source = replace(volume.source, instance_uids=(str(ds.SOPInstanceUID),), series_uid=str(ds.SeriesInstanceUID))
    volume = replace(volume, source=source)
    found = read_annotations(segmentation, [volume])
    assert spans(found.boxes[volume.source.key]) == [("fracture", (0, 20, 10), (1, 31, 25))]
    other = replace(make.volume((1, 48, 64)), source=source)
    assert read_annotations(segmentation, [other]).withheld == {source.key}


def test_a_folder_s_other_dicom_files_are_passed_over(tmp_path: Path, ct: Volume) -> None:
    WRITERS["seg"](tmp_path, ct)  # ct/ and seg/ lie in the same folder
    found = read_annotations(tmp_path, [ct])
    assert spans(found.boxes[ct.source.key]) == [("lesion", LESION.start, LESION.stop)]


@pytest.mark.parametrize("cut", [200, 1000, 3000])
def test_a_damaged_segmentation_is_an_annotation_error(tmp_path: Path, ct: Volume, cut: int) -> None:
    path = WRITERS["seg"](tmp_path, ct)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(AnnotationError):
        read_annotations(path, [ct], format="seg")


def test_slices_without_a_frame_are_looked_at_without_a_finding(tmp_path: Path, ct: Volume) -> None:
    slices = slices_of(ct)
    found = read_annotations(WRITERS["seg"](tmp_path, ct), slices)
    assert [len(found.boxes[volume.source.key]) for volume in slices] == [0, 0, 1, 0, 0, 0]


# label maps


def blob(value: int = 1, shape: tuple[int, int, int] = (4, 20, 20), dtype: type = np.uint8) -> np.ndarray:
    mask = np.zeros(shape, dtype=dtype)
    mask[1, 5:9, 3:8] = value
    return mask


def test_values_have_names_or_numbers(tmp_path: Path, ct: Volume) -> None:
    mask = mask_of(ct)
    mask[5, 50:60, 50:55] = 3
    mask[5, 0, 0] = 1
    write_nifti(replace(ct, stored=mask), tmp_path / "m.nii")
    (tmp_path / "m.json").write_text('{"1": "tumour"}')
    found = read_annotations(tmp_path / "m.nii", [ct]).boxes[ct.source.key]
    assert spans(found) == [
        ("tumour", LESION.start, LESION.stop),
        ("tumour", (5, 0, 0), (6, 1, 1)),
        ("label-3", (5, 50, 50), (6, 60, 55)),
    ]


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_label_maps_come_in_any_type(tmp_path: Path, dtype: type) -> None:
    image = read_nifti(nifti(tmp_path, "image.nii", blob(7, dtype=np.int16)))
    found = read_annotations(nifti(tmp_path, "m.nii", blob(2, dtype=dtype)), [image])
    assert spans(found.boxes[image.source.key]) == [("label-2", (1, 5, 3), (2, 9, 8))]


def test_an_image_is_not_taken_for_a_label_map(tmp_path: Path) -> None:
    ramp = np.arange(1600, dtype=np.int16).reshape(4, 20, 20)
    image = read_nifti(nifti(tmp_path, "image.nii", ramp))
    for name, values in {
        "ramp": ramp,
        "negative": -blob().astype(np.int16),
        "half": blob().astype(np.float32) / 2,
    }.items():
        assert "is it an image" in refusal(nifti(tmp_path, f"{name}.nii", values), image, whole=False)


def test_a_mask_for_no_series_is_an_error_as_a_file_and_a_sentence_in_a_folder(tmp_path: Path) -> None:
    image = read_nifti(nifti(tmp_path, "image.nii", blob()))
    (tmp_path / "m").mkdir()
    path = nifti(tmp_path / "m", "other.nii", blob(shape=(4, 30, 15)))
    with pytest.raises(AnnotationError, match="same grid"):
        read_annotations(path, [image])
    found = read_annotations(tmp_path / "m", [image])
    assert found.boxes == {}
    assert found.unmatched_annotations[0].startswith("grid-differs: 1 (label map 0)")


def images(folder: Path, *names: str) -> list[Volume]:
    (folder / "images").mkdir()
    return [read_nifti(nifti(folder / "images", name, blob(n + 1))) for n, name in enumerate(names)]


def test_sets_on_one_common_grid_go_by_name(tmp_path: Path) -> None:
    """As in most NIfTI collections: the same affine everywhere, a folder of labels, one image missing."""
    volumes = images(tmp_path, "case1.nii.gz", "case2_0000.nii.gz", "case2_0001.nii.gz", "case11.nii.gz")
    (tmp_path / "m").mkdir()
    for n, name in enumerate(["case1_seg", "case2", "case3", "case11-label"], 1):
        nifti(tmp_path / "m", f"{name}.nii.gz", blob(n))
    found = read_annotations(tmp_path / "m", volumes)
    labels = [[box.label for box in found.boxes[volume.source.key]] for volume in volumes]
    assert labels == [["label-1"], ["label-2"], ["label-2"], ["label-4"]]
    assert found.unmatched_annotations[0].startswith("no-image: 1 (")
    assert not found.withheld


def cases(folder: Path, *names: str) -> list[Volume]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return [read_nifti(nifti(folder, name, blob(n + 1))) for n, name in enumerate(names)]


def maps(folder: Path, **named: int) -> Path:
    """``a__ct_seg=1`` is the map a/ct_seg.nii.gz with value 1."""
    for name, value in named.items():
        path = folder / f"{name.replace('__', '/')}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nifti(path.parent, path.name, blob(value))
    return folder


def test_maps_of_namesakes_go_by_their_folders(tmp_path: Path) -> None:
    a, b = cases(tmp_path / "in", "a/ct.nii.gz", "b/ct.nii.gz")
    found = read_annotations(maps(tmp_path / "m", a__ct=1, b__ct_seg=2), [a, b])
    assert [box.label for v in (a, b) for box in found.boxes[v.source.key]] == ["label-1", "label-2"]
    found = read_annotations(maps(tmp_path / "flat", ct_seg=3), [a, b])
    assert found.boxes == {}
    assert found.withheld == {a.source.key, b.source.key}
    assert found.unmatched_annotations[0].startswith("several-images: 1 (label map 0)")


def test_a_map_of_a_refused_namesake_is_nobody_s(tmp_path: Path) -> None:
    a, b = cases(tmp_path / "in", "a/ct.nii.gz", "b/ct.nii.gz")
    known = (*a.source.files, *b.source.files)
    found = read_annotations(maps(tmp_path / "m", b__ct_seg=2), [a], known=known)
    assert found.boxes == {}
    assert found.unmatched_annotations[0].startswith("left-out: 1")
    found = read_annotations(maps(tmp_path / "flat", ct_seg=3), [a], known=known)
    assert found.withheld == {a.source.key}


def test_maps_in_several_folders_for_one_image_are_not_both_believed(tmp_path: Path) -> None:
    (a,) = cases(tmp_path / "in", "a/ct.nii.gz")
    found = read_annotations(maps(tmp_path / "m", a__ct_seg=1, b__ct_seg=2), [a])
    assert [box.label for box in found.boxes[a.source.key]] == ["label-1"]
    assert found.unmatched_annotations[0].startswith("no-image: 1 (label map 1)")
    found = read_annotations(maps(tmp_path / "n", x__ct_seg=1, y__ct_seg=2), [a])
    assert found.withheld == {a.source.key}
    assert found.unmatched_annotations[0].startswith("several-maps: 2")
    found = read_annotations(maps(tmp_path / "o", x__ct_seg=1, x__ct_cyst=2), [a])
    assert [box.label for box in found.boxes[a.source.key]] == ["label-1", "label-2"]


def test_a_common_grid_without_common_names_is_nobody_s(tmp_path: Path) -> None:
    volumes = images(tmp_path, "a.nii", "b.nii")
    path = nifti(tmp_path, "mask.nii", blob())
    found = read_annotations(path, volumes)
    assert found.boxes == {}
    assert found.withheld == {volume.source.key for volume in volumes}
    assert found.unmatched_annotations[0].startswith("several-images")
    assert read_annotations(path, volumes[:1]).boxes[volumes[0].source.key]


def test_two_unnamed_maps_on_one_nifti_are_not_both_believed(tmp_path: Path) -> None:
    volumes = images(tmp_path, "a.nii")
    (tmp_path / "m").mkdir()
    for name in ("x.nii", "y.nii"):
        nifti(tmp_path / "m", name, blob())
    found = read_annotations(tmp_path / "m", volumes)
    assert found.boxes == {}
    assert found.unmatched_annotations[0].startswith("several-maps: 2 ")


def test_several_maps_of_one_dicom_series_are_all_read(tmp_path: Path, ct: Volume) -> None:
    """Positions in a scanner's room are proof enough."""
    (tmp_path / "m").mkdir()
    for name, k in (("tumour", 1), ("cyst", 4)):
        box = replace(LESION, start=(k, 20, 10), stop=(k + 1, 31, 25))
        write_nifti(replace(ct, stored=mask_of(ct, box)), tmp_path / "m" / f"{name}.nii.gz")
        (tmp_path / "m" / f"{name}.json").write_text(f'{{"1": "{name}"}}')
    found = read_annotations(tmp_path / "m", [ct]).boxes[ct.source.key]
    assert [box.label for box in found] == ["tumour", "cyst"]


def test_series_of_one_study_and_frame_of_reference_share_a_map(tmp_path: Path, ct: Volume) -> None:
    twin = replace(
        ct, source=replace(ct.source, series_uid=make.uid("t2"), sha256=tuple(make.uid("t2", k) for k in range(6)))
    )
    stranger = replace(twin, source=replace(twin.source, study_uid=make.uid("another")))
    write_nifti(replace(ct, stored=mask_of(ct)), tmp_path / "m.nii")
    assert len(read_annotations(tmp_path / "m.nii", [ct, twin]).boxes) == 2
    assert read_annotations(tmp_path / "m.nii", [ct, stranger]).boxes == {}


def test_a_map_named_like_an_image_on_another_grid_withholds_it(tmp_path: Path) -> None:
    volumes = images(tmp_path, "a.nii", "b.nii")
    (tmp_path / "m").mkdir()
    path = nifti(tmp_path / "m", "a_mask.nii", blob(shape=(4, 30, 30)), np.diag([2.0, 2, 2, 1]))
    for given in (path, tmp_path / "m"):
        found = read_annotations(given, volumes)
        assert found.withheld == {volumes[0].source.key}
        assert "named like a series but lies on another grid" in found.unmatched_annotations[0]


def test_the_images_in_a_folder_are_not_read_as_labels(tmp_path: Path) -> None:
    ramp = np.arange(1600, dtype=np.int16).reshape(4, 20, 20)
    image = read_nifti(nifti(tmp_path, "a.nii", ramp))
    nifti(tmp_path, "a_label.nii", blob())
    assert spans(read_annotations(tmp_path, [image]).boxes[image.source.key]) == [("label-1", (1, 5, 3), (2, 9, 8))]


def test_nrrd_in_ras_is_turned(tmp_path: Path) -> None:
    """A header written by hand: 'right-anterior-superior' with the affine of the same voxels."""
    lps = np.array([[0, 0, 0.8, -30], [0, 0.8, 0, -25], [3, 0, 0, -100], [0, 0, 0, 1]], dtype=float)
    image = replace(make.volume((4, 20, 20)), geometry=Geometry((4, 20, 20), lps, "patient"))

    def written(space: str, sign: int) -> Path:
        header = (
            f"NRRD0004\ntype: unsigned char\ndimension: 3\nspace: {space}\nsizes: 20 20 4\n"
            f"space directions: ({sign * 0.8},0,0) (0,{sign * 0.8},0) (0,0,3)\nkinds: domain domain domain\n"
            f"encoding: raw\nspace origin: ({sign * -30},{sign * -25},-100)\n\n"
        )
        (tmp_path / "m.nrrd").write_bytes(header.encode() + blob().tobytes())
        return tmp_path / "m.nrrd"

    for space, sign in (("left-posterior-superior", 1), ("LPS", 1), ("right-anterior-superior", -1), ("RAS", -1)):
        found = read_annotations(written(space, sign), [image])
        assert spans(found.boxes[image.source.key]) == [("label-1", (1, 5, 3), (2, 9, 8))], space
    with pytest.raises(AnnotationError, match="same grid"):
        read_annotations(written("RAS", 1), [image])
    with pytest.raises(AnnotationError, match="left and right are unknown"):
        read_annotations(written("scanner-xyz", 1), [image])


PER_SLICE = ("instance_uids", "frames", "files", "sha256")


def test_a_bomb_of_a_label_map_is_refused_by_its_header(tmp_path: Path) -> None:
    header = (
        b"NRRD0004\ntype: unsigned char\ndimension: 3\nspace: LPS\nsizes: 20000 20000 20000\n"
        b"space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: gzip\nspace origin: (0,0,0)\n\n\x1f\x8b"
    )
    (tmp_path / "m.nrrd").write_bytes(header)
    shape = (20_000, 20_000, 20_000)
    zeros = np.broadcast_to(np.uint8(0), shape)
    affine = np.eye(4)[:, [2, 1, 0, 3]]
    geometry = Geometry(shape, affine, "patient")
    image = make.volume((4, 20, 20))
    source = replace(image.source, **{n: getattr(image.source, n)[:1] * shape[0] for n in PER_SLICE})
    large = replace(image, stored=zeros, geometry=geometry, rescale=image.rescale[:1] * shape[0], source=source)
    assert "expected at most 4096 MiB of voxels" in refusal(tmp_path / "m.nrrd", large, whole=False)
