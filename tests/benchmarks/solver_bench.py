"""What the solver benchmarks share: images with their boxes, one solve with its cost, and what came of it.

Held-out images of the training pool at 256 px (bones, and a chest to every second bone), a drawn box each, the paper's
mask law. Every row of a benchmark has the same prior, images, boxes and observed pixels, and runs in a process of its
own with one thread, so that its peak memory is its own.

  distance    sliced Wasserstein of the free region to the source's there; less is better
  sharpness, noise   of the free region over the source's; 1 is as in the source
  seam        worst tile over the source's, protected pixels pasted; up to 1 no seam can be seen
  residual    root mean square of D(z*) − x on observed pixels outside the protected ones, display units (range 2)
  delivered   the same of what the user gets, restored as the profiles do: what the autoencoder loses cancels
              Through an operator both are those of B(…) − B(x) outside the protected pixels
  mottle      what is added where the source is calm, over what is there (`measures.mottle`); above 1 it shows as clouds
  diversity   mean |difference| of two seeds where nothing was observed, range 2
  protected   what the solver itself leaves on protected pixels, in dB of range 2 and as SSIM. medaug's output has the
              source's own numbers there
  calls       of denoise, decode and encode per image
  TFLOP       multiplications and additions, forward and backward, per image (torch.utils.flop_counter)
  cpu_s       CPU seconds per image, one thread
  peak_mib    MiB that the row's process grew by at most
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import medaug
from medaug.augmentation.local_contrast import contrast_of_source
from medaug.augmentation.restore import seam_taper
from medaug.imaging.resample import low_pass_matrix, spread_matrix
from medaug.imaging.seeds import seed_for
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Beside, Inpainting
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.inverse.protocols import Operator, Problem
from medaug.profile.components import Restore
from medaug.quality.figures import Pair, noise, seam, sharpness
from medaug.training.autoencoder import to_tensor
from medaug.training.calibration import SIGMA, Layouts, lay_out
from medaug.training.image_pool import Pool, read_pool
from medaug.training.recipe import read_recipe
from tests.benchmarks.measures import mottle, patches, sliced_wasserstein

RECIPE = Path("medaug/training/recipes/radiograph-256.yaml")
WINDOW = medaug.Window.spanning(0, 255)
KINDS = ("bone", "bone", "chest")  # in turn
FEATHER = 6.0  # px, as in the shipped profiles
AS_SOLVED = Restore(kind="delta", feather=FEATHER, deblock=True)


@cache
def embedded():
    return load_embedded()


def prior_of(these: Subjects) -> LatentPrior:
    return these.prior or embedded()


class Counted:
    """A prior that counts its calls."""

    def __init__(self, prior) -> None:
        self._prior, self.calls = prior, Counter()

    def __getattr__(self, name: str):
        found = getattr(self._prior, name)
        if name not in {"encode", "decode", "denoise"}:
            return found

        def counted(*given):
            self.calls[name] += 1
            return found(*given)

        return counted


@dataclass(frozen=True, eq=False)
class Subjects:
    """Images (B, 1, H, W) in [-1, 1] and their layouts.

    Attributes:
        degraded: how the whole image is seen beside its observed pixels; None where it isn't.
        neighbours: images in a row that share their noise, as the slices of a volume do.
        prior: what they are solved with; None for the radiographs' embedded prior.
        restore: as the profile says; the taper and the deblocking are the same in all.
    """

    x: Tensor
    layouts: Layouts
    degraded: Operator | None = None
    neighbours: int = 1
    prior: LatentPrior | None = None
    restore: Restore = AS_SOLVED

    def __len__(self) -> int:
        return len(self.x)

    def one(self, number: int) -> Subjects:
        rows = slice(number, number + 1)
        masks = (self.layouts.protected, self.layouts.observed, self.layouts.inside)
        return Subjects(
            self.x[rows],
            Layouts(*(mask[rows] for mask in masks)),
            self.degraded,
            prior=self.prior,
            restore=self.restore,
        )

    @property
    def operator(self) -> Operator:
        regions = Inpainting(self.layouts.observed)
        return regions if self.degraded is None else Beside(regions, self.degraded)


@dataclass(frozen=True, eq=False)
class Solved:
    """D(z*) of each subject, (B, H, W), and what it cost per image."""

    solved: np.ndarray
    cpu_s: float
    wall_s: float
    calls: dict[str, int]


def restored_by(restore: Restore) -> dict[str, float | bool]:
    """What a report holds of a restoration, so that its rows are taken anew under another."""
    return {"fine": restore.fine} | ({"contrast": True} if restore.contrast else {})


def subjects(data: Path, count: int, restore: Restore = AS_SOLVED, sigma: float = SIGMA) -> Subjects:
    """Drawn from the held-out part; the third, sixth, … are chests. The first of many are those of a few."""
    pool, drawn = _drawn(data)
    each = {kind: iter(numbers) for kind, numbers in drawn.items()}
    x = to_tensor(pool.images[[next(each[KINDS[n % len(KINDS)]]) for n in range(count)]])
    return Subjects(x, lay_out(x, sigma), restore=restore)


def others(data: Path, count: int) -> dict[str, np.ndarray]:
    """Kind → held-out images (count, H, W) that are no subjects: the last drawn."""
    pool, drawn = _drawn(data)
    return {kind: to_tensor(pool.images[numbers[-count:]])[:, 0].numpy() for kind, numbers in drawn.items()}


def _drawn(data: Path) -> tuple[Pool, dict[str, list[int]]]:
    """The pool, and its held-out images by kind in the order in which they are drawn."""
    pool = read_pool(data, read_recipe(RECIPE).data)
    held = {kind: [int(i) for i in np.flatnonzero(pool.held_out) if pool.folders[i].startswith(kind)] for kind in KINDS}
    return pool, {kind: np.random.default_rng(0).permutation(numbers).tolist() for kind, numbers in held.items()}


def solve(
    run: Callable, these: Subjects, name: str, measurement_noise: float = 0.0, prior=None, operator=None
) -> Solved:
    """All subjects in one batch, with noise by ``name``; ``operator`` stands for the subjects' own."""
    counted = Counted(prior or prior_of(these))
    operator = operator or these.operator
    draw = partial(SampleNoise, [seed_for(name, number // these.neighbours) for number in range(len(these))])
    measured = SampleNoise([seed_for("y", number) for number in range(len(these))])(tuple(these.x.shape))
    y = operator.forward(these.x + measurement_noise * measured)
    with torch.no_grad():
        start = counted.encode(these.x)
    counted.calls.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    result = run(Problem(counted, operator, y, draw(), start))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = len(these)
    return Solved(result[:, 0].numpy(), cpu / size, wall / size, dict(counted.calls))


def tera_flop(run: partial, these: Subjects, prior=None) -> float:
    """Of one image: what a step more adds, times the steps. Right where all steps cost the same."""
    first, second = flop_of_steps(run, these, prior)
    return (first + (run.keywords["steps"] - 1) * (second - first)) / 1e12


def flop_of_steps(run: partial, these: Subjects, prior=None) -> tuple[float, float]:
    """Of one image in one step and in two, whatever steps ``run`` has."""
    one, steps = these.one(0), (partial(run.func, **run.keywords | {"steps": n}) for n in (1, 2))
    first, second = (flop(each, one, prior) for each in steps)
    return first, second


def flop(run: Callable, one: Subjects, prior=None) -> float:
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModules()  # its hooks on leaves refuse torch.autograd.grad
    with counter:
        solve(run, one, "flop", prior=prior)
    return float(counter.get_total_flops())


class _NoModules:
    """Totals alone: FLOPs aren't told apart by module."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def restored(these: Subjects, solved: np.ndarray, way: str, prior=None) -> np.ndarray:
    """(B, H, W) with the protected pixels of the source, as the profiles (``delta``) or the paper (``replace``) do."""
    x, protected = these.x[:, 0].numpy(), these.layouts.protected[:, 0].numpy()
    if way == "replace":
        return np.where(protected, x, np.clip(solved, -1, 1))
    prior = prior or prior_of(these)
    with torch.no_grad():
        again = prior.decode(prior.encode(these.x))[:, 0].numpy()
    rows, columns = (  # deblock and fine, as the profiles have it
        low_pass_matrix(size, these.restore.fine) @ spread_matrix(size, prior.card.stride) for size in x.shape[1:]
    )
    change, taper = (rows @ (solved - again) @ columns.T).astype(np.float32), seam_taper(protected, FEATHER)
    if these.restore.contrast:
        change += [contrast_of_source(*one) for one in zip(x, x + change, taper, strict=True)]
    return np.clip(x + taper * change, -1, 1)


def figures(these: Subjects, solved: np.ndarray, way: str, prior=None) -> list[dict[str, float]]:
    """Per image: what the docstring of this module lists, but distance, diversity and costs."""
    made, found = restored(these, solved, way, prior), []
    for number in range(len(these)):
        x, here = these.x[number, 0].numpy(), made[number]
        protected, observed = (mask[number, 0].numpy() for mask in (these.layouts.protected, these.layouts.observed))
        source = medaug.from_array(((x + 1) * 127.5).round().astype(np.uint8), window=WINDOW)
        variant = source.with_modality(((here + 1) * 127.5)[None].astype(np.float32), ~protected[None])
        pair = Pair(source, variant, protected[None], WINDOW)
        error = (solved[number] - x) ** 2
        found.append(
            {
                **{take.__name__: take(pair) for take in (sharpness, noise, seam)},
                "mottle": mottle(x, here, ~protected),
                "residual": missed(these, solved[number] - x, observed, protected),
                "delivered": missed(these, here - x, observed, protected),
                "protected_db": float(10 * np.log10(4 / max(error[protected].mean(), 1e-12))),
                "protected_ssim": float(structural_similarity(np.clip(solved[number], -1, 1), x)[protected].mean()),
            }
        )
    return found


def missed(these: Subjects, difference: np.ndarray, observed: np.ndarray, protected: np.ndarray) -> float:
    """What of the measurement a difference to the source leaves unexplained outside the protected pixels."""
    if these.degraded is None:
        return _root((difference**2)[observed & ~protected])
    seen = these.degraded.forward(torch.from_numpy(difference.astype(np.float32))[None, None])[0, 0].numpy()
    return _root((seen**2)[~protected])


def _root(squares: np.ndarray) -> float:
    return float(np.sqrt(squares.mean())) if squares.size else 0.0


def pooled_distance(these: Subjects, made: np.ndarray) -> float:
    """Sliced Wasserstein of all free regions together, as in the tables before."""
    free = list(~these.layouts.protected[:, 0].numpy())
    return sliced_wasserstein(patches(list(made), free), patches(list(these.x[:, 0].numpy()), free))


def diversity(these: Subjects, one: np.ndarray, other: np.ndarray) -> list[float]:
    free = ~(these.layouts.protected | these.layouts.observed)[:, 0].numpy()
    return [float(np.abs(a - b)[where].mean()) for a, b, where in zip(one, other, free, strict=True)]


def structural_similarity(one: np.ndarray, other: np.ndarray, data_range: float = 2.0) -> np.ndarray:
    """The local map, Gaussian window of 1.5 px.

    Source: Wang et al. 2004, equation 13, K1 0.01, K2 0.03. ``data_range`` is that of [-1, 1].
    """
    blur = partial(ndimage.gaussian_filter, sigma=1.5, truncate=3.5)
    a, b = one.astype(np.float64), other.astype(np.float64)
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(work: Callable[[str], dict], names: Iterable[str], jobs: int) -> Iterator[tuple[str, dict]]:
    """Each name in a process of its own, forked from this one; its peak is over what it began with."""
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap(partial(_row, work), list(names), chunksize=1)


def _row(work: Callable[[str], dict], name: str) -> tuple[str, dict]:
    torch.set_num_threads(1)
    before = peak_mib()
    found = work(name)
    return name, found | {"peak_mib": round(peak_mib() - before)}


def spread(values: Iterable[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [float(f"{value:.4g}") for value in np.percentile(list(values), [25, 50, 75])]


def told(three: list[float]) -> str:
    return f"{three[1]:.3g} ({three[0]:.3g}–{three[2]:.3g})"
