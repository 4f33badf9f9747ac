"""The YAML contract of a run: data only, strict, checked before anything is read.

A profile states every choice that decides a pixel. Unknown keys are errors with a suggestion, nothing in a profile is
executed, and the prior's digest is pinned. `docs/reference/profiles.md` explains each key; `load.profile_schema` gives
editors a JSON Schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, assert_never, get_args

import yaml
from pydantic import Field, model_validator

from medaug.profile.components import (
    Classic,
    EmbeddedPrior,
    Evidence,
    FileWindow,
    FixedWindow,
    FolderPrior,
    LawSpec,
    Limit,
    Lists,
    NoPrior,
    PercentileWindow,
    Restore,
    Review,
    Volumes,
    generates,
    keeps_boxes,
    moves,
    transplants,
)
from medaug.profile.digest import ROWS_OF_A_PROCESSOR, profile_digest
from medaug.profile.solvers import (
    Levers,
    NoOperator,
    NoSolver,
    OperatorSpec,
    SolverSpec,
    Spec,
    Strengths,
    degrades,
    meets_decoder,
)
from medaug.quality.checks import CheckName

Modality = Literal["CR", "DX", "MG", "IO", "PX", "RG", "XA", "RF", "US", "OT", "CT", "MR", "NIFTI", "NRRD", "RASTER"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
STEEPEST = 45  # degrees of a turn that leaves rows and columns nearest to the directions that a header states
EMBEDDED_MULTIPLE = 32  # px: eight to a latent cell, and the embedded network halves its grid twice


class Profile(Spec):
    """Every choice that decides a pixel."""

    schema_version: Literal[1]
    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$")
    description: str = Field(max_length=400)
    modalities: tuple[Modality, ...] = Field(min_length=1)
    window: Annotated[FileWindow | FixedWindow | PercentileWindow, Field(discriminator="kind")]
    size: int = Field(256, ge=64, le=2048, multiple_of=8, description="side of the prior's square in px")
    area: Literal["frame", "domain"] = "frame"
    domain: tuple[Literal["body", "bone", "lung", "brain", "window", "not-padding", "not-border", "not-marker"], ...]
    regions: Annotated[LawSpec, Field(discriminator="kind")]
    measurement_noise: float = Field(0.0, ge=0, le=1)
    prior: Annotated[EmbeddedPrior | FolderPrior | NoPrior, Field(discriminator="kind")] = NoPrior()
    prompt: str | dict[str, str] | None = Field(
        None, description="what generated parts show, or one text per label; only for a prior that takes prompts"
    )
    guidance_scale: float = Field(1.0, gt=0, le=30, description="1: the prompt alone; above: more, at twice the cost")
    operator: OperatorSpec = NoOperator()
    solver: SolverSpec = NoSolver()
    levers: Levers = Levers()
    strengths: Strengths | None = Field(None, description="what --strength puts in place of start, steps and closing")
    restore: Restore = Restore(kind="none")
    volumes: Volumes = Volumes()
    batch_size: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        "auto", description="slices solved at once; auto: 8, on a device as many as fill it"
    )
    checks: dict[CheckName, Limit] = Field(
        default_factory=dict, description="limits by check; a named one replaces the default"
    )
    equipment: Literal["standard", "simulate"] = "standard"
    keep_private: bool = False
    output_syntax: Literal["explicit-le", "jpeg2000-lossless", "jpeg-ls-lossless", "rle-lossless"] = Field(
        "explicit-le", description="encoding of derived DICOM files; none loses anything"
    )
    colour: Literal["refuse", "grey"] = Field(
        "refuse",
        description="DICOM in colour is refused, or its grey pixels may change and coloured ones stay; a tinted "
        "image is refused, or converted by its luminance",
    )
    pictures: Literal["file", "secondary-capture"] = Field(
        "file", description="what a variant of a PNG, JPEG or TIFF is: a picture, or a DICOM Secondary Capture"
    )
    unlabelled: Literal["skip", "keep-nothing"] = Field(
        "skip", description="an image without labels is left out, or all of its domain may change"
    )
    evidence: Evidence = Evidence()
    classic: Classic = Field(Classic(), description="plain transforms of a training loop, or of the law classic")
    lists: Lists = Lists()
    review: Review = Review()

    @model_validator(mode="after")
    def _runnable(self) -> Profile:
        if self.prior_path is None and self.size % EMBEDDED_MULTIPLE:
            raise ValueError(f"size ({self.size}) must be a multiple of {EMBEDDED_MULTIPLE} for the embedded prior")
        law = self.regions.kind
        self._solved_or_copied()
        needs_labels = generates(law) and (moves(law) or transplants(law) or not keeps_boxes(law))
        if self.unlabelled == "keep-nothing" and needs_labels:
            raise ValueError(f"unlabelled: law {law} needs labels; choose another law, or skip")
        if not meets_decoder(self.solver):
            self._without_decoder()
        if "lung" in self.domain and "left-right" in self.classic.flip:
            raise ValueError("classic.flip: left-right puts the heart on the other side of a chest; remove it")
        for name, (low, high) in self.checks.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"checks.{name}: the least value ({low:g}) is above the greatest ({high:g})")
        return self

    def _solved_or_copied(self) -> None:
        """A law that generates needs all that solves; one that copies has none of it, and something to do."""
        law, of = self.regions.kind, self.classic
        parts = {"prior": self.prior.kind, "solver": self.solver.kind, "restore": self.restore.kind}
        absent = [name for name, kind in parts.items() if kind == "none"]
        if generates(law):
            if absent:
                raise ValueError(f"law {law} generates, and needs: {', '.join(absent)}")
            return
        idle = {
            "domain": self.domain,
            "measurement_noise": self.measurement_noise,
            "prompt": self.prompt,
            "operator": degrades(self.operator),
            "levers": self.levers.pulled,
            "strengths": self.strengths,
            "checks": self.checks,
            "classic.intensity": of.intensity,
        }
        if given := [*(name for name in parts if name not in absent), *(name for name, value in idle.items() if value)]:
            raise ValueError(f"law {law} generates nothing; leave out, or empty: {', '.join(given)}")
        if volumes := sorted({"NIFTI", "NRRD"}.intersection(self.modalities)):
            raise ValueError(f"law {law} is for radiographs and pictures; remove modalities: {', '.join(volumes)}")
        if of.rotate > STEEPEST:
            raise ValueError(f"law {law}: classic.rotate: beyond {STEEPEST}° PatientOrientation isn't true any more")
        if not (of.flip or of.rotate or of.scale):
            raise ValueError(f"law {law} has nothing to do: state classic, such as {{rotate: 5, scale: 0.1}}")
        if self.evidence.segmentation:
            raise ValueError(f"law {law} generates nothing that could be marked; say evidence: {{segmentation: false}}")

    def _without_decoder(self) -> None:
        solver, budget = self.solver.kind, self.levers.noise_budget and not self.levers.closing
        if degrades(self.operator):
            raise ValueError(f"solver {solver} can't see through an operator, found {self.operator.kind!r}; use ddnm")
        if budget or self.levers.fast_autoencoder is not None:
            raise ValueError(
                f"levers: fast_autoencoder, and noise_budget without closing, do nothing for solver {solver}, whose "
                "steps never decode; remove them"
            )

    @property
    def generates(self) -> bool:
        """Whether anything is solved; if not, what is written are classic copies."""
        return generates(self.regions.kind)

    @property
    def prior_path(self) -> Path | None:
        """Where the prior lies on this machine; None for the embedded one."""
        match self.prior:
            case EmbeddedPrior() | NoPrior():
                return None
            case FolderPrior():
                return self.prior.path
            case _:
                assert_never(self.prior)

    @property
    def rows(self) -> int:
        """Slices solved at once; those on a processor where it is left to the device."""
        return ROWS_OF_A_PROCESSOR if self.batch_size == "auto" else self.batch_size

    @property
    def sha256(self) -> str:
        """The digest of the profile's canonical JSON (sorted keys, no spaces) without `NOT_IN_DIGEST`."""
        return profile_digest(self.model_dump(mode="json"))

    def to_yaml(self) -> str:
        """The profile with every default filled in; of a prior's path only the last name, which may be shown."""
        data = self.model_dump(mode="json")
        if self.prior_path is not None:
            data["prior"]["path"] = self.prior_path.name
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
