"""Who made a prior, of what, and how it is to be used: ``card.json`` beside its weights."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, PositiveInt
from pydantic_core import PydanticCustomError

from medaug.errors import OutputError, PriorError
from medaug.storage.atomic import replacing
from medaug.storage.canonical_json import parse
from medaug.storage.json_dataclass import decode
from medaug.storage.plain_files import read_document

CARD = "card.json"
CARD_BYTES = 1 << 20  # of a card, or another description of a prior
PredictionType = Literal["epsilon", "v_prediction", "sample", "flow"]


def _checked(expected: str, holds: Callable[[Any], bool]) -> PlainValidator:
    """Values as they were written: a card that is read and written keeps its bytes."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise PydanticCustomError("card", "Input should be {expected}", {"expected": expected})
        return value

    return PlainValidator(check)


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value)


Number = Annotated[float, _checked("a number", _is_number)]
Weight = Annotated[float, _checked("a number of 0 or more", lambda value: _is_number(value) and value >= 0)]
Digest = Annotated[str, _checked("64 hex digits", lambda value: isinstance(value, str) and len(value) == 64)]


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
    steps: PositiveInt
    start: Weight
    omega: Weight
    gamma: Weight


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
    size: PositiveInt
    channels: PositiveInt
    stride: PositiveInt
    latent_channels: PositiveInt
    prediction_type: PredictionType
    autoencoder_psnr_db: Number | None = None
    not_for: str = ""
    weights: tuple[SolverWeights, ...] = ()
    files: Mapping[str, Digest] = field(default_factory=dict)
    multiple: PositiveInt = 1
    recipe: str = ""
    latent_scale: tuple[Number, ...] = ()
    autoencoder_spectrum: Mapping[str, Number] = field(default_factory=dict)
    quality: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    copying: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)

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
                "state omega and gamma in the profile",
                code="prior-uncalibrated",
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
        card: PriorCard = _decoded(cls, text, "prior card")
        if card.files and card.sha256 != digest_of(card.files):
            raise PriorError(
                f"prior card: sha256: expected {digest_of(card.files)} from the digests of its files, "
                f"found {card.sha256}; the card was edited, restore it",
                code="prior-card",
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
    data = _parsed(text, CARD)
    weights: tuple[SolverWeights, ...] = _decoded(
        tuple[SolverWeights, ...], json.dumps(data.get("weights", [])), f"{CARD}: weights"
    )
    return weights


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
    given = _parsed(text, f"prior {found.name}: {CARD}")
    known = asdict(found)
    for name in sorted(set(given) & _DECIDED_BY_FILES):
        if given[name] != json.loads(json.dumps(known[name])):
            raise PriorError(
                f"prior {found.name}: {CARD}: {_contradiction(name, given[name], known[name])}", code="prior-card"
            )
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


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        data = parse(text)
    except ValueError as error:
        raise PriorError(f"{where}: {error}; correct or remove it", code="prior-card") from None
    if not isinstance(data, dict):
        raise PriorError(f"{where}: expected an object, found {type(data).__name__}", code="prior-card")
    return data


def _decoded(kind: Any, text: str, where: str) -> Any:
    try:
        return decode(kind, text, where, by_hand=True)
    except ValueError as error:
        raise PriorError(f"{error}; correct or restore it", code="prior-card") from None


EMBEDDED = Path(__file__).parent / "radiograph_256"


def read_card(folder: Path) -> PriorCard:
    """The card of a prior's folder; no weights are read.

    Raises:
        PriorError: there is none, or it is malformed.
    """
    try:
        return PriorCard.from_json(read_document(folder / CARD, CARD_BYTES))
    except (OSError, UnicodeDecodeError) as error:
        raise PriorError(
            f"prior {folder.name}: expected a readable {CARD}, found none; restore it "
            "(the embedded prior: reinstall medaug)",
            code="prior-card",
        ) from error


def card_text(folder: Path) -> str:
    """The card beside a model of another layout, as it stands.

    Raises:
        PriorError: it can't be read.
    """
    try:
        return read_document(folder / CARD, CARD_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise PriorError(
            f"prior {folder.name}: expected a readable {CARD}, found none; restore it", code="prior-card"
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
