"""What a solve costs on a GPU: ``python tests/benchmarks/gpu.py``, Stable Diffusion 1.4's architecture at 512 px, bf16.

Weights are random: time and memory don't depend on them, and nothing is downloaded. Needs torch, numpy, diffusers,
safetensors, pydantic, rfc8785 and the tensor half of medaug, no more. Per method and batch, the time of one step and of
what comes once are taken from a short and a longer run, and s/image follows for the nominal steps:

  upstream   the public PSLD code's arithmetic, 1000 steps from pure noise (its second, needless network call of
             classifier-free guidance is not charged)
  psld       the paper's settings without the defects, 1000 steps
  default    bone-xray's: psld, 25 steps from 0.6
  ddnm       12 steps from 0.6

Weights and activations are bf16, channels last; latents, alphas, losses and the update are float32. TFLOP/s counts
multiplications and additions, forward and backward (torch.utils.flop_counter), beside the measured rate of a large
matrix product. Peak memory is PyTorch's own count; on a CPU there is none. ``--small --device cpu --precision float32``
runs the whole of it on a small architecture, to try the script (CPUs without bf16 units take minutes over it).

Bars: default ≤ 1 s/image at the best batch and ≥ 20 × upstream; a psld step ≥ 35 % of the matrix rate; peak ≤ 8 GB at
batch 1.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.card import PriorCard
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.priors.loaders.diffusers import autoencoder
from medaug.inverse.priors.networks.unet import schedule
from medaug.inverse.protocols import Problem
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.psld import psld
from tests.benchmarks.tables import markdown
from tests.benchmarks.upstream import upstream

SHORT, LONG = 2, 6  # steps
METHODS: dict[str, tuple[Callable[..., Any], int, float]] = {  # solver, nominal steps, start
    "upstream": (upstream, 1000, 1.0),
    "psld": (partial(psld, omega=1.0, gamma=0.2), 1000, 1.0),
    "default": (partial(psld, omega=0.03, gamma=0.01), 25, 0.6),
    "ddnm": (ddnm, 12, 0.6),
}
BARS = {"s_per_image": 1.0, "times_upstream": 20.0, "of_matrix_rate": 0.35, "peak_gb": 8.0}


def networks(small: bool) -> tuple[Any, Any]:
    """(autoencoder, UNet) of Stable Diffusion 1.4, or of a small likeness, with random weights."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    vae_widths, widths, layers, text = (
        ((8, 8, 16, 16), (32, 64), 1, 32) if small else ((128, 256, 512, 512), (320, 640, 1280, 1280), 2, 768)
    )
    cross, plain = ("CrossAttnDownBlock2D", "DownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = AutoencoderKL(
            block_out_channels=vae_widths,
            down_block_types=("DownEncoderBlock2D",) * len(vae_widths),
            up_block_types=("UpDecoderBlock2D",) * len(vae_widths),
            layers_per_block=layers,
            latent_channels=4,
            norm_num_groups=8 if small else 32,
            scaling_factor=0.18215,
        )
        unet = UNet2DConditionModel(
            block_out_channels=widths,
            down_block_types=(cross[0],) * (len(widths) - 1) + (cross[1],),
            up_block_types=(plain[0],) + (plain[1],) * (len(widths) - 1),
            layers_per_block=layers,
            cross_attention_dim=text,
            attention_head_dim=8,
            norm_num_groups=8 if small else 32,
            sample_size=64,
        )
    return vae, unet


