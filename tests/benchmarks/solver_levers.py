"""What each lever gives: ``python tests/benchmarks/solver_levers.py --data POOL [--count 6] [--compiled]``.

Each lever alone against the same solve without it, in one process and one thread, turn about, so that CPU seconds are
compared in pairs even where others use the machine. Quality as in `solver_bench`, restored as the profiles do; *moved*
is the mean |difference| to the solve without the lever on free pixels, range 2.

Then what a lever can't show on the embedded prior: the FLOPs of a step with Stable Diffusion 1's architecture at
512 px, with its autoencoder and with the small one (on torch's meta device: nothing is computed). ``--compiled`` adds
torch.compile, which takes minutes to begin with.

Writes solver-levers.json and solver-levers.md into --out (docs/measurements).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from medaug.imaging.crop import free_part
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.latent_prior import with_fast_autoencoder
from medaug.inverse.priors.networks.precision import economical
from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.guided_ddim import Guidance
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.psld import psld
from medaug.training.calibration import Layouts
from tests.benchmarks import solver_bench as bench

SOLVES: dict[str, partial] = {
    "psld": partial(psld, steps=25, t0=0.6, omega=0.03, gamma=0.01),
    "ddnm": partial(ddnm, steps=12, t0=0.6),
}
STEPWISE = {
    "guide every 2nd step": Guidance(every=2),
    "guide every 3rd step": Guidance(every=3),
    "stop inside 0.05": Guidance(budget=0.05),
    "stop inside 0.08": Guidance(budget=0.08),
    "closed, 1": Guidance(closing=1),
    "closed, 2": Guidance(closing=2),
}
WAYS: dict[str, dict] = {
    "bfloat16": {"precision": "bfloat16"},
    "channels last": {"channels_last": True},
    "bfloat16, channels last": {"precision": "bfloat16", "channels_last": True},
}
SHORTER = {"half the steps": 0.5, "a third of the steps": 1 / 3}
LATER = {"start 0.4": 0.4, "start 0.8": 0.8}
COLUMNS = ("CPU, share", "denoise / decode / encode", "distance", "moved", "sharpness", "noise", "seam", "residual")
BORDER = 32  # px around the free part


def pulled(name: str, compiled: bool) -> Iterator[tuple[str, Callable, object]]:
    """(lever, solve, prior) of every lever."""
    run, own = SOLVES[name], bench.embedded()
    for label, share in SHORTER.items():
        yield label, partial(run, steps=round(share * run.keywords["steps"])), own
    for label, t0 in LATER.items():
        yield label, partial(run, t0=t0), own
    for label, guidance in STEPWISE.items():
        yield label, partial(run, guidance=guidance), own
    for label, way in WAYS.items():
        yield label, run, economical(own, "cpu", **way)
    if compiled:
        yield "compiled", run, economical(own, "cpu", compiled=True)


def levers(name: str, these: bench.Subjects, compiled: bool) -> dict:
    plain, found = SOLVES[name], {}
    at_rest = bench.solve(plain, these, "levers")
    made = bench.restored(these, at_rest.solved, "delta")
    found["at rest"] = _row(these, at_rest, at_rest, made, 1.0)
    for label, run, prior in pulled(name, compiled):
        if label == "compiled":
            bench.solve(run, these, "levers", prior=prior)  # not timed: compiling
        done = bench.solve(run, these, "levers", prior=prior)
        again = bench.solve(plain, these, "levers")
        found[label] = _row(these, done, again, made, None, prior)
        print(name, label, json.dumps(found[label]), flush=True)
    single = [bench.solve(plain, these.one(n), "levers").cpu_s for n in range(len(these))]
    again = bench.solve(plain, these, "levers")
    found[f"batch of {len(these)} for 1"] = {"cpu_ratio": round(again.cpu_s / float(np.mean(single)), 3)}
    return found


def _row(these, done, against, made, ratio=None, prior=None) -> dict:
    way = bench.restored(these, done.solved, "delta", prior)
    rows = bench.figures(these, done.solved, "delta", prior)
    return {
        "calls": done.calls,
        "cpu_ratio": ratio or round(done.cpu_s / against.cpu_s, 3),
        "pooled": round(bench.pooled_distance(these, way), 4),
        "moved": round(float(np.mean(bench.diversity(these, made, way))), 4),
        **{key: bench.spread(row[key] for row in rows) for key in ("sharpness", "noise", "seam", "residual")},
    }


def crop(name: str, these: bench.Subjects) -> dict:
    """The law *inside*: the boxes are free, all else is observed. Whole squares against the parts around the boxes."""
    run, rows, own = SOLVES[name], [], bench.embedded()
    for number in range(len(these)):
        one = these.one(number)
        free = one.layouts.inside
        whole = bench.Subjects(one.x, Layouts(~free, ~free, free))
        cut = (..., *free_part(free[0].numpy(), own.card.multiple, BORDER))
        part = bench.Subjects(whole.x[cut], Layouts(*(mask[cut] for mask in (~free, ~free, free))))
        done = {key: bench.solve(run, subject, "crop") for key, subject in (("whole", whole), ("part", part))}
        figures = {}
        for key, subject in (("whole", whole), ("part", part)):
            here = bench.restored(subject, done[key].solved, "delta")
            figures[key] = bench.figures(subject, done[key].solved, "delta")[0]
            figures[key]["distance"] = bench.pooled_distance(subject, here)
        rows.append(
            {
                "area": part.x.numel() / whole.x.numel(),
                "cpu_ratio": done["part"].cpu_s / done["whole"].cpu_s,
                **{f"{what} {key}": figures[key][what] for what in ("distance", "seam") for key in figures},
            }
        )
    return {key: bench.spread(row[key] for row in rows) for key in rows[0]}


def shares(these: bench.Subjects) -> dict:
    """CPU milliseconds of one call of each network of the embedded prior, forward, one image, median of ten."""
    own, x = bench.embedded(), these.x[:1]
    with torch.no_grad():
        z, t = own.encode(x), torch.tensor([500])
        calls = {"denoise": lambda: own.denoise(z, t), "decode": lambda: own.decode(z), "encode": lambda: own.encode(x)}
        return {
            name: round(1000 * float(np.median([_seconds(call) for _ in range(10)])), 1) for name, call in calls.items()
        }


def _seconds(call: Callable) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


class Hollow:
    """Stable Diffusion 1's architecture without numbers, 512 px: only FLOPs come of it."""

    def __init__(self) -> None:
        from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

        wide = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
        down, up = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768).requires_grad_(False)
            self.vae = AutoencoderKL(down_block_types=down, up_block_types=up, **wide).requires_grad_(False)
            self.tiny = AutoencoderTiny().requires_grad_(False)
        self.alphas_cumprod = bench.embedded().alphas_cumprod
        self.small = False

    def encode(self, x):
        x = x.expand(-1, 3, -1, -1)
        return self.tiny.encode(x).latents if self.small else self.vae.encode(x).latent_dist.mean

    def decode(self, z):
        return (self.tiny if self.small else self.vae).decode(z).sample.mean(1, keepdim=True)

    def denoise(self, z, t):
        return z - self.unet(z, t, torch.empty(len(z), 77, 768, device="meta")).sample


