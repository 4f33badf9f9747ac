"""How a prior's networks are run: in 16 bits, with channels last, compiled. Off unless asked for.

All three act on the networks alone. What is made of their answers, Tweedie's rescaling, losses, alphas, the step, stays
float32 outside, whatever runs inside. Each changes the last bits of an image.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from medaug.errors import PriorError
from medaug.inverse.priors.latent_prior import LatentPrior

Precision = Literal["float32", "bfloat16", "float16"]
Anything = Callable[..., Tensor]


def economical(
    prior: LatentPrior,
    device: str,
    *,
    precision: Precision = "float32",
    channels_last: bool = False,
    compiled: bool = False,
) -> LatentPrior:
    """The prior with its networks run in another way; the same prior where nothing is asked for.

    Args:
        prior: as loaded.
        device: where its weights are, such as ``cpu`` or ``cuda:1``.
        precision: of convolutions and products inside the networks (autocast); weights stay float32.
        channels_last: activations in the order B, H, W, C.
        compiled: the denoising network, by torch.compile; the first solve of a shape then takes minutes.

    Raises:
        PriorError: no C++ compiler for ``compiled`` on a CPU.
    """
    if channels_last:
        prior = _wrapped(prior, _channels_last)
    if precision != "float32":
        kind = torch.device(device).type
        prior = _wrapped(prior, lambda run: _autocast(run, kind, getattr(torch, precision)))
    if compiled:
        _require_compiler(device)
        prior = _compiled(prior)
    return prior


def _channels_last(run: Anything) -> Anything:
    def ordered(x: Tensor, *others: Tensor) -> Tensor:
        return run(x.contiguous(memory_format=torch.channels_last), *others).contiguous()

    return ordered


def _autocast(run: Anything, kind: str, dtype: torch.dtype) -> Anything:
    def cast(*given: Tensor) -> Tensor:
        with torch.autocast(kind, dtype=dtype):
            return run(*given).float()

    return cast


def _compiled(prior: LatentPrior) -> LatentPrior:
    """The denoising network alone: `ddnm` goes back through one decoder many times, which compiled graphs refuse."""

    def made(network: Anything) -> Anything:
        run: Anything = torch.compile(network, dynamic=False)  # static: one solve has one shape
        return run

    prompted = prior.prompted
    under = None if prompted is None else lambda prompt: made(prompted(prompt))
    return replace(prior, network=made(prior.network), prompted=under)


def _require_compiler(device: str) -> None:
    names = [os.environ.get("CXX", ""), "g++", "clang++", "cl"]
    if torch.device(device).type == "cpu" and not any(shutil.which(name) for name in names if name):
        raise PriorError(
            "levers.compiled: expected a C++ compiler (g++ or clang++) for a solve on the CPU, found none; install one "
            "or set compiled: false",
            code="prior-package",
        )


def _wrapped(prior: LatentPrior, wrap: Callable[[Anything], Anything]) -> LatentPrior:
    """Every network of the prior, those under a prompt and the small autoencoder too."""
    prompted = prior.prompted
    return replace(
        prior,
        encoder=wrap(prior.encoder),
        decoder=wrap(prior.decoder),
        network=wrap(prior.network),
        prompted=None if prompted is None else lambda prompt: wrap(prompted(prompt)),
        fast=None if prior.fast is None else (wrap(prior.fast[0]), wrap(prior.fast[1])),
    )
