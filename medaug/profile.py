"""The YAML contract of a run: data only, strict, checked before anything is read.

A profile states every choice that decides a pixel. Unknown keys are errors with a suggestion, nothing in a profile is
executed, and the prior's digest is pinned. `docs/reference/profiles.md` explains each key; `schema()` gives editors a
JSON Schema.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from medaug.errors import ProfileError
from medaug.solving import Levers, NoOperator, OperatorSpec, SolverSpec, Spec

MAX_BYTES = 1 << 20
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Limit = tuple[float | None, float | None]
# Every check but protected_identity: what a box holds is not negotiable.
CheckName = Literal[
    "range", "seam", "sharpness", "noise", "air_noise", "change", "through_plane", "observed_residual", "domain_share"
]
Modality = Literal["CR", "DX", "MG", "IO", "PX", "RG", "XA", "RF", "US", "OT", "CT", "MR", "NIFTI", "NRRD", "RASTER"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
EMBEDDED_MULTIPLE = 32  # px: eight to a latent cell, and the embedded network halves its grid twice
NOT_IN_DIGEST: dict[str, Any] = {
    "description": True,
    "prior": {"path"},
    "evidence": True,
    "output_syntax": True,
    "pictures": True,
    "colour": True,
}  # no pixel depends on these


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


class EmbeddedPrior(Spec):
    """The prior in the package, pinned by the digest on its card."""

    kind: Literal["embedded"]
    sha256: Sha256


class FolderPrior(Spec):
    """A stored prior or a local folder of any layout that is read (docs/how-to/priors.md), pinned by its digest."""

    kind: Literal["folder"]
    path: Path = Field(description="where it lies on this machine; not part of the profile's digest")
    sha256: Sha256


class Restore(Spec):
    """How the solution returns to the native grid."""

    kind: Literal["delta", "replace"]
    feather: float = Field(3.0, ge=0, description="width of the seam's taper on the free side, in the prior's px")
    deblock: bool = Field(False, description="spread the steps that a delta makes between latent cells; delta only")

    @model_validator(mode="after")
    def _a_delta(self) -> Self:
        if self.deblock and self.kind != "delta":
            raise ValueError(f"deblock is for kind delta, found {self.kind!r}; remove deblock")
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
    regions: Annotated[GaussianOutside | Outside | Inside | RandomOutside, Field(discriminator="kind")]
    measurement_noise: float = Field(0.0, ge=0, le=1)
    prior: Annotated[EmbeddedPrior | FolderPrior, Field(discriminator="kind")]
    prompt: str | dict[str, str] | None = Field(
        None, description="what generated parts show, or one text per label; only for a prior that takes prompts"
    )
    guidance_scale: float = Field(1.0, gt=0, le=30, description="1: the prompt alone; above: more, at twice the cost")
    operator: OperatorSpec = NoOperator()
    solver: SolverSpec
    levers: Levers = Levers()
    restore: Restore
    volumes: Volumes = Volumes()
    batch_size: int = Field(8, ge=1, le=256)
    checks: dict[CheckName, Limit] = Field(
        default_factory=dict, description="limits by check; a named one replaces the default"
    )
    equipment: Literal["standard", "simulate"] = "standard"
    keep_private: bool = False
    output_syntax: Literal["explicit-le", "jpeg2000-lossless", "jpeg-ls-lossless", "rle-lossless"] = Field(
        "explicit-le", description="encoding of derived DICOM files; none loses anything"
    )
    colour: Literal["refuse", "grey"] = Field(
        "refuse", description="DICOM images in colour: refused, or their grey pixels may change and coloured ones stay"
    )
    pictures: Literal["file", "secondary-capture"] = Field(
        "file", description="what a variant of a PNG, JPEG or TIFF is: a picture, or a DICOM Secondary Capture"
    )
    evidence: Evidence = Evidence()

    @model_validator(mode="after")
    def _runnable(self) -> Profile:
        if self.prior.kind == "embedded" and self.size % EMBEDDED_MULTIPLE:
            raise ValueError(f"size ({self.size}) must be a multiple of {EMBEDDED_MULTIPLE} for the embedded prior")
        if self.solver.kind == "blend" and self.operator.kind != "none":
            raise ValueError(f"solver blend can't see through an operator, found {self.operator.kind!r}; use ddnm")
        budget = self.levers.noise_budget and not self.levers.closing
        if self.solver.kind == "blend" and (budget or self.levers.fast_autoencoder is not None):
            raise ValueError(
                "levers: fast_autoencoder, and noise_budget without closing, do nothing for solver blend, whose steps "
                "never decode; remove them"
            )
        for name, (low, high) in self.checks.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"checks.{name}: the least value ({low:g}) is above the greatest ({high:g})")
        return self

    @property
    def sha256(self) -> str:
        """The digest of the profile's canonical JSON (sorted keys, no spaces) without `NOT_IN_DIGEST`."""
        return digest_of(self.model_dump(mode="json"))

    def to_yaml(self) -> str:
        """The profile with every default filled in; of a prior's path only the last name, which may be shown."""
        data = self.model_dump(mode="json")
        if self.prior.kind == "folder":
            data["prior"]["path"] = self.prior.path.name
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def schema() -> dict[str, Any]:
    """JSON Schema of a profile, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Profile.model_json_schema()}


def shipped() -> tuple[str, ...]:
    """Names of the profiles in the package."""
    return tuple(sorted(path.name.removesuffix(".yaml") for path in _folder().iterdir() if path.name.endswith(".yaml")))


def load(name_or_path: str) -> Profile:
    """Read a shipped profile by name, or any profile by path.

    Raises:
        ProfileError: unknown name, unreadable file, malformed YAML, unknown or wrong key.
    """
    if name_or_path in shipped():
        return parse(
            (_folder() / f"{name_or_path}.yaml").read_text(encoding="utf-8"), where=f"profile {name_or_path!r}"
        )
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        if path.stat().st_size > MAX_BYTES:
            raise ProfileError(
                f"profile {path.name!r}: expected at most {MAX_BYTES} bytes, found {path.stat().st_size}"
            )
        return parse(path.read_text(encoding="utf-8", errors="replace"), where=f"profile {path.name!r}")
    raise ProfileError(
        f"profile {name_or_path!r}: no such profile or .yaml file{_suggestion(name_or_path, shipped())}; "
        f"`medaug profile list` shows the shipped ones ({', '.join(shipped())})"
    )


def parse(text: str, where: str) -> Profile:
    """Parse and check a profile's YAML.

    Raises:
        ProfileError: with one line per fault.
    """
    data = parse_keys(text, where)
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(_fault(dict(item)) for item in error.errors())
        raise ProfileError(f"{where}: {faults}") from None


def parse_keys(text: str, where: str) -> dict[str, Any]:
    """The keys of a profile as they stand, of this version or another.

    Raises:
        ProfileError: not YAML, or no mapping.
    """
    try:
        data = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader that also refuses aliases
    except (yaml.YAMLError, RecursionError) as error:
        raise ProfileError(f"{where}: not valid YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(data, dict):
        raise ProfileError(f"{where}: expected a mapping of keys, found {type(data).__name__}")
    return data


def digest_of(resolved: Mapping[str, Any]) -> str:
    """`Profile.sha256` from the keys of a resolved profile: keys that came to profiles later change no older digest."""
    unused = set() if resolved.get("prompt") else {"prompt", "guidance_scale"}  # as before there were prompts
    levers = _pulled(resolved.get("levers"))
    kept = {key: value for key, value in resolved.items() if NOT_IN_DIGEST.get(key) is not True and key not in unused}
    kept = {key: value for key, value in kept.items() if key != "levers"} | ({"levers": levers} if levers else {})
    if isinstance(kept.get("restore"), dict) and not kept["restore"].get("deblock"):
        kept["restore"] = {name: value for name, value in kept["restore"].items() if name != "deblock"}
    if isinstance(kept.get("window"), dict) and kept["window"].get("number") == 1:  # as before there was a choice
        kept["window"] = {name: value for name, value in kept["window"].items() if name != "number"}
    for key, left_out in NOT_IN_DIGEST.items():
        if left_out is not True and isinstance(kept.get(key), dict):
            kept[key] = {name: value for name, value in kept[key].items() if name not in left_out}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _pulled(levers: object) -> object:
    """The levers that aren't at rest: one that comes later changes no digest of a profile that doesn't use it."""
    if not isinstance(levers, dict):
        return levers
    at_rest = Levers().model_dump(mode="json")
    return {name: value for name, value in levers.items() if name not in at_rest or value != at_rest[name]}


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases, which can blow a small text up to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed in a profile")
        return super().compose_node(parent, index)


def _fault(item: dict[str, Any]) -> str:
    location = [str(part) for part in item["loc"]]
    key = ".".join(location)
    if item["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_suggestion(location[-1], _known_keys())}"
    if location[:1] == ["checks"] and item["type"] == "literal_error":
        return f"checks: no limit can be set for {location[1]!r}{_suggestion(location[1], get_args(CheckName))}"
    return f"{key or 'profile'}: {item['msg']}"


def _known_keys() -> tuple[str, ...]:
    definitions = schema()
    objects = [definitions, *definitions.get("$defs", {}).values()]
    return tuple(sorted({key for item in objects for key in item.get("properties", {})}))


def _suggestion(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _folder() -> Any:
    """``profiles`` in the wheel, or beside the package in an editable install."""
    inside = resources.files("medaug") / "profiles"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "profiles"
