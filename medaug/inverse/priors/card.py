"""Who made a prior, of what, and how it is to be used: ``card.json`` beside its weights."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from medaug.errors import OutputError, PriorError
from medaug.storage.atomic import replacing

CARD = "card.json"
PredictionType = Literal["epsilon", "v_prediction", "sample"]
T = TypeVar("T")


@dataclass(frozen=True)
class SolverWeights:
    """Guidance weights calibrated for one prior, one solver and one number of steps.

    Attributes:
        solver: such as ``psld``.
        steps: network calls between ``start`` and 0.
        start: where the solve begins, as a share of the schedule; 1.0 is pure noise.
        omega: weight of the measurement term.
        gamma: weight of the gluing term.
    """

    solver: str
    steps: int
    start: float
    omega: float
    gamma: float


@dataclass(frozen=True)
class PriorCard:
    """What must be known about a prior before it may draw an image.

    Attributes:
        name: such as ``radiograph-256``.
        sha256: one digest of all its files, see `digest_of`.
        licence: of the weights.
        attribution: whom the licences of the training images ask to name.
        trained_on: what the training images were.
        size: px, the longest side of the training images.
        channels: image channels inside the prior; medaug always passes one.
        stride: px per latent cell.
        multiple: px; an image's side must be a multiple of it, since the network halves its grid.
        latent_channels: channels of z.
        prediction_type: what the network predicts; it stays inside the adapter.
        autoencoder_psnr_db: decode(encode(x)) against x on held-out images, range 2; None where nobody measured it.
        not_for: what it must not be used for.
        weights: calibrated guidance; empty where nobody calibrated it.
        files: file name → sha256, in hex; empty for a prior that is no file.
        recipe: how it was trained, in words.
        latent_scale: what brings the autoencoder's own latents to about unit variance: one factor, or one per channel.
        autoencoder_spectrum: power of decode(encode(x)) over that of x, by band of spatial frequency.
        quality: figures in use, by method and measure; empty where nobody measured.
        copying: distance to the nearest training image, by kind of image and place in their distribution; likewise.
    """

    name: str
    sha256: str
    licence: str
    attribution: str
    trained_on: str
    size: int
    channels: int
    stride: int
    latent_channels: int
    prediction_type: PredictionType
    autoencoder_psnr_db: float | None = None
    not_for: str = ""
    weights: tuple[SolverWeights, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    multiple: int = 1
    recipe: str = ""
    latent_scale: tuple[float, ...] = ()
    autoencoder_spectrum: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    copying: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def weights_for(self, solver: str, steps: int, start: float) -> SolverWeights:
        """The calibrated weights nearest to a solve: by the ratio of steps and the difference of starts.

        Raises:
            PriorError: nobody calibrated this solver for this prior.
        """
        best = nearest(self.weights, solver, steps, start)
        if best is None:
            found = ", ".join(sorted({w.solver for w in self.weights})) or "none"
            raise PriorError(
                f"prior {self.name}: expected calibrated weights for solver {solver!r} on its card, found {found}; "
                "state omega and gamma in the profile"
            )
        return best

    def to_json(self) -> str:
        """The card as indented JSON with a fixed order of keys."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PriorCard:
        """Read a card strictly: every key known, every type right, ``sha256`` in agreement with ``files``.

        Raises:
            PriorError: the text is no such card; the message names what is wrong.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise PriorError(f"prior card: expected JSON, found an error at line {error.lineno}; restore it") from error
        weights = _weights(data)
        scale = data.get("latent_scale", []) if isinstance(data, dict) else []
        parsed = {"weights": weights, "latent_scale": tuple(scale) if isinstance(scale, list) else scale}
        card = _strict(cls, {**data, **parsed} if isinstance(data, dict) else data, "prior card")
        if card.files and card.sha256 != digest_of(card.files):
            raise PriorError(
                f"prior card: sha256: expected {digest_of(card.files)} from the digests of its files, "
                f"found {card.sha256}; the card was edited, restore it"
            )
        return card


def nearest(weights: Sequence[SolverWeights], solver: str, steps: int, start: float) -> SolverWeights | None:
    """The weights nearest to a solve, by the ratio of steps and the difference of starts; None for another solver's."""
    known = [w for w in weights if w.solver == solver]
    return min(known, key=lambda w: abs(math.log(steps / w.steps)) + abs(start - w.start), default=None)


def weights_in(text: str) -> tuple[SolverWeights, ...]:
    """The calibrated weights in a card, be it whole or a user's few facts.

    Raises:
        PriorError: no JSON, or malformed weights.
    """
    try:
        return _weights(json.loads(text))
    except ValueError as error:
        raise PriorError(f"{CARD}: expected JSON, found none; correct or remove it") from error


def _weights(data: object) -> tuple[SolverWeights, ...]:
    entries = data.get("weights", []) if isinstance(data, dict) else []
    if not isinstance(entries, list):
        raise PriorError(f"prior card: weights: expected a list, found {type(entries).__name__}")
    return tuple(_strict(SolverWeights, entry, f"weights[{i}]") for i, entry in enumerate(entries))


