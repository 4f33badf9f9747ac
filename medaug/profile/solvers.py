"""What a profile says of the solve: the solver with its parameters, and the operator it sees the image through."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, assert_never

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Spec(BaseModel):
    """Base of every part of a profile: immutable, no unknown keys, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Sampled(Spec):
    """What every solver has: how many steps, and from where."""

    steps: int = Field(ge=1, le=1000)
    start: float = Field(gt=0, le=1, description="first time as a share of all; 1 is pure noise")

    @model_validator(mode="after")
    def _within_schedule(self) -> Self:
        if self.steps > round(1000 * self.start):
            raise ValueError(f"steps ({self.steps}) must be at most 1000 times start ({1000 * self.start:g})")
        return self


class PsldSpec(Sampled):
    """PSLD's parameters; a weight of null takes the calibrated one from the prior's card."""

    kind: Literal["psld"]
    eta: float = Field(0.0, ge=0, le=1, description="0: deterministic; 1: ancestral noise")
    omega: float | None = Field(None, ge=0)
    gamma: float | None = Field(None, ge=0)


class DiffStateGradSpec(Sampled):
    """PSLD, guided within the state's leading singular vectors; weights of null take PSLD's from the prior's card."""

    kind: Literal["diffstategrad"]
    eta: float = Field(0.0, ge=0, le=1, description="0: deterministic; 1: ancestral noise")
    omega: float | None = Field(None, ge=0)
    gamma: float | None = Field(None, ge=0)
    share: float = Field(0.99, gt=0, le=1, description="of the state's energy that the vectors hold; at 1 it is psld")


class DdnmSpec(Sampled):
    """DDNM in the latents: no backward pass through the denoising network, no weights to calibrate."""

    kind: Literal["ddnm"]
    eta: float = Field(0.0, ge=0, le=1, description="0: deterministic; 1: ancestral noise")
    sigma_y: float = Field(0.1, gt=0, le=1, description="how far the measurement may be missed, in display units")
    iterations: int = Field(3, ge=1, le=20, description="of conjugate gradients for each step's correction")


class ProjectSpec(Sampled):
    """Decode, put the measurement back, encode."""

    kind: Literal["project"]
    iterations: int = Field(5, ge=1, le=50, description="of conjugate gradients; observed pixels need one")


class LatinoSpec(Sampled):
    """LATINO-style: clean at once, put the measurement back, encode, noise anew."""

    kind: Literal["latino"]
    iterations: int = Field(5, ge=1, le=50, description="of conjugate gradients; observed pixels need one")


class BlendSpec(Sampled):
    """Latent blending: only latent cells that are observed as a whole guide the solve."""

    kind: Literal["blend"]
    eta: float = Field(0.0, ge=0, le=1, description="0: deterministic; 1: ancestral noise")


class NoSolver(Spec):
    """For the law classic, which solves nothing."""

    kind: Literal["none"] = "none"

    @property
    def steps(self) -> int:
        """None is taken."""
        return 0

    @property
    def start(self) -> float:
        """Nothing is begun."""
        return 0.0


SolverSpec = Annotated[
    PsldSpec | DiffStateGradSpec | DdnmSpec | ProjectSpec | LatinoSpec | BlendSpec | NoSolver,
    Field(discriminator="kind"),
]


CALIBRATED = PsldSpec | DiffStateGradSpec  # solvers whose weights a prior's card may hold


def meets_decoder(solver: SolverSpec) -> bool:
    """Whether its guided steps decode, and so can see through an operator, or a misfit, or a small autoencoder."""
    match solver:
        case PsldSpec() | DiffStateGradSpec() | DdnmSpec() | ProjectSpec() | LatinoSpec() | NoSolver():
            return True
        case BlendSpec():
            return False
        case _:
            assert_never(solver)


class Levers(Spec):
    """What makes a solve cheaper, and what closes it. Each changes pixels, so each is part of the digest."""

    # guide_every, noise_budget, fast_autoencoder and closing are a solver's `guided_ddim.Guidance`; the others say how
    # the prior's networks are run, and on what part of the square

    guide_every: int = Field(1, ge=1, le=20, description="guide every k-th step only, the last one always")
    noise_budget: float | None = Field(
        None, gt=0, le=1, description="misfit of observed pixels (root mean square, range 2) that ends the guidance"
    )
    fast_autoencoder: float | None = Field(
        None, ge=0, lt=1, description="above this share of the times the prior's small autoencoder is used"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="inside the networks; auto: bfloat16 where the device multiplies it well, else float32"
    )
    channels_last: bool | Literal["auto"] = Field("auto", description="inside the networks; auto: on CUDA alone")
    compiled: bool = Field(False, description="by torch.compile; the first solve of a shape takes minutes")
    crop: int | None = Field(None, ge=0, le=512, description="solve the part around the free pixels only: px of border")
    closing: int = Field(
        0, ge=0, le=50, description="iterations of a last step through the decoder to the measurement; 0: none"
    )

    @property
    def pulled(self) -> dict[str, Any]:
        """Those that make a solve another one than a plain float32 one on a processor."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value not in AT_REST[name]}


AT_REST: dict[str, tuple[Any, ...]] = {
    name: (value, *{"precision": ("float32",), "channels_last": (False,)}.get(name, ()))
    for name, value in Levers().model_dump(mode="json").items()
}


class Measured(Spec):
    """What a rung came to where it was measured: medians over real cases, see docs/explanation/strength.md."""

    change: float = Field(ge=0, description="mean change of the free region, in grey levels of 255")
    share: float = Field(ge=0, le=1, description="of the free region that changed by more than the source's own noise")
    passed: float = Field(ge=0, le=1, description="share of the variants that passed all checks")
    auc: float | None = Field(None, ge=0, le=1, description="of the judge of realism; none where it wasn't asked")


class Rung(Sampled):
    """How far a variant goes: the solver's start and steps, and the closing."""

    closing: int = Field(0, ge=0, le=50)
    measured: Measured | None = Field(None, description="for people; decides nothing")


class Strengths(Spec):
    """The ladder that ``--strength`` climbs; a number from 0 to 1 lies between its rungs."""

    subtle: Rung
    medium: Rung
    strong: Rung


class NoOperator(Spec):
    """In-painting only: what isn't observed isn't seen at all."""

    kind: Literal["none"] = "none"


class GaussianBlur(Spec):
    """The image is seen blurred beside the observed pixels; ``sigma`` in the prior's px."""

    kind: Literal["gaussian-blur"]
    sigma: float = Field(gt=0, le=32)


class MotionBlur(Spec):
    """Likewise, blurred along a line: ``length`` in the prior's px, ``angle`` in degrees from the rows, upward."""

    kind: Literal["motion-blur"]
    length: float = Field(gt=0, le=64)
    angle: float = Field(0.0, ge=-180, le=180)


class Downsampling(Spec):
    """Likewise, as the means of ``factor`` × ``factor`` blocks of the prior's px."""

    kind: Literal["down-sampling"]
    factor: Literal[2, 4, 8]


class Jpeg(Spec):
    """Likewise, as the cosines that a JPEG of this ``quality`` keeps."""

    kind: Literal["jpeg"]
    quality: int = Field(ge=1, le=100)


OperatorSpec = Annotated[NoOperator | GaussianBlur | MotionBlur | Downsampling | Jpeg, Field(discriminator="kind")]


def degrades(operator: OperatorSpec) -> bool:
    """Whether the whole image is seen through it, beside the observed pixels."""
    match operator:
        case NoOperator():
            return False
        case GaussianBlur() | MotionBlur() | Downsampling() | Jpeg():
            return True
        case _:
            assert_never(operator)
