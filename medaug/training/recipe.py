"""What a training run is, as data: the whole of it stands in one YAML file."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from medaug.errors import ProfileError
from medaug.storage.plain_files import read_document
from medaug.storage.strict_yaml import parse_yaml

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every part of a recipe: immutable, no unknown keys, no conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AugmentRecipe(Strict):
    """Further views of each training image (see `medaug.training.views`), for a pool of few patients.

    Attributes:
        views: of each image, beside itself and its mirror image.
        rotation: degrees at most, either way.
        scale: the side is multiplied by 1 − scale to 1 + scale.
        window: share of the grey scale by which either end moves inwards, at most.
    """

    views: int = Field(ge=1)
    rotation: float = Field(ge=0, le=180)
    scale: float = Field(ge=0, lt=1)
    window: float = Field(ge=0, lt=0.5)


class DataRecipe(Strict):
    """Which images, at which size.

    What is left out below ``shares`` doesn't enter a digest, so that recipes from before those keys keep theirs.

    Attributes:
        size: px of the square canvas; the longest side of each image is scaled to it.
        validation: share of images held out, by hash of the path; of groups where those are named.
        shares: top folder → share of the samples drawn from it; empty: every image is equally likely.
        folder: top folder that holds the images; the others aren't read. None: all are.
        groups: column of ``index.csv`` that says which images belong together (a patient's).
        crop: ``head``: each group is cropped to the box around its heads, see `medaug.training.framing`.
        levels: percentiles of an image that become black and white, as in a profile's window.
        augment: further views of the training images.
    """

    size: int = Field(ge=32, multiple_of=8)
    validation: float = Field(gt=0, lt=0.5)
    shares: dict[str, float] = {}
    folder: str | None = None
    groups: str | None = None
    crop: Literal["head"] | None = None
    levels: tuple[float, float] | None = Field(None, strict=False)
    augment: AugmentRecipe | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_left_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class AutoencoderRecipe(Strict):
    """`medaug.inverse.priors.networks.autoencoder` and its training: L1 + gradient loss + a small E(D(z)) = z term."""

    channels: int = Field(ge=1)
    width: int = Field(ge=1)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    gradient_weight: float = Field(ge=0)
    cycle_weight: float = Field(ge=0)


class LaterRecipe(Strict):
    """Another batch, or another machine's precision, from the step ``start`` on."""

    start: int = Field(ge=1)
    batch: int = Field(ge=1)
    precision: Literal["float32", "bfloat16"]


class DiffusionRecipe(Strict):
    """The UNet (v-prediction) and its training.

    The rate rises over ``warmup`` steps, stays, and falls linearly to 0 over the last ``decay``: until then nothing
    depends on ``steps``, so a run can be lengthened before its decay begins and is still what its recipe says.
    The loss weights latent channels by how strongly they show in the image. With ``precision: bfloat16`` the network's
    forward pass runs under autocast; weights, their average, the loss and the optimiser stay float32.
    ``accumulate`` is in how many parts a batch goes through the network, for a machine that can't hold all of it.
    At each of ``restarts`` a new cycle begins as if from a prior that the steps before it gave: from their averaged
    weights, rounded to 16 bits, with a new optimiser, and with ``warmup`` and ``decay`` of its own.
    ``earlier_decay`` is the ``decay`` of the cycles before the last, where it was another.
    ``mid_layers`` is how many residual blocks with attention stand at the coarsest grid, between the way down and the
    way up; those that a base doesn't have start as the identity.
    ``predicts`` is what the network learns: v of a diffusion, or the velocity of a rectified flow.
    ``later`` is what the batch and the precision are from a step on: small batches go further at first, and a run may
    go on where another precision is the faster one.
    """

    channels: tuple[int, ...] = Field(min_length=2, strict=False)
    layers: int = Field(ge=1)
    mid_layers: int = Field(1, ge=1, le=64)
    head: int = Field(ge=1)
    groups: int = Field(ge=1)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    warmup: int = Field(ge=1)
    decay: int = Field(ge=1)
    earlier_decay: int | None = Field(None, ge=1)
    precision: Literal["float32", "bfloat16"]
    ema: float = Field(ge=0, lt=1)
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)
    accumulate: int = Field(1, ge=1)
    restarts: tuple[int, ...] = Field((), strict=False)
    later: LaterRecipe | None = None
    predicts: Literal["v_prediction", "flow"] = "v_prediction"

    @model_validator(mode="after")
    def _parts_of_a_batch(self) -> Self:
        return parts_fit(parts_fit(self, self.batch, self.accumulate), self.batch_at(self.steps), self.accumulate)

    @model_validator(mode="after")
    def _cycles_in_order(self) -> Self:
        return cycles_rise(self, self.restarts, self.steps)

    def decay_before(self, end: int) -> int:
        """Of the cycle that ends there."""
        return self.decay if end == self.steps else self.earlier_decay or self.decay

    def batch_at(self, step: int) -> int:
        """Images of a step."""
        return self.later.batch if self.later and step >= self.later.start else self.batch

    def precision_at(self, step: int) -> str:
        """Of a step's forward pass."""
        return self.later.precision if self.later and step >= self.later.start else self.precision