def with_facts(found: PriorCard, text: str) -> PriorCard:
    """What a model's own files say, completed by the card that a user wrote beside them.

    Words, fidelity and calibrated weights come from the user; what the files themselves decide may be repeated there,
    but not contradicted.

    Args:
        found: the card made from the model's files.
        text: JSON with any of a card's keys.

    Raises:
        PriorError: the text is no JSON object, has an unknown key or a wrong type, or contradicts the files.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise PriorError(f"prior {found.name}: {CARD}: expected JSON, found none; correct or remove it") from error
    if not isinstance(given, dict):
        raise PriorError(f"prior {found.name}: {CARD}: expected an object, found {type(given).__name__}")
    known = asdict(found)
    for name in sorted(set(given) & _DECIDED_BY_FILES):
        if given[name] != json.loads(json.dumps(known[name])):
            raise PriorError(f"prior {found.name}: {CARD}: {_contradiction(name, given[name], known[name])}")
    return PriorCard.from_json(json.dumps({**known, **given}))


def _contradiction(name: str, given: object, known: object) -> str:
    if name == "files" and isinstance(given, dict) and isinstance(known, dict):
        changed = min(file for file in {*given, *known} if given.get(file) != known.get(file))
        expected, found = given.get(changed, "no digest"), known.get(changed, "no such file")
        return f"{changed}: expected sha256 {expected}, found {found}; the file was changed, restore it"
    return f"{name}: expected {given!r} as the card says, found {known!r} in the files; restore one of them"


def digest_of(files: Mapping[str, str]) -> str:
    """One sha256 over the sorted lines ``<sha256>  <name>``, as ``sha256sum`` prints them."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


_DECIDED_BY_FILES = {
    *("files", "sha256", "channels", "stride", "multiple"),
    *("latent_channels", "latent_scale", "prediction_type"),
}


def _number(value: object) -> bool:
    return type(value) in {int, float} and math.isfinite(value)  # type: ignore[arg-type]


def _figures(value: object) -> bool:
    return isinstance(value, dict) and all(map(_number, value.values()))


_CHECKS: dict[str, tuple[str, Any]] = {
    "str": ("a text", lambda v: isinstance(v, str)),
    "int": ("a whole number above 0", lambda v: type(v) is int and v > 0),
    "float": ("a number of 0 or more", lambda v: _number(v) and v >= 0),
    "float | None": ("a number or null", lambda v: v is None or _number(v)),
    "PredictionType": (f"one of {', '.join(get_args(PredictionType))}", lambda v: v in get_args(PredictionType)),
    "tuple[SolverWeights, ...]": ("a list", lambda v: isinstance(v, tuple)),
    "tuple[float, ...]": ("a list of numbers", lambda v: isinstance(v, tuple) and all(map(_number, v))),
    "Mapping[str, float]": ("names with numbers", _figures),
    "Mapping[str, Mapping[str, float]]": (
        "names with names and numbers",
        lambda v: isinstance(v, dict) and all(map(_figures, v.values())),
    ),
    "Mapping[str, str]": (
        "file names with digests of 64 hex digits",
        lambda v: isinstance(v, dict) and all(isinstance(d, str) and len(d) == 64 for d in v.values()),
    ),
}  # by the field's annotation, which is text under `from __future__ import annotations`


def _strict(kind: type[T], data: object, where: str) -> T:
    if not isinstance(data, dict):
        raise PriorError(f"{where}: expected an object, found {type(data).__name__}")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    required = {n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    if unknown := sorted(set(data) - set(known)):
        raise PriorError(f"{where}: expected only the keys {', '.join(known)}; found {', '.join(map(str, unknown))}")
    if missing := sorted(required - set(data)):
        raise PriorError(f"{where}: expected the key {missing[0]}, found none; add it")
    for name, value in data.items():
        expected, fits = _CHECKS[str(known[name].type)]
        if not fits(value):
            raise PriorError(f"{where}: {name}: expected {expected}, found {value!r}")
    return kind(**data)


EMBEDDED = Path(__file__).parent / "radiograph_256"


def read_card(folder: Path) -> PriorCard:
    """The card of a prior's folder; no weights are read.

    Raises:
        PriorError: there is none, or it is malformed.
    """
    try:
        return PriorCard.from_json((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PriorError(
            f"prior {folder.name}: expected a readable {CARD}, found none; restore it "
            "(the embedded prior: reinstall medaug)"
        ) from error


def write_card(folder: Path, card: PriorCard) -> None:
    """Write ``card.json`` beside a prior's files; a reader sees the old one or the new one.

    Raises:
        OutputError: the disk didn't take it.
    """
    try:
        with replacing(folder / CARD) as passing:
            passing.write_text(card.to_json(), encoding="utf-8")
    except OSError as error:
        raise unwritable(error) from None


def unwritable(error: OSError) -> OutputError:
    """What a failed write means, without a path."""
    reason = error.strerror or type(error).__name__
    return OutputError(f"priors: writing failed: {reason}; make room or restore access, and try again")
