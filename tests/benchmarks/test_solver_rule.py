"""The rule that chooses a profile's solver, and the rows it is given."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch

import medaug
from medaug.inverse.sampling.guided_ddim import Guidance
from medaug.inverse.solvers.diffstategrad import diffstategrad
from medaug.training.calibration import lay_out
from tests.benchmarks import solver_bench as bench
from tests.benchmarks.solver_costs import bars
from tests.benchmarks.solver_judged import asked, of_pictures, with_row
from tests.benchmarks.solver_rows import label, measured, own_distance
from tests.benchmarks.solver_rule import Among, Choice, bootstraps, chosen, drawn, faithfulness, medians, standard_error
from tests.support.paths import ROOT

IMAGES = 8
FIGURES = {
    "distance": 0.03, "delivered": 0.04, "diversity": 0.04, "seam": 1.0, "sharpness": 1.0, "noise": 1.3, "mottle": 0.7,
}  # fmt: skip
PUBLIC = [0.045] * IMAGES
MEASUREMENTS = ROOT / "docs" / "measurements"


def row(tera_flop: float = 0.05, wobble: float = 0.0, seed: int = 0, **changed: float) -> dict:
    """Figures by image and seed: images differ by as much as a figure is, and ``wobble`` is a row's own noise."""
    draw, images = np.random.default_rng(seed), np.linspace(0.5, 1.5, IMAGES)[:, None]
    figures = {
        key: value
        * (images if key in {"distance", "delivered", "diversity"} else 1)
        * (1 + wobble * draw.normal(size=(IMAGES, 2)))
        for key, value in (FIGURES | changed).items()
    }
    return {"TFLOP": tera_flop, "images": {key: value.tolist() for key, value in figures.items()}}


def left(choice: Choice, stage: int) -> set[str]:
    return set(choice.stages[stage][1])


def test_the_order_is_faithful_then_near_then_varied_then_cheap() -> None:
    rows = {
        "unfaithful": row(distance=0.01, delivered=0.05, diversity=0.09),
        "far": row(distance=0.04, diversity=0.09),
        "dull": row(diversity=0.03),
        "dear": row(tera_flop=0.2),
        "less faithful": row(delivered=0.043),
        "right": row(),
    }
    choice = chosen(rows, PUBLIC)
    assert choice.name == "right"
    assert left(choice, 0) == set(rows)
    assert left(choice, 1) == set(rows)
    assert left(choice, 2) == set(rows) - {"unfaithful"}
    assert left(choice, 3) == set(rows) - {"unfaithful", "far"}
    assert left(choice, 4) == {"dear", "less faithful", "right"}
    without = {name: rows[name] for name in ("unfaithful", "far")}
    assert chosen(without, PUBLIC).name == "far"  # the nearest isn't taken while it explains less than upstream


@pytest.mark.parametrize("fault", [{"seam": 2.6}, {"sharpness": 0.5}, {"sharpness": 1.7}, {"noise": 2.1}])
def test_what_the_gate_would_refuse_is_never_chosen(fault: dict[str, float]) -> None:
    assert chosen({"bad": row(distance=0.01, **fault), "good": row()}, PUBLIC).name == "good"
    with pytest.raises(ValueError, match="inside the gate"):
        chosen({"bad": row(**fault)}, PUBLIC)


PAIRS = Among(("03", "04", "03", "04"), 2)


def slices(through: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0), tera_flop: float = 0.05, **changed: float) -> dict:
    """`row` with a through-plane figure of each of four pairs."""
    found = row(tera_flop, **changed)
    found["images"]["through_plane"] = [[value, value] for value in through]
    return found


def test_a_volume_s_slices_agree_in_every_series_or_the_row_is_out() -> None:
    rows = {
        "apart": slices((1.0, 1.3, 1.0, 1.3), distance=0.01),
        "alike": slices((0.7, 1.0, 0.7, 1.0)),
        "good": slices(),
    }
    choice = chosen(rows, PUBLIC[:2], PAIRS)
    assert left(choice, 1) == set(rows)
    assert left(choice, 2) == {"good"}
    rows = {"one pair": slices((1.0, 1.3, 1.0, 1.05)), "good": slices(tera_flop=0.9)}
    assert chosen(rows, PUBLIC[:2], PAIRS).name == "one pair"  # its series' median is inside
    with pytest.raises(ValueError, match="slices agree"):
        chosen({"apart": slices((1.3, 1.3, 1.3, 1.3))}, PUBLIC[:2], PAIRS)


