"""One lesion on one series, written in every format."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from medaug.annotations.registry import SENTENCES, read_annotations
from medaug.errors import AnnotationError
from medaug.formats.nifti import write_nifti
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Rescale, SourceRef, Volume
from tests.support import annotation_objects as made
from tests.support import make

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
LESION = Box((2, 20, 10), (3, 31, 25), "lesion")  # rows 20-30, columns 10-24 of slice 2


def oblique(seed: int) -> tuple[float, ...]:
    """Two orthogonal unit vectors that DICOM's decimals hold exactly enough."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return tuple(float(round(x, 9)) for x in (*basis[:, 0], *basis[:, 1]))


def loaded(files: Sequence[Path]) -> Volume:
    """The volume of slices in order, built without medaug's own DICOM reader."""
    sets = [pydicom.dcmread(file) for file in files]
    first, last = sets[0], sets[-1]
    stored = np.stack([ds.pixel_array for ds in sets])
    affine = np.eye(4)
    orientation = np.array(first.ImageOrientationPatient, dtype=float)
    origin, end = (np.array(ds.ImagePositionPatient, dtype=float) for ds in (first, last))
    step = (end - origin) / (len(sets) - 1) if len(sets) > 1 else np.cross(orientation[:3], orientation[3:])
    affine[:3, 0], affine[:3, 1] = step, orientation[3:] * first.PixelSpacing[0]
    affine[:3, 2], affine[:3, 3] = orientation[:3] * first.PixelSpacing[1], origin
    return Volume(
        stored,
        Geometry(stored.shape, affine, "patient", str(first.FrameOfReferenceUID)),
        (Rescale(),) * len(sets),
        None,
        (-32768, 32767),
        None,
        inverted=False,
        source=SourceRef(
            "dicom",
            first.Modality,
            str(first.StudyInstanceUID),
            str(first.SeriesInstanceUID),
            tuple(str(ds.SOPInstanceUID) for ds in sets),
            tuple(files),
            tuple(make.uid(ds.SOPInstanceUID) for ds in sets),
        ),
    )


def named(name: str, *, shape: tuple[int, int, int] = (1, 64, 48), seed: int = 0) -> Volume:
    """A volume in memory whose files all have this name."""
    volume = make.volume(shape, seed=seed)
    return replace(volume, source=replace(volume.source, files=(Path(name),) * shape[0]))


def refusal(path: Path, volume: Volume, *, whole: bool) -> str:
    """Why a file is refused whole, or why the volume, which one of its entries means, is withheld."""
    if whole:
        with pytest.raises(AnnotationError) as caught:
            read_annotations(path, [volume])
        return str(caught.value)
    found = read_annotations(path, [volume])
    assert found.boxes == {}
    assert found.withheld == {volume.source.key}
    (sentence,) = found.unmatched_annotations
    assert sentence.startswith("bad-entry: 1 (")
    return sentence.removeprefix("bad-entry: 1 (").removesuffix(f"): {SENTENCES['bad-entry']}")


def slices_of(volume: Volume) -> list[Volume]:
    """One independent volume per slice, on the same lattice."""
    result = []
    for k in range(volume.geometry.shape[0]):
        affine = volume.geometry.affine.copy()
        affine[:3, 3] = volume.geometry.to_world((k, 0, 0))
        affine[:3, 0] *= 1.25  # thicker than the slices are apart, as in many a CT
        source = volume.source
        one = replace(
            source,
            instance_uids=(source.instance_uids[k],),
            frames=(source.frames[k],),
            files=(source.files[k],),
            sha256=(source.sha256[k],),
            part=f"slice {k}",
        )
        geometry = replace(volume.geometry, shape=(1, *volume.geometry.shape[1:]), affine=affine)
        result.append(
            replace(
                volume,
                stored=volume.stored[k : k + 1],
                geometry=geometry,
                rescale=volume.rescale[k : k + 1],
                source=one,
            )
        )
    return result


def mask_of(volume: Volume, box: Box = LESION) -> np.ndarray:
    mask = np.zeros(volume.geometry.shape, dtype=np.uint8)
    mask[box.slices] = 1
    return mask


