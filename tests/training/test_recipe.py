from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import medaug.training
from medaug.errors import ProfileError
from medaug.training.recipe import TrainingRecipe, read_recipe
from medaug.training.train_loop import cycle_of, rate

EMBEDDED = Path(medaug.training.__file__).parent / "recipes" / "radiograph-256.yaml"


def _changed(recipe: TrainingRecipe, part: str, **changes: object) -> TrainingRecipe:
    data = recipe.model_dump()
    data[part] |= changes
    return TrainingRecipe.model_validate(data)


def test_the_embedded_recipe_is_valid_and_its_shares_sum_to_one() -> None:
    recipe = read_recipe(EMBEDDED)
    assert recipe.name == "radiograph-256"
    assert sum(recipe.data.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("diffusion", "stepss", 3, r"diffusion\.stepss: Extra inputs"),
        ("diffusion", "steps", "3", r"diffusion\.steps: Input should be a valid integer"),
        ("diffusion", "restarts", [9, 9], r"restarts \[9, 9\] must rise, after 0 and before steps"),
        ("diffusion", "restarts", [10**6], r"must rise, after 0 and before steps \("),
        ("data", "size", 250, r"data\.size: Input should be a multiple of 8"),
        ("autoencoder", "rate", 0.0, r"autoencoder\.rate: Input should be greater than 0"),
    ],
)
def test_a_malformed_recipe_is_refused(tmp_path: Path, part: str, key: str, value: object, message: str) -> None:
    data = yaml.safe_load(EMBEDDED.read_text(encoding="utf-8"))
    data[part][key] = value
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ProfileError, match=message):
        read_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize("text", ["a: [", "!!python/object/apply:os.getcwd []", "3"])
def test_what_is_no_plain_yaml_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ProfileError, match=r"recipe r\.yaml"):
        read_recipe(tmp_path / "r.yaml")


def test_digests_follow_what_decides_the_weights() -> None:
    recipe = read_recipe(EMBEDDED)
    longer, faster = (
        _changed(recipe, "diffusion", steps=99999, restarts=(8500, 17000)),
        _changed(recipe, "diffusion", rate=1e-5),
    )
    reworded, wider = _changed(recipe, "card", licence="other"), _changed(recipe, "autoencoder", width=32)
    assert recipe.before_decay == longer.before_decay == reworded.before_decay
    assert len({recipe.before_decay, faster.before_decay, wider.before_decay}) == 3
    assert recipe.first_stage == longer.first_stage == faster.first_stage != wider.first_stage


def test_the_rate_rises_stays_and_falls() -> None:
    plan = _changed(
        read_recipe(EMBEDDED), "diffusion", steps=1000, restarts=(), warmup=10, decay=100, rate=1.0
    ).diffusion
    rates = [rate(plan, step) for step in range(1000)]
    assert rates[:2] == [0.1, 0.2]
    assert set(rates[10:900]) == {1.0}
    assert rates[-1] == 0.01
    longer = plan.model_copy(update={"steps": 2000})
    assert [rate(longer, step) for step in range(900)] == rates[:900]


def test_each_cycle_has_a_rise_and_a_fall_of_its_own() -> None:
    changes = {"restarts": (1000,), "steps": 1500, "warmup": 10, "decay": 100, "rate": 1.0}
    plan = _changed(read_recipe(EMBEDDED), "diffusion", **changes).diffusion
    first = plan.model_copy(update={"restarts": (), "steps": 1000})
    assert [rate(plan, step) for step in range(1000)] == [rate(first, step) for step in range(1000)]
    assert [cycle_of(plan, step) for step in (0, 999, 1000, 1499)] == [(0, 1000)] * 2 + [(1000, 1500)] * 2
    assert [rate(plan, step) for step in (1000, 1001, 1009, 1400, 1499)] == [0.1, 0.2, 1.0, 1.0, 0.01]
    longer = plan.model_copy(update={"decay": 200, "earlier_decay": 100})
    assert [rate(longer, step) for step in range(1000)] == [rate(first, step) for step in range(1000)]
    assert [rate(longer, step) for step in (1300, 1400, 1499)] == [1.0, 0.5, 0.005]


@pytest.mark.parametrize("name", ["brain-mr-256", "head-ct-256", "radiograph-256-v2", "radiograph-256-deep"])
def test_the_other_recipes_are_recipes(name: str) -> None:
    recipe = read_recipe(EMBEDDED.with_name(f"{name}.yaml"))
    assert recipe.name == name.removesuffix("-v2")
    assert recipe.data.size == 256


def test_the_longer_radiograph_recipe_goes_on_from_the_shipped_weights() -> None:
    shipped, longer = read_recipe(EMBEDDED), read_recipe(EMBEDDED.with_name("radiograph-256-v2.yaml"))
    assert longer.before_decay == shipped.before_decay
    assert longer.first_stage == shipped.first_stage
    assert longer.diffusion.restarts[:-1] == shipped.diffusion.restarts
    assert longer.diffusion.restarts[-1] == shipped.diffusion.steps


def test_batch_and_precision_change_where_the_recipe_says() -> None:
    later = {"start": 40000, "batch": 32, "precision": "float32"}
    recipe = read_recipe(EMBEDDED)
    plan = _changed(recipe, "diffusion", steps=50000, later=later).diffusion
    assert [plan.batch_at(step) for step in (0, 39999, 40000, 49999)] == [16, 16, 32, 32]
    assert [plan.precision_at(step) for step in (39999, 40000)] == ["bfloat16", "float32"]
    assert recipe.before_decay == _changed(recipe, "diffusion", steps=50000, later=later).before_decay
    with pytest.raises(ValueError, match=r"batch \(33\) must be a multiple of accumulate \(4\)"):
        _changed(recipe, "diffusion", steps=50000, accumulate=4, later={**later, "batch": 33})


def test_views_and_hidden_lesions_exclude_each_other() -> None:
    recipe = read_recipe(EMBEDDED.with_name("head-ct-256.yaml"))
    with pytest.raises(ValueError, match=r"data\.augment can't go with ambient"):
        TrainingRecipe.model_validate(recipe.model_dump() | {"ambient": {"rate": 0.1, "side": 0.25}})


def test_new_keys_of_the_images_enter_a_digest_only_where_they_are_given() -> None:
    recipe = read_recipe(EMBEDDED)
    assert recipe.first_stage.startswith("f2551c8751880f9b")  # as before there were such keys
    changed = [_changed(recipe, "data", **{key: "x"}) for key in ("folder", "groups")]
    changed += [_changed(recipe, "data", crop="head"), _changed(recipe, "data", levels=[1, 99])]
    assert len({recipe.first_stage, *(other.first_stage for other in changed)}) == 5
