"""What a plan says of labels and of what may change, against what the run then does."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import medaug
from medaug.assemble import present_tools
from medaug.augmentation.case import Case
from medaug.augmentation.prepare import PreparedCase, PresentTools
from medaug.dicom.read import parse
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.errors import AnnotationError, RegionError
from medaug.execution.planning import foresight
from medaug.execution.planning.foresight import foresee, free_share, space_missing
from medaug.execution.planning.plan import Plan, plan
from medaug.imaging.boxes import Box
from medaug.imaging.presentation import Presentation
from medaug.imaging.volume import Mask, Volume
from medaug.profile.load import load_profile
from tests.support import make
from tests.support.dicom_multiframe import enhanced, placed
from tests.support.small_runs import small_profile

LESION, WHOLE = (40, 50, 10, 12), (0, 0, 100, 120)  # x, y, width, height
ORGAN = (20, 20, 30, 25)


def labelled(folder: Path, **drawn: tuple[int, int, int, int]) -> dict[str, object]:
    make.radiograph(folder / "in", name="x1.dcm", rows=120, columns=100)
    (folder / "boxes.json").write_text(
        json.dumps(
            {
                "images": [{"id": 0, "file_name": "x1.dcm", "width": 100, "height": 120}],
                "annotations": [
                    {"id": n, "image_id": 0, "category_id": n, "bbox": box} for n, box in enumerate(drawn.values())
                ],
                "categories": [{"id": n, "name": name} for n, name in enumerate(drawn)],
            }
        )
    )
    law = {"kind": "outside", "margin": {"value": 0, "unit": "px"}}
    profile = small_profile(folder, domain=["not-padding"], regions=law)
    return {"profile": profile, "annotations": folder / "boxes.json"}


def planned(folder: Path, given: dict[str, object], **options: object) -> Plan:
    return plan(folder / "in", **given, **options)  # type: ignore[arg-type]


def test_the_free_share_is_what_the_boxes_leave(tmp_path: Path) -> None:
    (seen,) = foresee(planned(tmp_path, labelled(tmp_path, lesion=LESION)))
    assert seen.free == pytest.approx(1 - 10 * 12 / (100 * 120))
    assert seen.code == ""


def test_phases_in_one_file_are_looked_at_with_one_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = [{"FrameContentSequence": {"TemporalPositionIndex": n + 1}} for n in range(3)]
    enhanced(tmp_path / "in", [placed(3.0 * k, **phase) for phase in phases for k in range(2)])
    series_uid = read_series(discover(tmp_path / "in").series[0])[0].source.series_uid
    (tmp_path / "b.csv").write_text(f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{series_uid},-20,-15,-100,5\n")
    asked = plan(tmp_path / "in", profile="brain-mr", annotations=tmp_path / "b.csv", variants=1)
    parsed, count = parse.instance, 0

    def counting(path: Path) -> parse.Instance:
        nonlocal count
        count += 1
        return parsed(path)

    monkeypatch.setattr(parse, "instance", counting)
    assert (len(list(foresee(asked))), count) == (3, 1)


STACK = 60  # slices
BOX = Box((4, 5, 6), (9, 15, 16), "lesion")


def stack_of_one_level(free: Collection[int]) -> Volume:
    """Of its slices those named may change; the others are padding."""
    stored = np.zeros((STACK, 24, 20), dtype=np.uint16)
    stored[list(free)] = 1000
    return make.volume((STACK, 24, 20), stored=stored, padding=(0.0, 0.0))


def in_stack(tmp_path: Path, volume: Volume, kind: str, *boxes: Box) -> tuple[tuple[float, bool], float]:
    """What is told of it and whether from some slices, and the share that preparing the whole gives."""
    tools = present_tools(load_profile(stack_profile(tmp_path, kind)))
    case = Case(volume, boxes)
    return free_share(case, tools, 1), prepared_share(case, tools)


def prepared_share(case: Case, tools: PresentTools) -> float:
    """Of the whole, as a run finds it."""
    prepared = PreparedCase.of(case, tools)
    tools.law(prepared.small, prepared.small_boxes, 1, prepared.sampling)
    return float(1 - prepared.protected.mean())


def stack_profile(folder: Path, kind: str) -> str:
    law = {"kind": kind, "margin": {"value": 3, "unit": "mm"}}
    return small_profile(folder, domain=["not-padding"], regions=law, window={"kind": "file"})


@pytest.mark.parametrize("kind", ["outside", "inside", "gaussian-outside"])
def test_of_a_stack_some_slices_are_looked_at_and_weighed(tmp_path: Path, kind: str) -> None:
    (free, about), whole = in_stack(tmp_path, stack_of_one_level(range(STACK)), kind, BOX)
    assert about
    assert free == pytest.approx(whole)
    assert 0 < whole < 1


@pytest.mark.parametrize("kind", ["outside", "inside", "gaussian-outside"])
def test_one_slice_that_may_change_is_found_wherever_it_lies(tmp_path: Path, kind: str) -> None:
    box = Box((4, 5, 6), (49, 15, 16), "lesion")
    (free, about), whole = in_stack(tmp_path, stack_of_one_level([41]), kind, box)
    assert (free, about) == (pytest.approx(whole), False)
    assert whole > 0


def test_a_stack_in_which_nothing_may_change_is_refused_as_in_the_run(tmp_path: Path) -> None:
    tools = present_tools(load_profile(stack_profile(tmp_path, "outside")))
    kept = np.ones((STACK, 24, 20), dtype=np.bool_)
    kept[:, 0, 0] = False  # of a pixel of the prior less than half
    for case in (Case(stack_of_one_level([]), (BOX,)), Case(stack_of_one_level(range(STACK)), (BOX,), kept)):
        with pytest.raises(RegionError, match="nothing may change") as refused:
            prepared_share(case, replace(tools, size=8))
        with pytest.raises(RegionError, match="nothing may change") as foreseen:
            free_share(case, replace(tools, size=8), 1)
        assert str(foreseen.value) == str(refused.value)


def test_no_more_than_a_few_slices_lie_on_the_grid_of_the_prior_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = present_tools(load_profile(stack_profile(tmp_path, "outside")))
    shrunk, most = Presentation.shrink, 0

    def watched(view: Presentation, mask: Mask, share: float) -> Mask:
        nonlocal most
        most = max(most, len(mask))
        return shrunk(view, mask, share)

    monkeypatch.setattr(Presentation, "shrink", watched)
    kept = np.ones((STACK, 24, 20), dtype=np.bool_)
    kept[:, 0, 0] = False
    with pytest.raises(RegionError, match="nothing may change"):
        free_share(Case(stack_of_one_level(range(STACK)), (BOX,), kept), replace(tools, size=8), 1)
    assert 1 < most <= foresight.FEW + 1  # and one with a box


def test_what_the_run_would_refuse_is_foreseen_and_can_be_mended(tmp_path: Path) -> None:
    given = labelled(tmp_path, BODY=WHOLE, lesion=LESION)
    (seen,) = foresee(planned(tmp_path, given))
    assert (seen.free, seen.code) == (0, "nothing-free")
    ran = medaug.run(tmp_path / "in", tmp_path / "out", **given)  # type: ignore[arg-type]
    assert [record.code for record in ran.records] == [seen.code]
    (mended,) = foresee(planned(tmp_path, given, ignore_label="BO*"))
    assert mended.free == pytest.approx(0.99)


def test_context_is_kept_and_in_no_list(tmp_path: Path) -> None:
    given = labelled(tmp_path, organ=ORGAN, lesion=LESION)
    chosen = planned(tmp_path, given, label="les*")
    (unit,) = chosen.units
    assert [box.label for box in unit.boxes] == ["lesion"]
    expected = np.zeros((1, 120, 100), dtype=np.bool_)
    expected[Box((0, 20, 20), (1, 45, 50), "organ").slices] = True
    assert unit.mask is not None
    assert np.array_equal(unit.mask, expected)
    assert unit.recipe.kept
    assert chosen.notes == ("kept as context, and in no list: organ",)
    assert planned(tmp_path, given).notes == ()


def test_a_label_that_nobody_uses_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no label or type is called 'leson'; there are lesion, organ"):
        planned(tmp_path, labelled(tmp_path, organ=ORGAN, lesion=LESION), label=["leson"])


def test_a_full_disk_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = planned(tmp_path, labelled(tmp_path, lesion=LESION))
    assert space_missing(one, tmp_path / "new" / "out") == ""
    monkeypatch.setattr(foresight.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100_000}))
    assert "0 MB are free" in space_missing(one, tmp_path / "new" / "out")
