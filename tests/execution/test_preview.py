"""A preview shows what the run would give, and leaves nothing but its two files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medaug.errors import ProfileError
from medaug.execution.planning.plan import plan
from medaug.execution.preview import preview
from medaug.imaging.volume import Rescale
from medaug.report import sheet
from tests.support import make
from tests.support.small_runs import boxes, export, small_profile
from tests.support.tampering import paint

LADDER = {
    name: {"start": start, "steps": 2, "closing": 0}
    for name, start in (("subtle", 0.1), ("medium", 0.3), ("strong", 0.6))
}


def test_a_sheet_has_a_row_a_source_and_a_column_a_strength(tmp_path: Path) -> None:
    export(tmp_path / "in")
    profile = small_profile(tmp_path, strengths=LADDER)
    planned = plan(tmp_path / "in", profile=profile, annotations=boxes(tmp_path / "b.json"), variants=2, seed=5)
    before = sorted(tmp_path.rglob("*"))
    told: list[tuple[int, int]] = []
    shown = preview(planned, 4, ("subtle", "strong"), lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2)]
    assert [[cell.caption.split(":")[0].split(",")[0] for cell in row] for row in shown.rows] == [
        [f"source {unit.recipe.source[:12]}", "regions", "subtle", "strong"]
        for unit in planned.units
        if not unit.recipe.variant
    ]
    assert shown.refused == ()
    picture = sheet.png(shown.rows)
    width, height = Image.open(io.BytesIO(picture)).size
    assert (width, height) == (4 * (sheet.SIDE + sheet.GAP) + sheet.GAP, 2 * (344 + 0) + sheet.GAP)
    page = sheet.page(picture, shown.tried, "a <title>")
    assert page.count("<tr>") == 2 + len(shown.tried[0].checks)
    assert page.count("<td") == len(shown.tried) * len(shown.tried[0].checks)
    assert "a &lt;title&gt;" in page
    assert "protected_identity" in page
    assert 'src="http' not in page
    changes = [next(c.value for c in one.checks if c.name == "change") for one in shown.tried[:2]]
    assert changes[0] < changes[1]
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ProfileError, match="expected subtle"):
        preview(planned, 1, ("huge",))


def test_an_image_without_labels_is_shown_where_it_would_be_varied(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100, seed=1)
    profile = small_profile(tmp_path, strengths=LADDER)
    planned = plan(tmp_path / "in", profile=profile, annotations=(), unlabelled="keep-nothing")
    shown = preview(planned, 1, ("medium",))
    assert shown.refused == ()
    assert [len(row) for row in shown.rows] == [3]


def test_a_source_that_changed_since_it_was_planned_is_said(tmp_path: Path) -> None:
    export(tmp_path / "in")
    profile = small_profile(tmp_path, strengths=LADDER)
    planned = plan(tmp_path / "in", profile=profile, annotations=boxes(tmp_path / "b.json"))
    for path in (tmp_path / "in").rglob("x*.dcm"):
        paint(path, 0, 0)
    shown = preview(planned, 2, ("medium",))
    assert len(shown.refused) == 2
    assert all("changed since it was planned" in sentence for sentence in shown.refused)


def test_a_slice_of_a_volume_lies_where_it_lay() -> None:
    whole = make.volume((4, 32, 24), rescale=tuple(Rescale(1.0, float(k)) for k in range(4)))
    one = whole.slice(2)
    assert one.geometry.shape == (1, 32, 24)
    assert np.array_equal(one.modality[0], whole.modality[2])
    assert np.allclose(one.geometry.to_world((0, 5, 6)), whole.geometry.to_world((2, 5, 6)))
    assert one.source.key == whole.source.key
