"""That such a run gives the bytes of one through all cycles is in test_train.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from medaug.errors import PriorError
from medaug.inverse.priors.embedded import EMBEDDED
from medaug.training.diffusion import CHECKPOINT
from medaug.training.image_pool import Pool
from medaug.training.next_cycle import begin_last_cycle
from medaug.training.recipe import TrainingRecipe, read_recipe

RECIPES = Path("medaug/training/recipes")


def no_images() -> Pool:
    raise AssertionError


@pytest.fixture
def recipe() -> TrainingRecipe:
    return read_recipe(RECIPES / "radiograph-256-v2.yaml")


def test_a_recipe_of_one_cycle_has_no_last_one(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match=r"expected diffusion\.restarts"):
        begin_last_cycle(read_recipe(RECIPES / "head-ct-256.yaml"), no_images, tmp_path, EMBEDDED)


def test_a_run_is_not_overwritten(recipe: TrainingRecipe, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"a run")
    with pytest.raises(PriorError, match="expected no checkpoint"):
        begin_last_cycle(recipe, no_images, tmp_path, EMBEDDED)
    assert (tmp_path / CHECKPOINT).read_bytes() == b"a run"


def test_a_prior_of_other_sizes_is_refused(recipe: TrainingRecipe, tmp_path: Path) -> None:
    other = recipe.model_copy(update={"diffusion": recipe.diffusion.model_copy(update={"channels": (64, 96, 192)})})
    with pytest.raises(PriorError, match="found another's sizes"):
        begin_last_cycle(other, no_images, tmp_path, EMBEDDED)
    assert not list(tmp_path.iterdir())
