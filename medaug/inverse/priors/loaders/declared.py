"""What a prior's files declare, held against what is there, before memory is taken for it.

A few bytes of JSON can ask for a billion steps or a network of a terabyte. Numbers and lists are bounded by what
networks have; then the network is built without memory (on torch's ``meta`` device) and its weights are counted against
the bytes of their files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medaug.errors import MedaugError, PriorError
from medaug.inverse.priors.loaders.layout import shown
from medaug.storage.canonical_json import parse
from medaug.storage.plain_files import is_plain, read_document

CONFIG_BYTES = 1 << 20
MAX_NUMBER = 1e6  # of anything that a network is declared by
MAX_STEPS = 100_000  # of a schedule, and items of a list
MAX_STAGES = 16  # entries of a list of channels or blocks
MAX_BLOCKS = 64  # layers of one stage
MAX_DEPTH = 8
SPARE = 64 << 20  # bytes of a file beside its weights, and of the weights of a small network
_STAGES = ("channels", "block_types", "levels", "layers", "blocks")
_BLOCKS = (
    "num_res_blocks",
    "layers_per_block",
    "mid_layers",
    "num_encoder_blocks",
    "num_decoder_blocks",
    "transformer_num_layers",
)


def read_config(path: Path, where: str) -> dict[str, Any]:
    """A configuration in JSON, each of its numbers one that a network or a schedule can have.

    Raises:
        PriorError: it can't be read, is no object, or declares more.
    """
    try:
        data = parse(read_document(path, CONFIG_BYTES))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't"
        raise PriorError(
            f"{where}: expected JSON, each key once, found another ({reason}); restore it", code="prior-config"
        ) from None
    if not isinstance(data, dict):
        raise PriorError(f"{where}: expected an object, found {type(data).__name__}; restore it", code="prior-config")
    check_config(data, where)
    return data


def check_config(config: Mapping[str, Any], where: str) -> None:
    """Refuse numbers, lists and depths that no network has.

    Raises:
        PriorError: one of them; the message names its key.
    """
    for key, value in config.items():
        _check(str(key), value, where, 0)


def _check(key: str, value: Any, where: str, depth: int) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        most = _most(key)
        if not math.isfinite(value) or abs(value) > most:
            raise _refused(where, key, f"a number up to {most:g}")
    elif isinstance(value, list):
        most = MAX_STAGES if key.endswith(_STAGES) else MAX_STEPS
        if len(value) > most:
            raise _refused(where, key, f"a list of at most {most}")
        for item in value:
            _check(key, item, where, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check(str(name), item, where, depth + 1)
    if depth > MAX_DEPTH:
        raise _refused(where, key, f"at most {MAX_DEPTH} lists in each other")


def _most(key: str) -> float:
    if key in _BLOCKS:
        return MAX_BLOCKS
    return MAX_STEPS if key == "num_train_timesteps" else MAX_NUMBER


def _refused(where: str, key: str, expected: str) -> PriorError:
    return PriorError(f"{where}: {key[:40]}: expected {expected}, found more; restore it", code="prior-config")


def check_weights(build: Callable[[], nn.Module], files: Iterable[Path], where: str) -> None:
    """Refuse a network of more weights than its files have bytes for, or files with far more; a small one is let pass.

    What it is let pass to compares every weight; files that aren't there are its to name.

    Args:
        build: makes the network; it is called where tensors take no memory.
        files: with its weights.
        where: how messages name it.

    Raises:
        PriorError: they don't fit.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        net = build()
    count = sum(tensor.numel() for tensor in chain(net.parameters(), net.buffers()))
    there = list(files)
    if not all(is_plain(file) for file in there):
        return
    size = sum(file.stat().st_size for file in there)
    if not count <= max(size, SPARE // 4) or size > 8 * count + SPARE:
        found = f"{count} of them and {size} bytes"
        raise PriorError(
            f"{where}: expected files of its own weights, found {found}; use those that belong together",
            code="prior-weights",
        )


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Whatever a library raises over a prior's files becomes one sentence: they may hold anything.

    Raises:
        PriorError: in place of what is none of medaug's own errors.
    """
    try:
        yield
    except MedaugError:
        raise
    except Exception as error:
        kind = type(error).__name__
        words = "expected files that make a network and a schedule, found some that don't"
        raise PriorError(
            f"prior {shown(folder)}: {words} ({kind}); take them again from where they came", code="prior-parts"
        ) from error