def prior(small: bool, device: str, precision: torch.dtype) -> LatentPrior:
    """The adapter that medaug uses, around networks in ``precision``; what goes in and comes out is float32."""
    vae, unet = (
        net.to(device, precision, memory_format=torch.channels_last).eval().requires_grad_(False)
        for net in networks(small)
    )
    encode, decode = autoencoder(vae)
    prompt = torch.zeros(1, 77, unet.config["cross_attention_dim"], device=device, dtype=precision)
    stride = 2 ** (len(vae.config["block_out_channels"]) - 1)
    card = PriorCard(
        name="random weights",
        sha256="0" * 64,
        licence="none",
        attribution="",
        trained_on="nothing",
        size=512,
        channels=3,
        stride=stride,
        multiple=stride * 2 ** (len(unet.config["block_out_channels"]) - 1),
        latent_channels=4,
        latent_scale=(0.18215,),
        prediction_type="epsilon",
        not_for="anything but timing",
        files={},
    )
    alphas = schedule(
        {"num_train_timesteps": 1000, "beta_start": 8.5e-4, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    )

    # copies, also where there is nothing to convert: the counter of FLOPs can't hook the solver's own leaf
    def network(z: Tensor, t: Tensor) -> Tensor:
        found: Tensor = unet(z.to(precision, copy=True), t, prompt.expand(len(z), -1, -1), return_dict=False)[0]
        return found.float()

    def narrow(call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x: call(x.to(precision, copy=True)).float()

    return LatentPrior(card, alphas.to(device), narrow(encode), narrow(decode), network)


class Bench:
    """One prior on one device; what a run of a method takes there."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.device, self.size = options.device, options.size
        self.precision = getattr(torch, options.precision)
        self.prior = prior(options.small, options.device, self.precision)

    def run(self, method: str, batch: int, steps: int) -> Tensor:
        solver, _, start = METHODS[method]
        line = torch.linspace(-1, 1, self.size, device=self.device)
        x = (line[:, None] * line[None, :]).expand(batch, 1, -1, -1).contiguous()
        observed = torch.zeros_like(x, dtype=torch.bool)
        observed[..., : self.size // 3, : self.size // 3] = True
        operator = Inpainting(observed)
        drawn = SampleNoise(list(range(batch)), self.device)
        with torch.no_grad():
            z = self.prior.encode(x)
        extra = {} if method == "upstream" else {"t0": start}
        made: Tensor = solver(Problem(self.prior, operator, operator.forward(x), drawn, z), steps=steps, **extra)
        return made

    def seconds(self, method: str, batch: int, steps: int) -> float:
        self._wait()
        began = time.perf_counter()
        self.run(method, batch, steps)
        self._wait()
        return time.perf_counter() - began

    def flops(self, method: str, steps: int) -> int:
        with FlopCounterMode(display=False) as counter:
            self.run(method, 1, steps)
        return int(counter.get_total_flops())

    def measure(self, method: str, batch: int, flops: tuple[int, int]) -> dict[str, Any]:
        self.run(method, batch, 1)  # warms up
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self.device)
        short, long = (min(self.seconds(method, batch, n) for _ in range(2)) for n in (SHORT, LONG))
        step = max(long - short, 1e-9) / (LONG - SHORT)
        once = max(short - SHORT * step, 0.0)
        _, nominal, _ = METHODS[method]
        per_step = (flops[1] - flops[0]) / (LONG - SHORT)
        peak = torch.cuda.max_memory_allocated(self.device) / 1e9 if self.device.startswith("cuda") else None
        return {
            "method": method,
            "batch": batch,
            "steps": nominal,
            "step_s": step,
            "s_per_image": (nominal * step + once) / batch,
            "tflop_per_image": (flops[0] + (nominal - SHORT) * per_step) / 1e12,
            "tflop_per_s": per_step * batch / step / 1e12,
            "peak_gb": peak,
        }

    def matrix_rate(self, side: int) -> float:
        """TFLOP/s of a matrix product of side × side."""
        a, b = (torch.randn(side, side, device=self.device, dtype=self.precision) for _ in range(2))
        times = []
        for _ in range(5):
            self._wait()
            began = time.perf_counter()
            for _ in range(4):
                a @ b
            self._wait()
            times.append((time.perf_counter() - began) / 4)
        return 2 * side**3 / min(times) / 1e12

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)


def main(options: argparse.Namespace) -> None:
    bench = Bench(options)
    rate = bench.matrix_rate(256 if options.small else 8192)
    name = torch.cuda.get_device_name(options.device) if options.device.startswith("cuda") else options.device
    rows = []
    for method in options.method:
        flops = bench.flops(method, SHORT), bench.flops(method, LONG)
        for batch in options.batch:
            try:
                rows.append(bench.measure(method, batch, flops))
            except torch.OutOfMemoryError:
                print(f"{method}: batch {batch} doesn't fit", flush=True)
                torch.cuda.empty_cache()
                break
            print(json.dumps(rows[-1]), flush=True)
    found = {
        "device": name,
        "torch": torch.__version__,
        "size": options.size,
        "small": options.small,
        "precision": options.precision,
    }
    found |= {"matrix_tflop_per_s": rate, "rows": rows, "verdicts": verdicts(rows, rate)}
    print(markdown(rows))
    print(f"\n{name}: {options.precision} matrix product {rate:.3g} TFLOP/s")
    print(json.dumps(found["verdicts"]))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def verdicts(rows: list[dict[str, Any]], rate: float) -> dict[str, Any]:
    """The figures that the bars are for; None where a row is missing."""
    best = {m: min((r["s_per_image"] for r in rows if r["method"] == m), default=None) for m in METHODS}
    peaks = [row["peak_gb"] for row in rows if row["batch"] == 1 and row["peak_gb"] is not None]
    speed = max((row["tflop_per_s"] for row in rows if row["method"] == "psld"), default=None)
    return {
        "default_s_per_image": best["default"],
        "times_upstream": best["upstream"] / best["default"] if best["upstream"] and best["default"] else None,
        "psld_of_matrix_rate": speed / rate if speed else None,
        "peak_gb_at_batch_1": max(peaks, default=None),
        "bars": BARS,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a small architecture, to try the script")
    parser.add_argument("--precision", choices=["bfloat16", "float16", "float32"], default="bfloat16")
    parser.add_argument("--size", type=int, help="px; 512, or 64 with --small")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--method", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    chosen.size = chosen.size or (64 if chosen.small else 512)
    main(chosen)
