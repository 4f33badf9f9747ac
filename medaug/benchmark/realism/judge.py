"""A small network that is asked which patches were generated. If it can't tell, nobody needs to believe our eyes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn import functional

from medaug.benchmark.realism.auc import Estimate, Scores, estimate
from medaug.benchmark.realism.patches import Patches, halves
from medaug.inverse.aligned import from_array
from medaug.processes import threads

STEPS, BATCH, RATE = 300, 64, 2e-3
FOLDS = 4
BLUR = 3  # px: what is finer is shown once more by itself, where generators give themselves away


@dataclass(frozen=True)
class Judgement:
    """What a judge found.

    Attributes:
        told: area under the ROC curve of patches of patients that it didn't learn from: 0.5 where it can't tell.
        null: the same where both kinds were real, of different patients: what such a figure may be by chance.
        patches: judged, of both kinds.
        groups: patients, or what stands for them.
    """

    told: Estimate
    null: Estimate
    patches: int
    groups: int


def judge(patches: Patches, seed: int, on_fold: Callable[[int, int], None] | None = None) -> Judgement:
    """Train a judge on some patients' patches, ask it about the others', in turn; and again with real ones alone.

    Args:
        patches: of at least twice `FOLDS` groups.
        seed: of folds, weights and batches.
        on_fold: called with (folds done, folds in all).

    Raises:
        ValueError: too few groups to keep patients apart.
    """
    groups = _enough(patches)
    figures = []
    for number, asked in enumerate((patches, halves(patches, seed))):
        done = number * FOLDS

        def step(fold: int, done: int = done) -> None:
            if on_fold:
                on_fold(done + fold, 2 * FOLDS)

        figures.append(estimate(out_of_fold(asked, seed, step), asked.made, asked.groups, seed))
    told, null = figures
    return Judgement(told, null, len(patches), groups)


def out_of_fold(patches: Patches, seed: int, on_fold: Callable[[int], None]) -> Scores:
    """A score for each patch by a judge that never met its group: its rank in its fold, as judges differ in scale.

    Args:
        patches: of at least twice `FOLDS` groups.
        seed: of folds, weights and batches.
        on_fold: called with folds done.

    Returns:
        (N,) from 0, real, to 1, generated.

    Raises:
        ValueError: too few groups to keep patients apart.
    """
    _enough(patches)
    fold = _folds(patches, seed)
    scores = np.zeros(len(patches))
    for number in range(FOLDS):
        test = fold == number
        with threads.taken(1):  # so that figures hang on no number of cores
            network = _learn(patches.where(~test), seed + number)
            scores[test] = _ranks(_ask(network, patches.pixels[test]))
        on_fold(number + 1)
    return scores


def _enough(patches: Patches) -> int:
    groups = len(np.unique(patches.groups))
    if groups < 2 * FOLDS:
        raise ValueError(f"realism: expected at least {2 * FOLDS} patients or images, found {groups}; add sources")
    return groups


def _folds(patches: Patches, seed: int) -> NDArray[np.int64]:
    """Groups dealt out like cards, those of either kind in turn, so that every fold has both."""
    rng = np.random.default_rng(seed)
    named = [one for one in np.unique(patches.groups) if patches.made[patches.groups == one].any()]
    others = np.setdiff1d(patches.groups, named)
    order = np.concatenate([rng.permutation(named), rng.permutation(others)])
    number = {int(one): n % FOLDS for n, one in enumerate(order)}
    return np.array([number[int(one)] for one in patches.groups], dtype=np.int64)


def _ranks(scores: Scores) -> Scores:
    return np.asarray(rankdata(scores) / len(scores))


def _network() -> nn.Sequential:
    """Four convolutions, 60 thousand weights, from 48 px to one figure."""
    widths = (8, 32, 48, 64)
    layers: list[nn.Module] = [nn.PixelUnshuffle(2)]  # two channels, four pixels each: nothing is lost
    for number, (before, after) in enumerate(pairwise(widths)):
        layers += [nn.Conv2d(before, after, 3, 2 if number else 1, 1), nn.GroupNorm(8, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(widths[-1], 1))


def _learn(patches: Patches, seed: int) -> nn.Sequential:
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from the global state
        torch.manual_seed(seed)
        network = _network().train()
        return _trained(network, from_array(patches.pixels), from_array(patches.made).float(), draw)


def _trained(network: nn.Sequential, pixels: Tensor, made: Tensor, draw: torch.Generator) -> nn.Sequential:
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(len(made) // 2, (BATCH // 2,), generator=draw)
        chosen = torch.cat([2 * chosen, 2 * chosen + 1])  # both kinds of one place: how they differ is all there is
        batch = _turned(pixels[chosen], int(torch.randint(8, (1,), generator=draw)))
        loss = functional.binary_cross_entropy_with_logits(network(_shown(batch))[:, 0], made[chosen])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    return network.eval()


def _turned(batch: Tensor, way: int) -> Tensor:
    """One of the eight ways to lay a square."""
    turned = torch.rot90(batch, way % 4, (1, 2))
    return turned.flip(2) if way >= 4 else turned


def _shown(batch: Tensor) -> Tensor:
    """(N, side, side) → (N, 2, side, side): the patch about its mean, and its finest detail enlarged."""
    one = batch[:, None]
    fine = one - functional.avg_pool2d(functional.pad(one, [BLUR // 2] * 4, mode="reflect"), BLUR, 1)
    return torch.cat([2 * (one - one.mean((2, 3), keepdim=True)), 10 * fine], 1)


@torch.inference_mode()
def _ask(network: nn.Sequential, pixels: NDArray[np.float32]) -> Scores:
    parts = torch.split(from_array(pixels), 256)
    return torch.cat([network(_shown(part))[:, 0] for part in parts]).double().numpy()
