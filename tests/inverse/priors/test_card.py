from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from medaug.errors import PriorError
from medaug.inverse.priors.card import PriorCard, digest_of
from tests.support.prior_cards import CARD, FILES


def _edited(**changes: Any) -> str:
    return json.dumps({**json.loads(CARD.to_json()), **changes})


def test_a_card_survives_json() -> None:
    assert PriorCard.from_json(CARD.to_json()) == CARD
    assert PriorCard.from_json(CARD.to_json()).to_json() == CARD.to_json()
    assert PriorCard.from_json(replace(CARD, autoencoder_psnr_db=None).to_json()) != CARD


def test_optional_keys_have_defaults() -> None:
    data = json.loads(CARD.to_json())
    measured = ("recipe", "latent_scale", "autoencoder_spectrum", "quality", "copying")
    for key in ("autoencoder_psnr_db", "not_for", "weights", "files", *measured):
        del data[key]
    card = PriorCard.from_json(json.dumps(data))
    assert (card.recipe, card.latent_scale, card.quality, card.copying) == ("", (), {}, {})
    assert (card.autoencoder_psnr_db, card.weights, card.files) == (None, (), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("[]", r"expected an object, found \[\]"),
        (_edited(latent_factor=1.0), "unknown keys: latent_factor"),
        (_edited(size="256"), "size: expected a whole number, found '256'"),
        (_edited(size=True), "size: expected a whole number"),
        (_edited(stride=0), "stride: expected greater than 0, found 0"),
        (_edited(prediction_type="eps"), "expected 'epsilon', 'v_prediction', 'sample' or 'flow', found 'eps'"),
        (_edited(prediction_type=[]), "expected 'epsilon'"),
        (_edited(autoencoder_psnr_db="high"), "autoencoder_psnr_db: expected a number, found 'high'"),
        (_edited(files={"a": "short"}), "64 hex digits"),
        (_edited(sha256="0" * 64), "the card was edited"),
        (_edited(weights={}), "weights: expected an array"),
        (_edited(weights=[{"solver": "psld"}]), r"weights\[0\]: missing keys: gamma, omega, start, steps"),
        (_edited(weights=[{"solver": "psld", "steps": 25, "start": 0.6, "omega": -1, "gamma": 0}]), "omega: expected"),
    ],
)
def test_a_card_is_read_strictly(text: str, message: str) -> None:
    with pytest.raises(PriorError, match=message):
        PriorCard.from_json(text)


def test_a_missing_key_is_named() -> None:
    data = json.loads(CARD.to_json())
    del data["licence"]
    with pytest.raises(PriorError, match="missing keys: licence"):
        PriorCard.from_json(json.dumps(data))


@pytest.mark.parametrize(("steps", "start", "chosen"), [(25, 0.6, 0), (20, 0.5, 0), (60, 0.9, 1), (600, 1.0, 2)])
def test_the_nearest_calibration_is_taken(steps: int, start: float, chosen: int) -> None:
    assert CARD.weights_for("psld", steps, start) == CARD.weights[chosen]


def test_an_uncalibrated_solver_is_an_error() -> None:
    with pytest.raises(PriorError, match="solver 'dps' on its card, found other, psld"):
        CARD.weights_for("dps", 25, 0.6)


def test_the_digest_is_of_names_and_contents_in_any_order() -> None:
    assert digest_of(FILES) == digest_of(dict(reversed(FILES.items())))
    assert digest_of(FILES) != digest_of({"a.json": "a" * 64, "b.json": "b" * 64})


def test_the_card_needs_no_torch() -> None:
    code = "import sys, medaug.inverse.priors.card; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("latent_scale", 0.18, "latent_scale: expected an array"),
        ("latent_scale", ["a"], r"latent_scale\[0\]: expected a number, found 'a'"),
        ("autoencoder_spectrum", {"mid": "good"}, "autoencoder_spectrum.mid: expected a number"),
        ("quality", {"medaug": 1.0}, "quality.medaug: expected an object"),
        ("copying", {"held out": {"median": None}}, "copying.held out.median: expected a number"),
        ("recipe", 3, "recipe: expected a text, found 3"),
    ],
)
def test_measured_figures_are_numbers_by_name(key: str, value: Any, message: str) -> None:
    with pytest.raises(PriorError, match=message):
        PriorCard.from_json(_edited(**{key: value}))
