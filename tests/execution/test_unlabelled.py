"""Images without labels: left out, or varied all over; never where an annotation fits nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

import medaug
from medaug.errors import ProfileError, RunError
from medaug.regions.laws import dust_alone, gaussian_outside, mean_rate
from medaug.verification.verify import verify
from tests.support import make
from tests.support.small_runs import boxes, small_profile


def export(folder: Path) -> Path:
    for number in (1, 2):
        make.radiograph(folder, name=f"x{number}.dcm", rows=120, columns=100, seed=number)
    return folder


def test_a_normal_is_varied_all_over_beside_a_labelled_one(tmp_path: Path) -> None:
    source, labels = export(tmp_path / "in"), boxes(tmp_path / "boxes.json", ("x1.dcm",))
    asked = {"profile": small_profile(tmp_path), "annotations": labels, "seed": 5}
    skipping = medaug.plan(source, **asked)
    assert [skip.code for skip in skipping.skips] == ["no-boxes"]
    summary = medaug.run(source, tmp_path / "out", **asked, unlabelled="keep-nothing")
    assert summary.counts == {"written": 2}, [record.message for record in summary.records]
    assert {unit.recipe.id for unit in skipping.units} < {record.unit for record in summary.records}
    (normal,) = (record for record in summary.records if not record.boxes)
    before = pydicom.dcmread(next(p for p in source.iterdir() if make_uid(p) == normal.source.instance_uids[0]))
    after = pydicom.dcmread(tmp_path / "out" / normal.images[0].path)
    assert (before.pixel_array != after.pixel_array).mean() > 0.5
    items = json.loads((tmp_path / "out" / "monai.json").read_text())["training"]
    assert sorted(len(item["box"]) for item in items) == [0, 1]
    again = verify(tmp_path / "out", source=source)
    assert again.sound, again.faults


def make_uid(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def test_no_annotation_is_needed_and_one_that_fits_nothing_stops_it(tmp_path: Path) -> None:
    source, profile = export(tmp_path / "in"), small_profile(tmp_path)
    planned = medaug.plan(source, profile=profile, annotations=(), unlabelled="keep-nothing", variants=2)
    assert [len(unit.boxes) for unit in planned.units] == [0] * 4
    stray = boxes(tmp_path / "boxes.json", ("x1.dcm", "gone.dcm"))
    planned = medaug.plan(source, profile=profile, annotations=stray, unlabelled="keep-nothing")
    assert [len(unit.boxes) for unit in planned.units] == [1]
    assert [skip.code for skip in planned.skips] == ["unplaced-box"]


def test_a_law_that_needs_boxes_and_other_words_are_refused(tmp_path: Path) -> None:
    asked = {"annotations": (), "unlabelled": "keep-nothing"}
    with pytest.raises(ProfileError, match="needs labels"):
        medaug.plan(tmp_path, profile="bone-xray-inside", **asked)
    with pytest.raises(RunError, match="keep-nothing"):
        medaug.plan(tmp_path, profile="bone-xray", annotations=(), unlabelled="keep-all")


def test_dust_has_the_laws_mean_rate() -> None:
    """0.32: 0.12758 by scipy's quad over 1 - Phi(d / 0.32) from 0 to 1."""
    assert mean_rate(0.32) == pytest.approx(0.12758, abs=1e-5)
    assert mean_rate(100) == pytest.approx(0.5, abs=3e-3)
    domain = np.ones((1, 200, 200), dtype=bool)
    domain[:, :20] = False
    regions = dust_alone(domain, 3, rate=mean_rate(0.32))
    assert np.array_equal(regions.protected, ~domain)
    assert regions.observed[domain].mean() == pytest.approx(0.1276, abs=0.006)
    with pytest.raises(medaug.errors.RegionError):
        gaussian_outside(domain, (), 3)  # a law alone still refuses an image whose boxes were forgotten