def hollow() -> dict:
    """TFLOP of one step by solver and autoencoder: the difference of two steps and one."""
    prior, found = Hollow(), {}
    x = torch.empty(1, 1, 512, 512, device="meta")
    operator = Inpainting(torch.empty(1, 1, 512, 512, device="meta", dtype=torch.bool))
    start = torch.empty(1, 4, 64, 64, device="meta")
    for name, run in SOLVES.items():
        for prior.small in (False, True):
            counts = []
            for steps in (1, 2):
                counter = FlopCounterMode(display=False)
                counter.mod_tracker = bench._NoModules()
                with counter:
                    options = run.keywords | {"steps": steps}
                    run.func(
                        Problem(prior, operator, x, lambda shape: torch.empty(shape, device="meta"), start), **options
                    )
                counts.append(counter.get_total_flops() / 1e12)
            found[f"{name}, {'small' if prior.small else 'full'} autoencoder"] = round(counts[1] - counts[0], 3)
    return found


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    path = options.out / "solver-levers.json"
    these = bench.subjects(options.data, options.count)
    assert with_fast_autoencoder(bench.embedded()) is bench.embedded(), "the embedded prior has one autoencoder"
    report: dict = {"images": len(these), "threads": 1, "milliseconds": shares(these), "sd_tflop_a_step": hollow()}
    for name in SOLVES:
        report[name] = levers(name, these, options.compiled)
        report[f"crop, {name}"] = crop(name, these)
        path.write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".md").write_text(table(report))
    print(path.with_suffix(".md").read_text())


def table(report: dict) -> str:
    images = f"{report['images']} held-out radiographs in one batch, one thread, paired in one process; medians."
    lines = ["# What each lever gives", "", f"{images} Written by `tests/benchmarks/solver_levers.py`.", ""]
    for name in SOLVES:
        lines += [
            f"| {name} | {' | '.join(COLUMNS)} |",
            "|" + "---|" * 9,
        ]
        for label, row in report[name].items():
            if "calls" not in row:
                lines.append(f"| {label} | {row['cpu_ratio']:.2f} |" + " |" * 7)
                continue
            calls = " / ".join(str(row["calls"].get(kind, 0)) for kind in ("denoise", "decode", "encode"))
            quality = [f"{row['pooled']:.4f}", f"{row['moved']:.4f}"]
            quality += [f"{row[key][1]:.2f}" for key in ("sharpness", "noise", "seam")] + [f"{row['residual'][1]:.3f}"]
            lines.append(f"| {label} | {row['cpu_ratio']:.2f} | {calls} | {' | '.join(quality)} |")
        lines.append("")
    cuts = {name: report[f"crop, {name}"] for name in SOLVES}
    for name, cut in cuts.items():
        lines.append(
            f"Crop, law *inside*, `{name}`: {bench.told(cut['area'])} of the area, {bench.told(cut['cpu_ratio'])} of "
            f"the CPU time; distance {bench.told(cut['distance part'])} for {bench.told(cut['distance whole'])}, seam "
            f"{bench.told(cut['seam part'])} for {bench.told(cut['seam whole'])}."
        )
    parts = ", ".join(f"{name} {value:g}" for name, value in report["milliseconds"].items())
    steps = "; ".join(f"{name} {value:g}" for name, value in report["sd_tflop_a_step"].items())
    lines += [
        "",
        f"Embedded prior, CPU ms of one forward call: {parts}.",
        "",
        f"SD 1 at 512 px, TFLOP of a step: {steps}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/measurements"))
    main(parser.parse_args())
