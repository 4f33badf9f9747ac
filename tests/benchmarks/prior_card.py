"""Write what the other scripts measured on a prior's card.

python tests/benchmarks/prior_card.py PRIOR --autoencoder FILE --controls FILE --copying FILE

Each file is what `prior_autoencoder.py`, `prior_controls.py` or `prior_copying.py` wrote; it must be of this prior.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from medaug.inverse.priors.card import read_card, write_card
from medaug.training.export import described
from medaug.training.recipe import read_recipe


def main(options: argparse.Namespace) -> None:
    card = read_card(options.prior)
    changes: dict[str, Any] = {}
    if options.autoencoder:
        found = _of(options.autoencoder, card.sha256)
        spectrum = {band: figures["median"] for band, figures in found["spectrum"].items()}
        changes |= {"autoencoder_psnr_db": found["psnr_db"], "autoencoder_spectrum": spectrum}
    if options.controls:
        found = _of(options.controls, card.sha256)
        rows = {name: _row(figures) for name, figures in found["methods"].items() if "seam" in figures}
        changes["quality"] = {**rows, "two seeds": found["diversity"]}
    if options.copying:
        changes["copying"] = _of(options.copying, card.sha256)["nearest"]
    if options.recipe:
        scale = 1 / load_file(options.prior / "autoencoder.safetensors")["std"].flatten()
        changes["latent_scale"] = tuple(float(f"{value:.4g}") for value in scale.tolist())
        changes["recipe"] = described(read_recipe(options.recipe))
    write_card(options.prior, replace(card, **changes))


def _row(figures: dict[str, Any]) -> dict[str, float]:
    ratios = {key: figures[key] for key in ("sharpness", "noise", "seam")}
    medians = {key: ratio["median"] for key, ratio in ratios.items()}
    return {"distance": figures["distance"], **medians, **{f"{key} off": r["off"] for key, r in ratios.items()}}


def _of(path: Path, sha256: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found["prior"] != sha256:
        raise SystemExit(f"{path.name}: measured on prior {found['prior'][:16]}, the card's is {sha256[:16]}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prior", type=Path)
    parser.add_argument("--autoencoder", type=Path)
    parser.add_argument("--controls", type=Path)
    parser.add_argument("--copying", type=Path)
    parser.add_argument("--recipe", type=Path, help="of its training, for recipe and latent_scale")
    main(parser.parse_args())
