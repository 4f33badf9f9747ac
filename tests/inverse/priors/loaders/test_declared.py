"""Malformed priors of every kind: one sentence each, in time, and no memory taken for what isn't there."""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from medaug.error_codes import CODES
from medaug.errors import PriorError
from medaug.inverse.priors.card import CARD, EMBEDDED, digest_of, read_card, write_card
from medaug.inverse.priors.loaders.layout import TRAINED, digests
from medaug.inverse.priors.loaders.load import card_of, load_folder
from tests.support import prior_models

Change = Callable[[Path], object]
SECONDS, MEMORY = 20.0, 1 << 30

PRIOR_CODES = {code for code in CODES if code.startswith("prior-")}  # each says what kind of fault it is


def written(name: str, content: object) -> Change:
    """A file with other bytes, text or JSON."""

    def change(folder: Path) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / name).write_bytes(data)

    return change


def set_in(name: str, **values: Any) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_text(json.dumps({**json.loads((folder / name).read_text()), **values}))

    return change


def without(name: str, *keys: str) -> Change:
    def change(folder: Path) -> None:
        config = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({key: value for key, value in config.items() if key not in keys}))

    return change


def gone(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def a_folder(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return change


def tensors(name: str, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Change:
    return lambda folder: save_file(change(load_file(folder / name)), folder / name)


def sparse(name: str) -> Change:
    """Eight gigabytes of nothing."""

    def change(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.truncate(8 << 30)

    return change


def first_of(found: dict[str, torch.Tensor], make: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, torch.Tensor]:
    name = min(found)
    return {**found, name: make(found[name]).contiguous()}


DEEP = b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"
DIGITS = b'{"num_train_timesteps": ' + b"9" * 5000 + b"}"
WEIGHTS = "unet.safetensors"
TRAINED_KINDS: dict[str, Change] = {
    **{f"without {name}": gone(name) for name in TRAINED},
    **{f"a folder for {name}": a_folder(name) for name in ("unet.json", WEIGHTS)},
    **{f"{name} is empty": written(name, b"") for name in TRAINED},
    **{f"{name} is a list": written(name, []) for name in ("unet.json", "autoencoder.json", "scheduler.json")},
    "deep JSON": written("unet.json", DEEP),
    "no UTF-8": written("unet.json", b'{"a": "\xff"}'),
    "a number of 5,000 digits": written("scheduler.json", DIGITS),
    "1e9 steps": set_in("scheduler.json", num_train_timesteps=10**9),
    "steps in words": set_in("scheduler.json", num_train_timesteps="many"),
    "negative steps": set_in("scheduler.json", num_train_timesteps=-5),
    "a schedule that nobody knows": set_in("scheduler.json", beta_schedule="x"),
    "a million betas": set_in("scheduler.json", trained_betas=[0.1] * 200_000),
    "NaN": written("scheduler.json", b'{"beta_start": NaN}'),
    "channels of 1e9": set_in("unet.json", block_out_channels=[10**9, 10**9]),
    "channels of 100,000": set_in("unet.json", block_out_channels=[100_000] * 3),
    "1,000 stages": set_in("unet.json", block_out_channels=[8] * 1000),
    "1e9 layers": set_in("unet.json", layers_per_block=10**9),
    "1e9 layers in the middle": set_in("unet.json", mid_layers=10**9),
    "channels in words": set_in("unet.json", block_out_channels="many"),
    "no channels": set_in("unet.json", block_out_channels=[]),
    "zero channels": set_in("unet.json", in_channels=0),
    "a key that nobody knows": set_in("unet.json", colour="red"),
    "a stride of 1e9": set_in("autoencoder.json", stride=10**9),
    "noise for weights": written(WEIGHTS, bytes(range(256)) * 99),
    "weights that end early": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-999]),
    "weights that promise a terabyte": written(WEIGHTS, (1 << 40).to_bytes(8, "little") + b"{}"),
    "weights of 8 GB, sparse": sparse(WEIGHTS),
    "a tensor missing": tensors(WEIGHTS, lambda found: dict(list(found.items())[1:])),
    "a tensor too many": tensors(WEIGHTS, lambda found: {**found, "more": torch.zeros(3)}),
    "an odd shape": tensors(WEIGHTS, lambda found: first_of(found, lambda t: t.flatten()[:1])),
}
DIFFUSERS_KINDS: dict[str, Change] = {
    "vae's configuration is a list": written("vae/config.json", [1]),
    "a class of another name": set_in("unet/config.json", _class_name="UNet3D"),
    "a class that is a number": set_in("unet/config.json", _class_name=5),
    "1e9 steps": set_in("scheduler/scheduler_config.json", num_train_timesteps=10**9),
    "betas of words": set_in("scheduler/scheduler_config.json", trained_betas=["a"]),
    "a prediction type that is a list": set_in("scheduler/scheduler_config.json", prediction_type=["epsilon"]),
    "channels of 1e9": set_in("unet/config.json", block_out_channels=[10**9] * 2),
    "channels of 100,000": set_in("unet/config.json", block_out_channels=[100_000] * 2),
    "1e9 layers": set_in("unet/config.json", layers_per_block=10**9),
    "blocks that nobody knows": set_in("unet/config.json", down_block_types=["X", "Y"]),
    "a scaling factor in words": set_in("vae/config.json", scaling_factor="half"),
    "no channels": without("vae/config.json", "block_out_channels", "in_channels"),
    "a card that is a list": written(CARD, []),
    "a card of 5,000 digits": written(CARD, b'{"size": ' + b"9" * 5000 + b"}"),
    "noise for weights": written("unet/diffusion_pytorch_model.safetensors", bytes(999)),
    "an odd shape": tensors(
        "unet/diffusion_pytorch_model.safetensors", lambda found: first_of(found, lambda t: t.flatten()[:1])
    ),
}


@pytest.fixture(scope="module")
def diffusers_prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prior_models.plain(tmp_path_factory.mktemp("prior") / "plain")


def refused(folder: Path, load: Callable[[Path], object] = load_folder) -> str:
    """The sentence, within time; memory is held by `limited_memory`."""
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PriorError) as caught:
        load(folder)
    assert time.process_time() - started < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < MEMORY
    said = str(caught.value)
    assert said.startswith("prior")
    assert len(said) < 2000
    assert caught.value.code in PRIOR_CODES
    return said


@pytest.mark.parametrize("kind", TRAINED_KINDS)
def test_a_malformed_prior_of_our_own_is_one_sentence(tmp_path: Path, kind: str) -> None:
    folder = Path(shutil.copytree(EMBEDDED, tmp_path / "prior"))
    TRAINED_KINDS[kind](folder)
    if all((folder / name).is_file() for name in TRAINED) and kind != "weights of 8 GB, sparse":
        files = digests(folder, "medaug")  # the card agrees: whoever makes the one makes the other
        write_card(folder, replace(read_card(EMBEDDED), files=files, sha256=digest_of(files)))
    refused(folder)


@pytest.mark.parametrize("kind", DIFFUSERS_KINDS)
def test_a_malformed_prior_in_diffusers_layout_is_one_sentence(
    tmp_path: Path, diffusers_prior: Path, kind: str
) -> None:
    folder = Path(shutil.copytree(diffusers_prior, tmp_path / "prior"))
    DIFFUSERS_KINDS[kind](folder)
    refused(folder, card_of)


def test_what_is_sound_loads(tmp_path: Path, diffusers_prior: Path) -> None:
    """Else every test above would pass for nothing."""
    folder = Path(shutil.copytree(EMBEDDED, tmp_path / "prior"))
    assert load_folder(folder).card == read_card(EMBEDDED)
    assert card_of(diffusers_prior).name == "plain"
