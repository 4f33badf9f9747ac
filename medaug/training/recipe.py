"""What a training run is, as data: the whole of it stands in one YAML file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medaug.errors import ProfileError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataRecipe(_Strict):
    """Which images, at which size.

    Attributes:
        size: px of the square canvas; the longest side of each image is scaled to it.
        validation: share of images held out, by hash of the path.
        shares: top folder → share of the samples drawn from it; empty: every image is equally likely.
    """

    size: int = Field(ge=32, multiple_of=8)
    validation: float = Field(gt=0, lt=0.5)
    shares: dict[str, float] = {}


class AutoencoderRecipe(_Strict):
    """`medaug.inverse.priors.autoencoder` and its training: L1 + gradient loss + a small E(D(z)) = z term."""

    channels: int = Field(ge=1)
    width: int = Field(ge=1)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    gradient_weight: float = Field(ge=0)
    cycle_weight: float = Field(ge=0)


class DiffusionRecipe(_Strict):
    """The UNet (v-prediction) and its training.

    The rate rises over ``warmup`` steps, stays, and falls linearly to 0 over the last ``decay``: until then nothing
    depends on ``steps``, so a run can be lengthened before its decay begins and is still what its recipe says.
    The loss weights latent channels by how strongly they show in the image. With ``precision: bfloat16`` the network's
    forward pass runs under autocast; weights, their average, the loss and the optimiser stay float32.
    """

    channels: tuple[int, ...] = Field(min_length=2, strict=False)
    layers: int = Field(ge=1)
    head: int = Field(ge=1)
    groups: int = Field(ge=1)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    warmup: int = Field(ge=1)
    decay: int = Field(ge=1)
    precision: Literal["float32", "bfloat16"]
    ema: float = Field(ge=0, lt=1)
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)


class AmbientRecipe(_Strict):
    """What is hidden from the network beyond the lesions (see `medaug.training.ambient`).

    Attributes:
        rate: share of single cells.
        side: side of a rectangle, as a share of the grid's.
    """

    rate: float = Field(gt=0, lt=1)
    side: float = Field(gt=0, le=0.75)


class CardRecipe(_Strict):
    """What `medaug.inverse.priors.card.PriorCard` says in words."""

    licence: str
    attribution: str
    trained_on: str
    not_for: str


class TrainingRecipe(_Strict):
    """Everything that decides the weights, except the images themselves."""

    schema_version: Literal[1]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = Field(ge=0)
    data: DataRecipe
    autoencoder: AutoencoderRecipe
    diffusion: DiffusionRecipe
    card: CardRecipe
    base: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="digest of the prior it starts from")
    ambient: AmbientRecipe | None = None

    @property
    def first_stage(self) -> str:
        """A digest of what decides the autoencoder and the latents."""
        return _digest(self.model_dump_json(include={"seed", "data", "autoencoder", *self._given}))

    @property
    def before_decay(self) -> str:
        """A digest of what decides the first steps: all but where the end lies, the reporting and the words."""
        lengths = {"steps", "decay", "validate_every", "checkpoint_every"}
        unused = {name: True for name in ("base", "ambient") if name not in self._given}
        return _digest(self.model_dump_json(exclude={"diffusion": lengths, "card": True, **unused}))

    @property
    def _given(self) -> set[str]:
        """Of the parts that may be left out, those that aren't: the others don't enter a digest."""
        return {name for name in ("base", "ambient") if getattr(self, name) is not None}


def read_recipe(path: Path) -> TrainingRecipe:
    """Read a recipe.

    Raises:
        ProfileError: the file is no recipe; the message names each key.
    """
    try:
        return TrainingRecipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProfileError(f"recipe {path.name}: can't be read as YAML ({error})") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ProfileError(f"recipe {path.name}: {faults}; see medaug/training/recipes/radiograph-256.yaml") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
