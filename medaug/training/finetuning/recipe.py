"""What a fine-tuning of somebody else's model is, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from medaug.training.recipe import CardRecipe, Strict, cycles_rise, digest, parts_fit, read_as


class SliceRecipe(Strict):
    """Which images, at which size.

    Attributes:
        size: px of the square; the longest side of each image is scaled to it.
        validation: share of patients held out.
    """

    size: int = Field(ge=16, multiple_of=8)
    validation: float = Field(gt=0, lt=0.5)


class LoraRecipe(Strict):
    """Low-rank additions to the weights of every attention layer.

    Attributes:
        rank: of each addition.
        alpha: the addition counts alpha / rank times.
    """

    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)


class TokensRecipe(Strict):
    """A learned token for each class.

    Attributes:
        labels: of boxes; each gets the token ``<label>``.
        template: the prompt of one class, with ``{token}`` in it; those of an image's classes are joined by commas.
        share: of the draws that show an image with one of these labels; all of them where nothing but tokens learns.
        empty: share of those that are shown under the empty prompt after all, so that it doesn't forget them.
    """

    labels: tuple[str, ...] = Field((), strict=False)
    template: str = Field(pattern=r"\{token\}")
    share: float = Field(gt=0, le=1)
    empty: float = Field(ge=0, lt=1)


class LoopRecipe(Strict):
    """How long and how fast; as in `recipe.DiffusionRecipe`."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    accumulate: int = Field(ge=1)
    rate: float = Field(gt=0)
    warmup: int = Field(ge=1)
    decay: int = Field(ge=1)
    precision: Literal["float32", "bfloat16"]
    ema: float = Field(ge=0, lt=1)
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)
    restarts: tuple[int, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _parts_of_a_batch(self) -> Self:
        return parts_fit(self, self.batch, self.accumulate)

    @model_validator(mode="after")
    def _cycles_in_order(self) -> Self:
        return cycles_rise(self, self.restarts, self.steps)

    def precision_at(self, step: int) -> str:  # noqa: ARG002 - the same from first to last
        """Of a step's forward pass."""
        return self.precision

    def decay_before(self, end: int) -> int:  # noqa: ARG002 - likewise
        """Of the cycle that ends there."""
        return self.decay


class FinetuneRecipe(Strict):
    """Everything that decides the weights, except the base's and the images."""

    schema_version: Literal[1]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = Field(ge=0)
    data: SliceRecipe
    lora: LoraRecipe | None
    tokens: TokensRecipe | None
    training: LoopRecipe
    card: CardRecipe
    base: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="digest of the prior it starts from")

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if self.lora is None and self.tokens is None:
            raise ValueError("lora and tokens are both null, so nothing would learn; give one of them")
        return self

    @property
    def images(self) -> str:
        """A digest of what decides the latents."""
        return digest(self.model_dump_json(include={"data": True, "base": True, "tokens": {"labels"}}))

    @property
    def before_decay(self) -> str:
        """A digest of what decides the first steps: all but where the end lies, the reporting and the words."""
        lengths = {"steps", "restarts", "decay", "validate_every", "checkpoint_every"}
        return digest(self.model_dump_json(exclude={"training": lengths, "card": True, "name": True}))


def finetuning() -> Path:
    """The recipe for a model in diffusers' layout."""
    return Path(__file__).parents[1] / "recipes" / "finetune.yaml"


def read_finetune_recipe(path: Path) -> FinetuneRecipe:
    """Read the recipe of a fine-tuning.

    Raises:
        ProfileError: the file is no such recipe; the message names each key.
    """
    return read_as(FinetuneRecipe, path, "medaug/training/recipes/finetune.yaml")