def _coco(annotation: dict[str, object]) -> Callable[[Path, Volume], Path]:
    def write(folder: Path, volume: Volume) -> Path:
        content = {
            "images": [
                {
                    "id": 5,
                    "file_name": "any.png",
                    "sop_instance_uid": volume.source.instance_uids[2],
                    "width": 64,
                    "height": 64,
                }
            ],
            "annotations": [{"id": 8, "image_id": 5, "category_id": 1, **annotation}],
            "categories": [{"id": 1, "name": "lesion"}],
        }
        (folder / "boxes.json").write_text(json.dumps(content))
        return folder / "boxes.json"

    return write


def _text(name: str, content: str) -> Callable[[Path, Volume], Path]:
    """``{name}``, ``{uid}`` stand for slice 2's file name and SOP Instance UID."""

    def write(folder: Path, volume: Volume) -> Path:
        values = {"name": volume.source.files[2].name, "uid": volume.source.instance_uids[2]}
        path = folder / name.format(**values)
        path.write_text(content.format(**values))
        return path

    return write


def _yolo(content: str) -> Callable[[Path, Volume], Path]:
    def write(folder: Path, volume: Volume) -> Path:
        (folder / "labels").mkdir()
        (folder / "data.yaml").write_text("names: [other, lesion]\n")
        _text("{name}.txt", content)(folder / "labels", volume)
        return folder

    return write


def _seg(folder: Path, volume: Volume) -> Path:
    return make.seg(folder / "seg", volume.source.files, mask_of(volume), ["lesion"])


def _sidecar(folder: Path) -> None:
    (folder / "label.json").write_text('{"1": "lesion", "RepetitionTime": 2.5}')


def _nifti(folder: Path, volume: Volume) -> Path:
    _sidecar(folder)
    write_nifti(replace(volume, stored=mask_of(volume)), folder / "label.nii.gz")
    return folder / "label.nii.gz"


def _nifti_flipped(folder: Path, volume: Volume) -> Path:
    """As converters write it: rows upside down, axes swapped, the affine saying so. nibabel writes, not medaug."""
    _sidecar(folder)
    ras = (np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.geometry.affine)[:, [2, 1, 0, 3]]
    mask = mask_of(volume).transpose(2, 1, 0)[:, ::-1, :]
    flip = np.eye(4)
    flip[1, 1], flip[1, 3] = -1, mask.shape[1] - 1
    swap = np.eye(4)[:, [2, 0, 1, 3]]
    image = nib.Nifti1Image(np.ascontiguousarray(mask.transpose(2, 0, 1)), ras @ flip @ swap)
    image.header.set_xyzt_units("mm")
    nib.save(image, folder / "label.nii.gz")
    return folder / "label.nii.gz"


def _nrrd(folder: Path, volume: Volume) -> Path:
    """Cropped around the lesion, as 3D Slicer does."""
    import SimpleITK

    _sidecar(folder)
    part = (slice(1, 4), slice(15, 40), slice(8, 30))
    image = SimpleITK.GetImageFromArray(mask_of(volume)[part])
    spacing = volume.geometry.spacing[::-1]
    image.SetSpacing(spacing)
    image.SetDirection((volume.geometry.affine[:3, [2, 1, 0]] / spacing).ravel().tolist())
    image.SetOrigin(volume.geometry.to_world((1, 15, 8)).tolist())
    SimpleITK.WriteImage(image, str(folder / "label.nrrd"))
    return folder / "label.nrrd"


def _monai(folder: Path, volume: Volume, **more: object) -> Path:
    """The image is the folder of the series; x is the column, y the row, z the slice."""
    (k, i, j), (k1, i1, j1) = LESION.start, LESION.stop
    box, keys = [j, i, k, j1, i1, k1], more or {"box_mode": "xyzxyz"}
    item = {"image": volume.source.files[0].parent.name, "box": [box], "label": [1]}
    content = {"labels": {"0": "other", "1": "lesion"}, "training": [item], **keys}
    (folder / "monai.json").write_text(json.dumps(content))
    return folder / "monai.json"


VOC = """<annotation><filename>{name}</filename><size><width>64</width><height>64</height></size>
<object><name>lesion</name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>25</xmax><ymax>31</ymax></bndbox></object>
</annotation>"""

CVAT = """<?xml version="1.0"?><annotations><version>1.1</version><meta><task><name>t</name></task></meta>
<image id="0" name="{name}" width="64" height="64"><tag label="x"/>
<polygon label="lesion" points="10,20;25,24;12,31"/></image></annotations>"""