def test_clouds_in_one_series_aren_t_made_up_for_by_the_others() -> None:
    cloudy = slices(distance=0.01)
    cloudy["images"]["mottle"] = [[1.2, 1.2] if n // 2 % 2 else [0.5, 0.5] for n in range(IMAGES)]
    assert medians(cloudy, "mottle", PAIRS) == {"03": 0.5, "04": 1.2}
    assert chosen({"cloudy": cloudy, "good": slices()}, PUBLIC[:2], PAIRS).name == "good"
    assert chosen({"cloudy": cloudy, "good": slices()}, PUBLIC).name == "cloudy"  # among images of one kind
    cloudy["images"]["mottle"][2] = [None, None]  # no block is free there
    assert medians(cloudy, "mottle", PAIRS) == {"03": 0.5, "04": 1.2}


def test_where_no_row_is_calm_the_calmest_are_left() -> None:
    rows = {
        "cloudy": row(mottle=1.6, distance=0.01),
        "calmest": row(mottle=1.3),
        "as calm": row(mottle=1.3, delivered=0.044),
    }
    choice = chosen(rows, PUBLIC)
    assert left(choice, 1) == {"calmest", "as calm"}
    assert choice.name == "calmest"


def test_neighbours_are_one_draw_of_the_bootstrap() -> None:
    """The same eight slices: as eight images their differences can be told, as four near-copies they can't."""
    best, further = slices(), slices(tera_flop=0.01)
    apart = [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, -0.004, -0.004]
    further["images"]["distance"] = [
        [a + d for a in pair] for pair, d in zip(best["images"]["distance"], apart, strict=True)
    ]
    rows = {"best": best, "further": further}
    assert left(chosen(rows, PUBLIC), 3) == {"best"}
    assert left(chosen(rows, PUBLIC[:2], PAIRS), 4) == set(rows)
    assert drawn(best, "distance", PAIRS).shape == (4, 2)
    assert drawn(best, "through_plane", PAIRS).shape == (4, 2)
    assert faithfulness(best, [0.02, 0.02], PAIRS) == pytest.approx(
        best["images"]["delivered"][0][0]
        / 0.02
        * (best["images"]["delivered"][2][0] / best["images"]["delivered"][0][0]) ** 0.5
    )


def test_where_none_is_as_faithful_as_upstream_the_most_faithful_are_left() -> None:
    rows = {"near": row(delivered=0.06, distance=0.01), "faithful": row(delivered=0.05)}
    choice = chosen(rows, PUBLIC)
    assert choice.name == "faithful"
    assert left(choice, 2) == {"faithful"}


def test_a_difference_inside_the_noise_is_none_and_the_same_difference_on_every_image_is_one() -> None:
    """Images differ threefold; a row that is 3 % further on each of them can be told, one that wobbles can't."""
    steady = chosen({"best": row(), "further": row(tera_flop=0.01, distance=0.0309)}, PUBLIC)
    assert left(steady, 3) == {"best"}
    noisy = {"best": row(wobble=0.1, seed=1), "further": row(tera_flop=0.01, distance=0.0309, wobble=0.1, seed=2)}
    assert left(chosen(noisy, PUBLIC), 3) == set(noisy)


def test_a_bootstrap_s_error_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(5, 2, size=(400, 1))
    assert standard_error(values) == pytest.approx(2 / 20, rel=0.1)
    assert bootstraps(values).mean() == pytest.approx(values.mean(), abs=0.02)
    assert standard_error(np.full((9, 2), 0.3)) == pytest.approx(0)
    apart = np.array([[0.0, 1.0]] * 25)  # seeds alone differ
    assert standard_error(apart) == pytest.approx(0.5 / 5, rel=0.1)


def test_faithfulness_is_paired_and_of_the_images_that_upstream_has() -> None:
    assert faithfulness(row(delivered=0.04), [0.04 * f for f in np.linspace(0.5, 1.5, IMAGES)]) == pytest.approx(1)
    assert faithfulness(row(delivered=0.04), [0.04]) == pytest.approx(0.5)


def test_a_closing_that_shares_its_solve_is_the_lever(monkeypatch: pytest.MonkeyPatch) -> None:
    axis = torch.linspace(-0.8, 0.8, 64)
    x = (axis[:, None] * axis[None, :])[None, None] + 0.1 * torch.randn(
        2, 1, 64, 64, generator=torch.Generator().manual_seed(0)
    )
    these = bench.Subjects(x, lay_out(x))
    solve = partial(diffstategrad, steps=2, t0=0.4, omega=0.03, gamma=0.01)
    monkeypatch.setattr(bench, "flop_of_steps", lambda *_: (0.0, 0.0))
    shared = measured("name", solve, these, own_distance, (0, 1))["rows"]
    alone = measured("name", partial(solve, guidance=Guidance(closing=1)), these, own_distance, (0,))["rows"]["name"]
    assert shared[label("name", 1)]["images"] == alone["images"]
    assert shared[label("name", 1)]["calls"] == alone["calls"]
    assert shared["name"]["images"] != alone["images"]


@pytest.mark.parametrize(
    ("report", "profiles"),
    [
        ("solver-front.json", ("bone-xray", "chest-xray")),
        ("solver-front-slices.json", ("brain-mr",)),
        ("solver-front-degraded.json", ("degraded-xray",)),
    ],
)
def test_profiles_have_what_the_rule_chose(report: str, profiles: tuple[str, ...]) -> None:
    found = json.loads((MEASUREMENTS / report).read_text())["chosen"]
    for name in profiles:
        profile = medaug.load_profile(name)
        own = f"{profile.solver.kind}, {profile.solver.steps} from {profile.solver.start:g}"
        assert label(own, profile.levers.closing) == (found[name] if isinstance(found, dict) else found)


def test_a_bar_is_missed_where_a_median_is_beyond_it() -> None:
    quality = {key: [0.5, 0.9, 1.2] for key in ("distance", "seam", "delivered")}
    good = {"TFLOP": 80, "wall_s": [15, 40, 60], "quality": quality}
    assert bars(good) == "all held"
    assert bars(good | {"TFLOP": 39, "wall_s": [15, 19, 60]}) == "missed: FLOPs, wall time"
    assert bars(good | {"quality": quality | {"delivered": [0.9, 1.01, 1.1]}}) == "missed: delivered"


def test_the_judge_is_asked_from_the_most_varied_row_down_and_puts_out_what_it_tells() -> None:
    rows = {
        "boldest": row(diversity=0.09),
        "bold": row(diversity=0.07),
        "right": row(tera_flop=0.04, diversity=0.06),
        "dull": row(tera_flop=0.01, diversity=0.03),
    }
    seen, told = [], {"boldest": 0.9, "bold": 0.61, "right": 0.60, "dull": 0.5}

    def auc(name: str) -> float:
        seen.append(name)
        return told[name]

    choice = chosen(rows, PUBLIC, auc=auc)
    assert choice.name == "right"
    assert list(dict.fromkeys(seen)) == ["boldest", "bold", "right"]
    assert left(choice, -2) == {"right", "dull"}
    assert chosen(rows, PUBLIC).name == "boldest"
    assert chosen(rows, PUBLIC, auc={**told, "right": 0.7, "dull": 0.8}.get).name == "bold"  # none holds: the least


def test_the_cheapest_of_the_most_varied_is_judged_too() -> None:
    rows = {"sure": row(), "cheap": row(tera_flop=0.01, wobble=0.1, seed=2), "cheaper": row(tera_flop=0.005)}
    told = {"sure": 0.5, "cheap": 0.5, "cheaper": 0.9}
    assert chosen(rows, PUBLIC, auc=told.get).name == "cheap"


def test_a_row_s_auc_is_asked_once_kept_and_that_of_a_refused_row_is_1() -> None:
    known: dict[str, dict[str, float]] = {}
    figures = {"a": {"auc": 0.5, "written": 9, "of": 10}, "b": {"auc": 0.5, "written": 8, "of": 10}}
    kept: list[int] = []
    auc = asked(known, figures.get, lambda: kept.append(len(known)))
    assert [auc("a"), auc("b"), auc("a")] == [0.5, 1.0, 0.5]
    assert (known, kept) == (figures, [1, 2])
    with pytest.raises(SystemExit, match="c: expected the judge's figures"):
        asked(known, None, list)("c")


@pytest.mark.parametrize("name", ["bone-xray", "brain-mr", "brain-ct", "body-ct"])
def test_a_profile_takes_a_row_s_solver_and_is_itself_otherwise(name: str) -> None:
    profile = of_pictures(medaug.load_profile(name))
    made = with_row(profile, "diffstategrad, 12 from 0.6, closed 2")
    assert (made.solver.kind, made.solver.steps, made.solver.start, made.levers.closing) == (
        "diffstategrad",
        12,
        0.6,
        2,
    )
    assert (made.solver.omega, made.solver.gamma) == (0.03, 0.01)
    assert made.modalities == ("RASTER",)
    same = made.model_copy(update={"solver": profile.solver, "levers": profile.levers})
    assert same.sha256 == profile.sha256
    assert with_row(profile, "ddnm, 6 from 0.4").levers.closing == 0
