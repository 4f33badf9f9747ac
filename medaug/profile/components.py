"""The parts of a profile beside the solver: windows, region laws, priors, restoring, volumes, evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, assert_never

from pydantic import Field, model_validator

from medaug.profile.solvers import Spec

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Limit = tuple[float | None, float | None]


class Lists(Spec):
    """Which written variants stand in the lists and exports; a rejected one never does."""

    only: Literal["all", "accepted"] = Field("all", description="accepted: those alone that a reader accepted")
    least_accepted: Share = Field(
        0.0, description="no variant is listed until readers accepted this share of the written ones"
    )


class Classic(Spec):
    """Plain transforms that the anatomy allows: for a loop (`medaug.monai.RandClassicd`) or the law classic."""

    flip: tuple[Literal["left-right", "up-down"], ...] = Field(
        (), description="each half of the times; left-right never where a side is stated or a marker shows it"
    )
    rotate: float = Field(0.0, ge=0, le=180, description="degrees, either way, within a slice")
    scale: float = Field(0.0, ge=0, le=0.5, description="share larger or smaller, within a slice")
    markers: Literal["looked-for", "none"] = Field(
        "looked-for", description="none: you looked, no image shows a side; small white things no longer forbid a flip"
    )
    intensity: float = Field(0.0, ge=0, le=0.5, description="share by which contrast about the mean grows or shrinks")


class Review(Spec):
    """What readers may say."""

    reasons: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,31}$")], Annotated[str, Field(max_length=200)]] = (
        Field(default_factory=dict, description="further reasons to reject a variant, each with its meaning")
    )


class FileWindow(Spec):
    """A window that the file states; where it states none, the 0.5th to 99.5th percentile."""

    kind: Literal["file"]
    number: int = Field(1, ge=1, le=64, description="which of several, from 1; the last where there are fewer")


class FixedWindow(Spec):
    """One window for all series, in modality units (HU for CT)."""

    kind: Literal["fixed"]
    center: float
    width: float = Field(gt=0)


class PercentileWindow(Spec):
    """From the low-th to the high-th percentile of the series, padding left out."""

    kind: Literal["percentile"]
    low: float = Field(0.5, ge=0, lt=100)
    high: float = Field(99.5, gt=0, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> PercentileWindow:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        return self


class Margin(Spec):
    """How far protection reaches beyond a box.

    ``relative`` is a share of the slice's longer side, ``px`` counts the prior's pixels, ``mm`` needs a spacing.
    """

    value: float = Field(ge=0)
    unit: Literal["relative", "px", "mm"] = "relative"


class GaussianOutside(Spec):
    """The paper's law: observed pixels thin out with the distance from the boxes."""

    kind: Literal["gaussian-outside"]
    sigma: float = Field(0.32, gt=0)
    margin: Margin


class Outside(Spec):
    """All that lies outside the boxes is generated, nothing there is observed."""

    kind: Literal["outside"]
    margin: Margin


class Inside(Spec):
    """The boxes themselves are generated: the lesion changes, its label stays."""

    kind: Literal["inside"]
    margin: Margin


class RandomOutside(Spec):
    """Outside the boxes each pixel is observed with the same probability."""

    kind: Literal["random"]
    rate: Share
    margin: Margin


class Moved(Spec):
    """The image, or each lesion with its rim, is moved by a drawn map, and then as the paper's law."""

    kind: Literal["moved"]
    what: Literal["image", "lesion", "surroundings"] = Field(
        "image", description="what moves: the whole image, lesions in it, or all but the lesions"
    )
    rotation: float = Field(8.0, ge=0, le=25, description="greatest turn, degrees")
    scale: float = Field(0.08, ge=0, le=0.25, description="greatest share by which lengths grow or shrink")
    shift: float = Field(0.04, ge=0, le=0.15, description="greatest shift along each axis, share of the longer side")
    elastic: float = Field(0.006, ge=0, le=0.06, description="greatest smooth displacement, share of the longer side")
    sigma: float = Field(0.32, gt=0)
    margin: Margin

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if not (self.rotation or self.scale or self.shift or self.elastic):
            raise ValueError("moved: rotation, scale, shift and elastic are all 0; use gaussian-outside")
        return self


