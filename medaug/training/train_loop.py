"""The training loop, the same for every kind of prior: one loop, readable top to bottom.

A step's batch and noise hang on (seed, step) alone, and a checkpoint holds everything else, so an interrupted and
resumed run equals an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from medaug.training.autoencoder import Log
from medaug.training.latents import read_tensors, write_tensors


class LoopSettings(Protocol):
    """How long and how fast: what `recipe.DiffusionRecipe` and `finetune_recipe.LoopRecipe` have in common."""

    @property
    def steps(self) -> int:
        """Of the optimiser."""

    @property
    def accumulate(self) -> int:
        """In how many parts a step's batch goes through the network, one after the other."""

    @property
    def rate(self) -> float:
        """The highest learning rate."""

    @property
    def warmup(self) -> int:
        """Steps over which the rate rises."""

    def decay_before(self, end: int) -> int:
        """Steps over which it falls to 0 at a cycle's end."""

    @property
    def restarts(self) -> tuple[int, ...]:
        """Steps at which a new cycle begins."""

    def precision_at(self, step: int) -> str:
        """``float32`` or ``bfloat16`` (mixed: weights, averages and the optimiser stay float32)."""

    @property
    def ema(self) -> float:
        """Of the averaged weights."""

    @property
    def validate_every(self) -> int:
        """Steps."""

    @property
    def checkpoint_every(self) -> int:
        """Steps."""


@dataclass(frozen=True, eq=False)
class Trainee:
    """What learns, and from what.

    Attributes:
        parameters: by name.
        loss: (step, part) → mean loss over that part of the step's batch.
        validate: figures on the held-out part; it runs with the averaged weights in the parameters' place.
        digest: of what decides the weights; another's checkpoint is refused.
        device: ``cpu`` or ``cuda``, for mixed precision.
    """

    parameters: Mapping[str, nn.Parameter]
    loss: Callable[[int, int], Tensor]
    validate: Callable[[], dict[str, float]]
    digest: str
    device: str = "cpu"


def train_loop(plan: LoopSettings, trainee: Trainee, checkpoint: Path, log: Log, *, resume: bool) -> None:
    """Train until ``plan.steps``; then the parameters hold the averaged (EMA) weights.

    At each of ``plan.restarts`` everything but the averaged weights is forgotten, as in a run that starts from the
    prior which an export would give there.

    Args:
        plan: how long and how fast.
        trainee: what learns.
        checkpoint: the file.
        log: takes key=value.
        resume: go on from the checkpoint where there is one.

    Raises:
        PriorError: the checkpoint is another run's.
    """
    parameters = trainee.parameters
    average = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    optimiser = _fresh(plan, parameters)
    first = _load(plan, trainee, average, optimiser, checkpoint) if resume and checkpoint.exists() else 0
    since = 0.0
    for step in range(first, plan.steps):
        if step in plan.restarts:
            optimiser = _restarted(plan, parameters, average)
        for group in optimiser.param_groups:
            group["lr"] = rate(plan, step)
        optimiser.zero_grad()
        for part in range(plan.accumulate):
            half = torch.autocast(trainee.device, torch.bfloat16, enabled=plan.precision_at(step) == "bfloat16")
            with half, plain_attention(trainee.device):
                loss = trainee.loss(step, part) / plan.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
            since += loss.item()
        nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimiser.step()
        _follow(average, parameters, averaging(plan, step))
        done = step + 1
        if done % 50 == 0:
            log(stage="diffusion", step=done, loss=since / 50, rate=rate(plan, step))
            since = 0.0
        if done % plan.checkpoint_every == 0 or done == plan.steps:
            _save(trainee, average, optimiser, done, checkpoint)
        if done % plan.validate_every == 0 or done == plan.steps:
            with exchanged(parameters, average):
                log(stage="validation", step=done, **trainee.validate())
    _put(average, parameters)


def rate(plan: LoopSettings, step: int) -> float:
    """The learning rate of a step: in each cycle up over ``warmup``, constant, down to 0 at its end."""
    start, end = cycle_of(plan, step)
    return plan.rate * min(1.0, (step - start + 1) / plan.warmup, (end - step) / plan.decay_before(end))


def averaging(plan: LoopSettings, step: int) -> float:
    """How much of the average a step leaves: ``ema``, less in the first steps of the first cycle."""
    return min(plan.ema, (1 + step) / (10 + step))


def cycle_of(plan: LoopSettings, step: int) -> tuple[int, int]:
    """First step, and the first after the end, of the cycle that a step belongs to."""
    marks = (0, *plan.restarts, plan.steps)
    return max(mark for mark in marks if mark <= step), min(mark for mark in marks if mark > step)


def part_of(size: int, parts: int, part: int) -> slice:
    """The rows of a batch of ``size`` that go through the network in this part."""
    return slice(part * size // parts, (part + 1) * size // parts)


def plain_attention(device: str) -> AbstractContextManager[None]:
    """On a CPU attention by plain products: torch's own kernel takes 14 ms to go back through 64 cells, these 1."""
    return sdpa_kernel(SDPBackend.MATH) if device == "cpu" else nullcontext()


@contextmanager
def exchanged(parameters: Mapping[str, nn.Parameter], average: Mapping[str, Tensor]) -> Iterator[None]:
    """The averages in the parameters' place, for the length of the block."""
    kept = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    _put(average, parameters)
    try:
        yield
    finally:
        _put(kept, parameters)


def _fresh(plan: LoopSettings, parameters: Mapping[str, nn.Parameter]) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters.values(), lr=plan.rate, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)


@torch.no_grad()
def _restarted(
    plan: LoopSettings, parameters: Mapping[str, nn.Parameter], average: Mapping[str, Tensor]
) -> torch.optim.AdamW:
    """A new optimiser; parameters and average as a prior's file would hold them."""
    for value in average.values():
        value.copy_(value.half())
    _put(average, parameters)
    return _fresh(plan, parameters)


@torch.no_grad()
def _put(values: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(values[name])


@torch.no_grad()
def _follow(average: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter], decay: float) -> None:
    torch._foreach_lerp_(list(average.values()), list(parameters.values()), 1 - decay)


def _save(trainee: Trainee, average: Mapping[str, Tensor], optimiser: torch.optim.AdamW, step: int, path: Path) -> None:
    tensors = {"step": torch.tensor(step)}
    for name, parameter in trainee.parameters.items():
        state = optimiser.state[parameter]
        tensors |= {f"net.{name}": parameter, f"average.{name}": average[name]}
        tensors |= {f"first.{name}": state["exp_avg"], f"second.{name}": state["exp_avg_sq"]}
    write_tensors(tensors, path, trainee.digest)


@torch.no_grad()
def _load(
    plan: LoopSettings, trainee: Trainee, average: Mapping[str, Tensor], optimiser: torch.optim.AdamW, path: Path
) -> int:
    tensors = read_tensors(path, trainee.digest)
    step = int(tensors["step"])
    since = step - max(mark for mark in (0, *plan.restarts) if mark <= step)  # steps of this optimiser
    for name, parameter in trainee.parameters.items():
        parameter.copy_(tensors[f"net.{name}"])
        average[name].copy_(tensors[f"average.{name}"])
        optimiser.state[parameter] = {
            "step": torch.tensor(float(since), device=parameter.device),
            "exp_avg": tensors[f"first.{name}"].to(parameter.device, copy=True),
            "exp_avg_sq": tensors[f"second.{name}"].to(parameter.device, copy=True),
        }
    return step