def cycles_rise(plan: T, restarts: tuple[int, ...], steps: int) -> T:
    """The plan, if every cycle has a step.

    Raises:
        ValueError: one hasn't.
    """
    if any(end <= start for start, end in pairwise((0, *restarts, steps))):
        raise ValueError(f"restarts {list(restarts)} must rise, after 0 and before steps ({steps})")
    return plan


def parts_fit(plan: T, batch: int, accumulate: int) -> T:
    """The plan, if its batch can be cut into equal parts.

    Raises:
        ValueError: it can't.
    """
    if batch % accumulate:
        raise ValueError(f"batch ({batch}) must be a multiple of accumulate ({accumulate})")
    return plan


class AmbientRecipe(Strict):
    """What is hidden from the network beyond the lesions (see `medaug.training.ambient_diffusion`).

    Attributes:
        rate: share of single cells.
        side: side of a rectangle, as a share of the grid's.
    """

    rate: float = Field(gt=0, lt=1)
    side: float = Field(gt=0, le=0.75)


class CardRecipe(Strict):
    """What `medaug.inverse.priors.card.PriorCard` says in words."""

    licence: str
    attribution: str
    trained_on: str
    not_for: str


class TrainingRecipe(Strict):
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
    trunk: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="digest of the prior whose network it starts from, not its latents"
    )

    @model_validator(mode="after")
    def _ambient_predicts_v(self) -> Self:
        if self.ambient and self.diffusion.predicts != "v_prediction":
            raise ValueError("diffusion.predicts: flow can't go with ambient, whose loss is of v")
        return self

    @model_validator(mode="after")
    def _views_know_no_lesions(self) -> Self:
        if self.ambient and self.data.augment:
            raise ValueError("data.augment can't go with ambient: where a lesion lies in a further view isn't known")
        return self

    @property
    def first_stage(self) -> str:
        """A digest of what decides the autoencoder and the latents."""
        return digest(self.model_dump_json(include={"seed", "data", "autoencoder", *self._given}))

    @property
    def before_decay(self) -> str:
        """A digest of what decides the first steps: all but where the end lies, the reporting and the words."""
        lengths = {"steps", "restarts", "decay", "earlier_decay", "later", "validate_every", "checkpoint_every"}
        unused = {name: True for name in ("base", "ambient", "trunk") if getattr(self, name) is None}
        whole = {"accumulate"} if self.diffusion.accumulate == 1 else set()
        whole |= {"predicts"} if self.diffusion.predicts == "v_prediction" else set()
        whole |= {"mid_layers"} if self.diffusion.mid_layers == 1 else set()
        return digest(self.model_dump_json(exclude={"diffusion": lengths | whole, "card": True, **unused}))

    @property
    def _given(self) -> set[str]:
        """Of the parts that may be left out, those that aren't: the others don't enter a digest."""
        return {name for name in ("base", "ambient") if getattr(self, name) is not None}


def read_recipe(path: Path) -> TrainingRecipe:
    """Read the recipe of a prior of one's own.

    Raises:
        ProfileError: the file is no recipe; the message names each key.
    """
    return read_as(TrainingRecipe, path, "medaug/training/recipes/yours-256.yaml")


MAX_BYTES = 1 << 18  # YAML takes 30 µs a byte
MAX_FAULTS = 20  # that are told of one recipe; a small text can have 100,000


def read_as(kind: type[Model], path: Path, example: str) -> Model:
    """Read a recipe of either kind.

    Raises:
        ProfileError: the file is no such recipe; the message names each key, and an example.
    """
    try:
        return kind.model_validate(parse_yaml(read_document(path, MAX_BYTES)))
    except OSError as error:
        raise ProfileError(f"recipe {path.name}: can't be read ({error.strerror})") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:MAX_FAULTS])
        raise ProfileError(f"recipe {path.name}: {faults}; see {example}", code="profile-key") from error
    except ValueError as error:  # no UTF-8, or no such YAML
        raise ProfileError(f"recipe {path.name}: can't be read as YAML ({error})", code="profile-yaml") from None


def digest(text: str) -> str:
    """Its sha256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