# slice 2 as columns of 64: rows 20-30 of columns 10-24 are 1
RUNS = [10 * 64 + 20, *([11, 53] * 15)[:-1], 33 + 39 * 64]
RLE = "dd0;e1000000000000000000000000000\\]2"  # as pycocotools 2.0.11 writes RUNS


def _labelme(folder: Path, volume: Volume) -> Path:
    shape = {"label": "lesion", "shape_type": "rectangle", "points": [[25, 20.4], [10.2, 31]]}
    content = {
        "version": "5.4",
        "shapes": [shape],
        "imagePath": f"..\\x\\{volume.source.files[2].name}",
        "imageHeight": 64,
        "imageWidth": 64,
    }
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def _labelstudio(folder: Path, volume: Volume) -> Path:
    value = {"x": 1000 / 64, "y": 2000 / 64, "width": 1500 / 64, "height": 1100 / 64, "rotation": 0}
    shape = {
        "type": "rectanglelabels",
        "original_width": 64,
        "original_height": 64,
        "value": {**value, "rectanglelabels": ["lesion"]},
    }
    address = f"/data/upload/3/0a1b2c3d-{volume.source.files[2].name}"
    content = [{"id": 1, "data": {"image": address}, "annotations": [{"result": [shape]}]}]
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def _slicer(folder: Path, volume: Volume, sign: tuple[float, float, float] = (1, 1, 1), system: str = "LPS") -> Path:
    """An ROI along the grid's own axes, half a slice thick: slices of their own are thicker than they are apart."""
    grid = volume.geometry
    centre = grid.to_world(np.add(LESION.start, LESION.stop) / 2 - 0.5) * sign
    axes = (grid.affine[:3, :3] / grid.spacing) * np.array(sign)[:, None]
    markup = {
        "type": "ROI",
        "name": "lesion",
        "coordinateSystem": system,
        "center": centre.tolist(),
        "size": (np.array(LESION.shape) * grid.spacing * [0.5, 1, 1]).tolist(),  # thick slices
        "orientation": axes.ravel().tolist(),
    }
    (folder / "roi.mrk.json").write_text(json.dumps({"@schema": "x", "markups": [markup]}))
    return folder / "roi.mrk.json"


def _slicer_ras(folder: Path, volume: Volume) -> Path:
    return _slicer(folder, volume, (-1, -1, 1), "RAS")


WRITERS: dict[str, Callable[[Path, Volume], Path]] = {
    "coco box": _coco({"bbox": [10, 20, 15, 11]}),
    "coco box between pixels": _coco({"bbox": [10.2, 20.9, 14.5, 9.3]}),
    "coco polygon": _coco({"segmentation": [[10, 20, 25, 24, 12, 31]]}),
    "csv size": _text("a.csv", "SOP_Instance_UID,x,y,width,height,Label\n{uid},10,20,15,11,lesion\n"),
    "csv corners": _text("a.csv", "image_id;class_name;rad_id;x_min;y_min;x_max;y_max\n{name};lesion;R1;10;20;25;31\n"),
    "csv NIH": _text("a.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,\n{name},lesion,10,20,15,11,,,\n"),
    "csv RSNA": _text("a.csv", "patientId,x,y,width,height,Target\n{name},10,20,15,11,lesion\n"),
    "voc": _text("{name}.xml", VOC),
    "yolo box": _yolo("1 0.2734 0.3984 0.2344 0.1719\n"),
    "yolo polygon": _yolo("1 0.15625 0.3125 0.390625 0.375 0.1875 0.484375\n"),
    "seg": _seg,
    "coco rle": _coco({"segmentation": {"size": [64, 64], "counts": RUNS}}),
    "coco rle string": _coco({"segmentation": {"size": [64, 64], "counts": RLE}}),
    "labelme": _labelme,
    "labelstudio": _labelstudio,
    "cvat": _text("{name}.xml", CVAT),
    "rtstruct": made.structure_set,
    "sr polyline": made.report_2d,
    "sr ellipse": made.report_2d_ellipse,
    "sr 3d": made.report_3d,
    "gsps": made.presentation_state,
    "slicer": _slicer,
    "slicer ras": _slicer_ras,
    "monai": _monai,
    "nifti": _nifti,
    "nifti flipped": _nifti_flipped,
    "nrrd crop": _nrrd,
}