class Transplant(Spec):
    """A labelled lesion of one image is set into another, and a ring around it is generated."""

    kind: Literal["transplant"]
    hosts: Literal["all", "labelled", "unlabelled"] = Field(
        "all", description="images that lesions are set into: all usable ones, or those with, or without, labels"
    )
    ring: float = Field(0.06, gt=0, le=0.25, description="width of what is generated, share of the host's longer side")
    likeness: float = Field(0.65, ge=0, lt=1, description="least likeness of a place with the lesion's surroundings")
    places: int = Field(6, ge=1, le=16, description="the draw is among so many of the best places")
    tried: int = Field(48, ge=1, le=256, description="lesions that are looked at for a host, the best of which it gets")
    margin: Margin


class ClassicCopy(Spec):
    """Nothing is generated: the image is turned, scaled and mirrored within the profile's ``classic``."""

    kind: Literal["classic"]

    @property
    def margin(self) -> Margin:
        """None: nothing is kept from a solve."""
        return Margin(value=0)


LawSpec = GaussianOutside | Outside | Inside | RandomOutside | Moved | Transplant | ClassicCopy
LawKind = Literal["gaussian-outside", "outside", "inside", "random", "moved", "transplant", "classic"]


def generates(kind: LawKind) -> bool:
    """Whether a law has anything solved; if not, a run needs no prior and gives classic copies."""
    match kind:
        case "gaussian-outside" | "outside" | "inside" | "random" | "moved" | "transplant":
            return True
        case "classic":
            return False
        case _:
            assert_never(kind)


def keeps_boxes(kind: LawKind) -> bool:
    """Whether a law protects the boxes or regenerates them: the one place that says so.

    What a run protects and what `medaug verify` compares both hang on it.
    """
    match kind:
        case "gaussian-outside" | "outside" | "random" | "moved" | "transplant" | "classic":
            return True
        case "inside":
            return False
        case _:
            assert_never(kind)


def moves(kind: LawKind) -> bool:
    """Whether a law moves the image, and its labels with it, before anything is generated."""
    match kind:
        case "moved" | "classic":
            return True
        case "gaussian-outside" | "outside" | "random" | "inside" | "transplant":
            return False
        case _:
            assert_never(kind)


def transplants(kind: LawKind) -> bool:
    """Whether a law sets a lesion of another image in, so that a variant shows two patients and has one label more."""
    match kind:
        case "transplant":
            return True
        case "gaussian-outside" | "outside" | "random" | "inside" | "moved" | "classic":
            return False
        case _:
            assert_never(kind)


def other_labels(law: LawSpec) -> bool:
    """Whether a variant's labels aren't its source's as they lie there."""
    match law:
        case Moved():
            return law.what != "surroundings"
        case Transplant() | ClassicCopy():
            return True
        case GaussianOutside() | Outside() | RandomOutside() | Inside():
            return False
        case _:
            assert_never(law)


class NoPrior(Spec):
    """For the law classic, which generates nothing."""

    kind: Literal["none"] = "none"

    @property
    def sha256(self) -> str:
        """Of no weights."""
        return ""


class EmbeddedPrior(Spec):
    """A prior of the package, the one with this digest on its card."""

    kind: Literal["embedded"]
    sha256: Sha256


class FolderPrior(Spec):
    """A stored prior or a local folder of any layout that is read (docs/how-to/priors.md), pinned by its digest."""

    kind: Literal["folder"]
    path: Path = Field(description="where it lies on this machine; not part of the profile's digest")
    sha256: Sha256


class Restore(Spec):
    """How the solution returns to the native grid."""

    kind: Literal["delta", "replace", "none"] = Field(description="none: for the law classic, which solves nothing")
    feather: float = Field(3.0, ge=0, description="width of the seam's taper on the free side, in the prior's px")
    deblock: bool = Field(False, description="spread the steps that a delta makes between latent cells; delta only")

    fine: float = Field(
        0.0, ge=0, le=32, description="px of the prior's: detail finer than this stays the source's; delta only"
    )
    contrast: bool = Field(False, description="bring local contrast to the source's, band by band; delta only")

    @model_validator(mode="after")
    def _a_delta(self) -> Self:
        if (self.deblock or self.fine or self.contrast) and self.kind != "delta":
            raise ValueError(f"deblock, fine and contrast are for kind delta, found {self.kind!r}; remove them")
        return self


class Volumes(Spec):
    """How a series of several slices is handled."""

    slices: Literal["whole", "each"] = Field(
        "whole", description="whole: a volume, refused unless it is a regular one; each: independent slices"
    )


class Evidence(Spec):
    """What is written beside a variant, for those who ask which voxels are generated."""

    segmentation: bool = Field(True, description="the regions as a DICOM Segmentation, or as a NIfTI label map")
    report: bool = Field(True, description="the boxes as a DICOM measurement report; DICOM sources only")
