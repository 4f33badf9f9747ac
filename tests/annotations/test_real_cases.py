"""Real annotation files (marker `data`); the expected figures were taken by independent means, named in each test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from scipy import ndimage

from medaug.annotations.registry import Matched, read_annotations
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.formats.nifti import read_nifti
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import planar
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.annotation_cases import loaded

pytestmark = pytest.mark.data


def jpeg(file: Path, n: int) -> Volume:
    """A radiograph in memory, with the size and name of a real JPEG."""
    with Image.open(file) as image:
        columns, rows = image.size
    volume = make.volume((1, 8, 8), seed=n)
    return replace(
        volume,
        stored=np.zeros((1, rows, columns), dtype=np.uint8),
        geometry=planar(rows, columns, None),
        source=replace(volume.source, files=(file,)),
    )


def spans(boxes: Sequence[Box]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(box.start, box.stop) for box in boxes]


def test_brain_tumour_in_nifti_and_nrrd(data: Path) -> None:
    folder = data / "dev" / "12_nifti_brain_label_pyradiomics"
    volume = read_nifti(folder / "brain1_image.nii.gz")
    label = read_nifti(folder / "brain1_label.nii.gz").stored
    expected = [
        (tuple(a.start for a in s), tuple(a.stop for a in s))
        for s in ndimage.find_objects(ndimage.label(label, np.ones((3, 3, 3)))[0])
    ]
    for name in ("brain1_label.nii.gz", "brain1_label.nrrd"):
        found = read_annotations(folder / name, [volume])
        boxes = found.boxes[volume.source.key]
        assert sorted(spans(boxes)) == sorted(expected), name
        assert {box.label for box in boxes} == {"label-1"}
        covered = np.zeros(label.shape, dtype=bool)
        for box in boxes:
            covered[box.slices] = True
        assert covered[label > 0].all()


def test_liver_in_seg_and_in_its_nrrd_twin(data: Path) -> None:
    import SimpleITK

    folder = data / "dev" / "03_ct_liver_seg_dcmqi"
    files = sorted((folder / "ct").iterdir(), key=lambda f: float(pydicom.dcmread(f).ImagePositionPatient[2]))
    volume = loaded(files)
    twin = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "seg" / "liver_seg.nrrd")))
    results = [read_annotations(folder / "seg" / name, [volume]) for name in ("liver.dcm", "liver_seg.nrrd")]
    boxes = [found.boxes[volume.source.key] for found in results]
    assert spans(boxes[0]) == spans(boxes[1])
    assert {box.label for box in boxes[0]} == {"Liver"}
    covered = np.zeros(twin.shape, dtype=bool)
    for box in boxes[0]:
        covered[box.slices] = True
    assert covered[twin > 0].all()
    assert not results[0].unmatched_annotations


def test_five_overlapping_segments(data: Path) -> None:
    """Each segment's box holds its pixels as pydicom unpacks them, frame by frame."""
    folder = data / "dev" / "03_ct_liver_seg_dcmqi"
    files = sorted((folder / "ct").iterdir(), key=lambda f: float(pydicom.dcmread(f).ImagePositionPatient[2]))
    volume = loaded(files)
    boxes = read_annotations(folder / "seg" / "partial_overlaps.dcm", [volume]).boxes[volume.source.key]
    dataset = pydicom.dcmread(folder / "seg" / "partial_overlaps.dcm")
    names = {int(s.SegmentNumber): s.SegmentLabel for s in dataset.SegmentSequence}
    assert {box.label for box in boxes} == set(names.values())
    assert len(names) == 5
    for frame, group in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        label = names[int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
        uid = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        covered = np.zeros(volume.geometry.shape, dtype=bool)
        for box in boxes:
            if box.label == label:
                covered[box.slices] = True
        assert covered[volume.source.instance_uids.index(uid)][frame > 0].all()


def test_fracture_boxes_agree_across_yolo_voc_and_coco(data: Path) -> None:
    """The set's own three exports.

    COCO has full precision. YOLO has four decimals, which move an edge by up to 0.03 px, so some boxes grow by a pixel.
    The VOC files hold COCO's corners cut to whole numbers, so read as the standard says (from 1, inclusive) their edges
    lie up to two pixels off.
    """
    folder = data / "dev" / "01_fracture_boxes_fracatlas" / "test"
    volumes = [jpeg(file, n) for n, file in enumerate(sorted((folder / "images").iterdir()))]
    found = {name: read_annotations(folder / name, volumes) for name in ("annotations.coco.json", "labels", "voc")}
    coco, yolo, voc = found.values()
    for one in found.values():
        assert len(one.boxes) == len(volumes) == 61
        assert not one.unmatched_annotations
    assert {b.label for boxes in coco.boxes.values() for b in boxes} == {"fractured"}
    assert yolo.boxes.keys() == voc.boxes.keys() == coco.boxes.keys()
    assert _apart(coco, yolo) <= 1
    assert _apart(coco, voc) <= 2
    content = json.loads((folder / "annotations.coco.json").read_text())
    assert sum(map(len, coco.boxes.values())) == len(content["annotations"])


def _apart(one: Matched, other: Matched) -> int:
    """The farthest that two edges of the same box lie apart, in pixels."""
    worst = 0
    for key, boxes in one.boxes.items():
        assert len(boxes) == len(other.boxes[key])
        for box in boxes:
            near = min(
                np.abs(np.subtract((*box.start, *box.stop), (*o.start, *o.stop))).max() for o in other.boxes[key]
            )
            worst = max(worst, int(near))
    return worst


def test_a_box_by_eye_on_a_compressed_radiograph(data: Path, tmp_path: Path) -> None:
    folder = data / "dev" / "05_cr_extremity_nema"
    header = pydicom.dcmread(folder / "RG3_JPLL.dcm", stop_before_pixels=True)
    volume = make.volume((1, 8, 8))
    volume = replace(
        volume,
        stored=np.zeros((1, header.Rows, header.Columns), dtype=np.uint16),
        geometry=planar(header.Rows, header.Columns, None),
        source=replace(volume.source, instance_uids=(str(header.SOPInstanceUID),)),
    )
    (drawn,) = json.loads((folder / "boxes_by_eye.json").read_text())["boxes"]
    row = [header.SOPInstanceUID, *(drawn[name] for name in ("x0", "y0", "x1", "y1")), f'"{drawn["label"]}"']
    table = tmp_path / "a.csv"
    table.write_text("sop_instance_uid,x_min,y_min,x_max,y_max,label\n" + ",".join(map(str, row)) + "\n")
    (box,) = read_annotations(table, [volume]).boxes[volume.source.key]
    assert box == Box((0, 1005, 795), (1, 1205, 915), "lucent bone lesion, distal tibia")


def test_masks_and_their_boxes_from_the_other_readers_of_dicom(data: Path) -> None:
    """Corner cases of highdicom: every object parses, and finds no image among strangers."""
    folder = data / "dev" / "15_tiny_seg_sr_highdicom"
    for file in sorted(folder.glob("seg*.dcm")):
        found = read_annotations(file, [make.volume((4, 16, 16))])
        assert found.boxes == {}
        assert found.unmatched_annotations[0].startswith("no-image: 1 (segmentation 0)")
    volume = loaded([folder / "ct_image.dcm"])
    found = read_annotations(folder / "seg_image_ct_binary_single_frame.dcm", [volume])
    mask = pydicom.dcmread(folder / "seg_image_ct_binary_single_frame.dcm").pixel_array
    covered = np.zeros(volume.geometry.shape, dtype=bool)
    for box in found.boxes[volume.source.key]:
        covered[box.slices] = True
    assert covered[0][mask > 0].all()
    assert found.boxes[volume.source.key]


def test_a_structure_set_on_the_one_slice_that_is_here(data: Path, tmp_path: Path) -> None:
    """The box by plain arithmetic on the slice's position and spacing; of 441 contours four lie on this slice.

    The region is the patient's outline, which is no lesion; under another name and type it would be one.
    """
    folder = data / "dev" / "11_rtstruct_dicompyler"
    image, structures = (pydicom.dcmread(folder / name) for name in ("ct.0.dcm", "rtss.dcm"))
    volume = loaded([folder / "ct.0.dcm"])
    found = read_annotations(folder / "rtss.dcm", [volume])
    assert found.boxes == {volume.source.key: ()}
    assert found.unmatched_annotations[0].startswith("no-lesion: ")
    first = structures.ROIContourSequence[0].ReferencedROINumber
    for item in (*structures.StructureSetROISequence, *structures.RTROIObservationsSequence):
        if item.get("ROINumber", item.get("ReferencedROINumber")) == first:
            item.ROIName, item.RTROIInterpretedType = "tumour", "GTV"
    structures.save_as(tmp_path / "rtss.dcm")
    found = read_annotations(tmp_path / "rtss.dcm", [volume])
    body = structures.ROIContourSequence[0].ContourSequence
    on_slice = [np.array(c.ContourData, float).reshape(-1, 3) for c in body]
    points = np.concatenate([p for p in on_slice if abs(p[0, 2] - float(image.ImagePositionPatient[2])) < 0.1])
    centres = (points[:, :2] - np.array(image.ImagePositionPatient[:2], float)) / np.array(image.PixelSpacing, float)
    low, high = np.floor(centres.min(axis=0) + 0.5), np.ceil(centres.max(axis=0) + 0.5)
    assert [(b.label, b.start, b.stop) for b in found.boxes[volume.source.key]] == [
        ("tumour", (0, int(low[1]), int(low[0])), (1, int(high[1]), int(high[0])))
    ]


def test_a_report_s_region_is_where_highdicom_reads_it(data: Path) -> None:
    """highdicom's reader of TID 1500 gives the same coordinates; (0, 0) is the first pixel's corner in both."""
    from highdicom.sr import srread

    folder = data / "dev" / "15_tiny_seg_sr_highdicom"
    volume = loaded([folder / "ct_image.dcm"])
    found = read_annotations(folder / "sr_document.dcm", [volume])
    (box,) = found.boxes[volume.source.key]
    (group,) = srread(folder / "sr_document.dcm").content.get_planar_roi_measurement_groups()
    region = group.roi
    assert region.graphic_type.name == "CIRCLE"
    centre, edge = np.asarray(region.value)
    radius = np.linalg.norm(edge - centre)
    low, high = np.floor(centre - radius), np.ceil(centre + radius)
    assert (box.start, box.stop) == ((0, int(low[1]), int(low[0])), (1, int(high[1]), int(high[0])))


def test_a_structure_set_and_a_segmentation_of_one_lesion_agree(data: Path) -> None:
    """Case 04's derived objects, slice by slice, for the gantry is tilted: contours and masks within two pixels."""
    folder = data / "dev" / "04_ct_head_tilt_ge"
    (series,) = [s for s in discover(folder).series if s.modality == "CT"]
    volumes = read_series(series, slices=True)
    names = ("rtstruct_derived.dcm", "seg_derived.dcm")
    contours, masks = (read_annotations(next(folder.rglob(name)), volumes) for name in names)
    compared = 0
    for volume in volumes:
        drawn = [b for b in contours.boxes.get(volume.source.key, ()) if b.label == "skull"]
        parts = [b for b in masks.boxes.get(volume.source.key, ()) if b.label == "skull"]
        if drawn and parts:
            (box,) = drawn
            around = (min(p.start[n] for p in parts) for n in (1, 2)), (max(p.stop[n] for p in parts) for n in (1, 2))
            assert np.abs(np.subtract([*around[0], *around[1]], [*box.start[1:], *box.stop[1:]])).max() <= 2
            compared += 1
    assert compared > 20
