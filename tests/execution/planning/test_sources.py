"""What INPUT holds: label maps that lie beside their images are no images to augment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medaug.execution.planning.inventory import inventory
from medaug.execution.planning.plan import plan
from medaug.formats.nifti import write_nifti
from medaug.imaging.volume import Rescale
from tests.support import make


def written(path: Path, seed: int, *, labels: bool = False) -> Path:
    volume = make.volume((4, 64, 64), seed=seed)
    stored = np.zeros(volume.geometry.shape, dtype=np.uint8)
    stored[1:3, 20:30, 24:32] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(replace(volume, stored=stored, rescale=(Rescale(),) * 4) if labels else volume, path)
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("case1.nii.gz", "case1_seg.nii.gz"),
        ("a/image.nii.gz", "a/mask.nii.gz"),
        ("imagesTr/c_0000.nii.gz", "labelsTr/c.nii.gz"),
        ("s1/ct.nii.gz", "s1/segmentations/tumour.nii.gz"),
        ("case1.nii.gz", "case1/tumour.nii.gz"),
    ],
)
def test_a_map_beside_its_image_is_none(tmp_path: Path, names: tuple[str, str]) -> None:
    image, labels = names
    written(tmp_path / image, 1)
    written(tmp_path / labels, 1, labels=True)
    found = inventory(tmp_path)
    assert len(found.series) == 1
    assert [(skip.code, skip.files) for skip in found.skips] == [("label-map", 1)]
    planned = plan(tmp_path, profile="brain-mr", annotations=tmp_path, accept_identity="phantom")
    assert [box.start for unit in planned.units for box in unit.boxes] == [(1, 20, 24)]
    assert planned.skips == ()


@pytest.mark.parametrize(
    "names",
    [
        ("t1.nii.gz", "t2.nii.gz"),
        ("seg1.nii.gz",),
        ("case_seg.nii.gz",),
        ("a/x.nii.gz", "b/y_seg.nii.gz"),
        ("case1.nii.gz", "case2/x.nii.gz"),
    ],
)
def test_an_image_without_another_beside_it_is_one(tmp_path: Path, names: tuple[str, ...]) -> None:
    for seed, name in enumerate(names):
        written(tmp_path / name, seed)
    assert len(inventory(tmp_path).series) == len(names)
