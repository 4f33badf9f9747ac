"""What a solve costs on a GPU: ``python gpu.py``; of medaug's repository nothing but this file is needed.

Needs an installed medaug (``pip install medaug``) and a torch that finds the device; downloads nothing. Three parts:

1. Solves at random weights of Stable Diffusion 1.4's architecture at 512 px (time and memory don't depend on weights),
   and of the embedded prior at 256 px. Per method and batch, the time of one step and of what comes once are taken from
   a short and a longer run, and s/image follows for the nominal steps:

     upstream    the public PSLD code's arithmetic, 1000 steps from pure noise (its second, needless network call of
                 classifier-free guidance is not charged)
     paper, …    the solver of each shipped profile that has another one, closing included

   Networks run as `medaug run` runs them: products in ``--precision`` (autocast), channels last on CUDA; all else is
   float32. TFLOP/s counts multiplications and additions, forward and backward (torch.utils.flop_counter), beside the
   measured rate of a large matrix product. Peak memory is PyTorch's own count; on a CPU there is none.
2. ``medaug run``, whole, on ``--images`` synthetic radiographs of 2500 × 2000 px, one variant each, start and plan
   included. The device works for what part 1 says that so many images take at the run's batch; the rest of the time it
   waits.
3. The figures beside their bars: the default ≤ 1 s/image at the best batch and ≥ 20 × upstream at SD's size; a step of
   the paper's ≥ 35 % of the matrix rate; peak ≤ 8 GB at batch 1; the embedded prior ≥ 200 images a second.

``--smoke --device cpu --precision float32`` runs all of it at toy sizes, in half a minute, to try the script.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import medaug
from medaug.assemble import solver_of
from medaug.assemble.settling import settled_on
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.card import PriorCard
from medaug.inverse.priors.latent_prior import LatentPrior, frozen
from medaug.inverse.priors.loaders.diffusers import autoencoder
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.inverse.priors.networks.precision import Precision, economical
from medaug.inverse.priors.networks.unet import schedule
from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.ddim import ddim, noise_in
from medaug.inverse.sampling.schedule import times
from medaug.profile.profile import Profile

SHORT, LONG = 2, 6  # steps
UPSTREAM, DEFAULT = "upstream", "bone-xray"
PROFILES = ("paper", DEFAULT, "body-ct", "brain-mr", "degraded-xray")  # one of each solver and number of steps
WEIGHTS = {"omega": 0.03, "gamma": 0.01}  # any will do for timing
SD, EMBEDDED = "sd-1.4", "embedded"
BARS = {"s_per_image": 1.0, "times_upstream": 20.0, "of_matrix_rate": 0.35, "peak_gb": 8.0, "embedded_per_s": 200.0}


def upstream(
    problem: Problem,
    *,
    steps: int = 1000,
    omega: float = 1.0,
    gamma: float = 0.2,
    measurement_noise: float = 0.05,
    posterior_std: float = 0.0,
) -> Tensor:
    """The arithmetic of the public PSLD code, defects included, to be compared with. Never for use.

    Written from a description of its defects, not from its code:

    * one norm over the whole batch, so that batch-mates pull on each other;
    * fresh noise in the prediction at every step, of the measurement's size;
    * the identity in place of the transpose;
    * the encoder's posterior is sampled, where the prior has one (`posterior_std`);
    * the weights hold for one step, however many there are;
    * nothing is pasted back.

    Returns:
        Images that should explain ``y``, from pure noise; of ``start`` only the shape is used.
    """
    prior, operator, y, noise = problem.prior, problem.operator, problem.y, problem.noise
    shape = tuple((prior.encode(torch.zeros_like(y)) if problem.start is None else problem.start).shape)
    z_t = noise(shape)
    for step, (t, abar_t, abar_s) in enumerate(times(prior.alphas_cumprod, steps, 1.0)):
        if problem.on_step:
            problem.on_step(step, steps)
        z_t = z_t.detach().requires_grad_(True)
        with torch.enable_grad():
            z0 = prior.denoise(z_t, torch.full((len(z_t),), t, device=z_t.device))
            x0 = prior.decode(z0)
            predicted = operator.forward(x0) + measurement_noise * noise(tuple(y.shape))
            glued = y + x0 - operator.forward(x0)
            encoded = prior.encode(glued)
            if posterior_std:
                encoded = encoded + posterior_std * noise(shape)
            loss = omega * torch.linalg.vector_norm(predicted - y) + gamma * torch.linalg.vector_norm(encoded - z0)
            (gradient,) = torch.autograd.grad(loss, z_t)
        z_t, z0 = z_t.detach(), z0.detach()
        z_t = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, 0.0, noise) - gradient
    with torch.no_grad():
        return prior.decode(z_t)


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


def prior(small: bool, device: str, precision: Precision) -> LatentPrior:
    """The adapter that medaug uses, around networks that run in ``precision``."""
    vae, unet = (frozen(net, device) for net in networks(small))
    encode, decode = autoencoder(vae)
    prompt = torch.zeros(1, 77, unet.config["cross_attention_dim"], device=device)  # type: ignore[index]
    stride = 2 ** (len(vae.config["block_out_channels"]) - 1)  # type: ignore[index]
    card = PriorCard(
        name="random weights",
        sha256="0" * 64,
        licence="none",
        attribution="",
        trained_on="nothing",
        size=512,
        channels=3,
        stride=stride,
        multiple=stride * 2 ** (len(unet.config["block_out_channels"]) - 1),  # type: ignore[index]
        latent_channels=4,
        latent_scale=(0.18215,),
        prediction_type="epsilon",
        not_for="anything but timing",
        files={},
    )
    alphas = schedule(
        {"num_train_timesteps": 1000, "beta_start": 8.5e-4, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    )

    def network(z: Tensor, t: Tensor) -> Tensor:
        found: Tensor = unet(z, t, prompt.expand(len(z), -1, -1), return_dict=False)[0]
        return found

    return economical(LatentPrior(card, alphas, encode, decode, network), device, precision=precision)


def solver(method: str, card: PriorCard, steps: int) -> Callable[[Problem], Tensor]:
    """The method's, with so many steps in place of its own; its start stays."""
    if method == UPSTREAM:
        return partial(upstream, steps=steps)
    profile = medaug.load_profile(method)
    spec = profile.solver
    known = {name: value for name, value in WEIGHTS.items() if getattr(spec, name, 0) is None}
    shorter = spec.model_copy(update={"steps": steps, **known})
    return solver_of(profile.model_copy(update={"solver": shorter}), card)


def nominal(method: str) -> int:
    return 1000 if method == UPSTREAM else medaug.load_profile(method).solver.steps


class Bench:
    """One prior on one device; what a run of a method takes there."""

    def __init__(self, name: str, made: LatentPrior, size: int, device: str) -> None:
        self.name, self.prior, self.size, self.device = name, made, size, device

    def run(self, method: str, batch: int, steps: int, counted: LatentPrior | None = None) -> Tensor:
        line = torch.linspace(-1, 1, self.size, device=self.device)
        x = (line[:, None] * line[None, :]).expand(batch, 1, -1, -1).contiguous()
        observed = torch.zeros_like(x, dtype=torch.bool)
        observed[..., : self.size // 3, : self.size // 3] = True
        operator, made = Inpainting(observed), counted or self.prior
        with torch.no_grad():
            z = made.encode(x)
        drawn = SampleNoise(list(range(batch)), self.device)
        return solver(method, made.card, steps)(Problem(made, operator, operator.forward(x), drawn, z))

    def seconds(self, method: str, batch: int, steps: int) -> float:
        wait(self.device)
        began = time.perf_counter()
        self.run(method, batch, steps)
        wait(self.device)
        return time.perf_counter() - began

    def flops(self, method: str, steps: int) -> int:
        with FlopCounterMode(display=False) as counter:
            self.run(method, 1, steps, copying(self.prior))
        return int(counter.get_total_flops())

    def measure(self, method: str, batch: int, flops: tuple[int, int]) -> dict[str, Any]:
        self.run(method, batch, 1)  # warms up
        cuda = self.device.startswith("cuda")
        if cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        short, long = (min(self.seconds(method, batch, n) for _ in range(2)) for n in (SHORT, LONG))
        step = max(long - short, 1e-9) / (LONG - SHORT)
        once, steps = max(short - SHORT * step, 0.0), nominal(method)
        per_step = (flops[1] - flops[0]) / (LONG - SHORT)
        return {
            "prior": self.name,
            "method": method,
            "batch": batch,
            "steps": steps,
            "step_s": step,
            "s_per_image": (steps * step + once) / batch,
            "images_per_s": batch / (steps * step + once),
            "tflop_per_image": (flops[0] + (steps - SHORT) * per_step) / 1e12,
            "tflop_per_s": per_step * batch / step / 1e12,
            "peak_gb": torch.cuda.max_memory_allocated(self.device) / 1e9 if cuda else None,
        }

    def rows(self, methods: list[str], batches: list[int]) -> Iterator[dict[str, Any]]:
        for method in methods:
            flops = self.flops(method, SHORT), self.flops(method, LONG)
            for batch in batches:
                try:
                    yield self.measure(method, batch, flops)
                except torch.OutOfMemoryError:
                    print(f"{self.name}, {method}: batch {batch} doesn't fit", flush=True)
                    torch.cuda.empty_cache()
                    break


def copying(made: LatentPrior) -> LatentPrior:
    """The counter of FLOPs can't hook the solver's own leaf, so networks get a copy of it."""
    return LatentPrior(
        made.card,
        made.alphas_cumprod,
        lambda x: made.encoder(x.clone()),
        lambda z: made.decoder(z.clone()),
        lambda z, t: made.network(z.clone(), t),
    )


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def matrix_rate(side: int, device: str, dtype: torch.dtype) -> float:
    """TFLOP/s of a matrix product of side × side."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    taken = []
    for _ in range(5):
        wait(device)
        began = time.perf_counter()
        for _ in range(4):
            a @ b
        wait(device)
        taken.append((time.perf_counter() - began) / 4)
    return 2 * side**3 / min(taken) / 1e12


def radiographs(folder: Path, count: int, rows: int, columns: int) -> Path:
    """Limbs in noise as 16-bit PNG, and a box on each; where the boxes stand."""
    folder.mkdir()
    i, j = np.mgrid[0:rows, 0:columns]
    images, boxes = [], []
    for number in range(count):
        across = np.abs(j / columns - 0.5 - 0.1 * np.sin(3 * i / rows + number)) / 0.25
        value = 2000 + 24000 * np.sqrt(np.clip(1 - across**2, 0, None)) + 12000 * (across < 0.3)
        noisy = value + np.random.default_rng(number).normal(0, 400, value.shape)
        Image.fromarray(noisy.clip(0, 65535).astype(np.uint16)).save(folder / f"{number}.png", compress_level=1)
        images.append({"id": number, "file_name": f"{number}.png", "width": columns, "height": rows})
        box = [columns * 0.45, rows * 0.4, columns * 0.1, rows * 0.1]
        boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": box, "area": box[2] * box[3]})
    path = folder.with_suffix(".json")
    categories = [{"id": 1, "name": "finding"}]
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return path


def whole_run(images: int, sides: tuple[int, int], device: str, profile: Profile) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        labels = radiographs(Path(folder) / "in", images, *sides)
        given: dict[str, Any] = {"profile": profile, "annotations": labels, "accept_identity": "synthetic"}
        began = time.perf_counter()
        done = medaug.run(labels.with_suffix(""), Path(folder) / "out", device=device, **given)
        seconds = time.perf_counter() - began
    solved = [record for record in done.records if record.status in {"written", "rejected"}]
    return {
        "images": images,
        "solved": len(solved),
        "written": sum(record.status == "written" for record in solved),
        "batch": solved[0].batch_size if solved else None,
        "seconds": seconds,
        "images_per_s": len(solved) / seconds,
    }


def waiting(found: dict[str, Any], rows: list[dict[str, Any]]) -> float | None:
    """The share of a run in which its device waits: what solving doesn't take, at the nearest batch measured."""
    known = [row for row in rows if (row["prior"], row["method"]) == (EMBEDDED, DEFAULT)]
    if not known or not found["batch"]:
        return None
    nearest = min(known, key=lambda row: abs(row["batch"] - found["batch"]))
    return max(0.0, 1 - found["solved"] * nearest["s_per_image"] / found["seconds"])


def verdicts(rows: list[dict[str, Any]], rate: float) -> dict[str, Any]:
    """The figures that the bars are for; None where a row is missing."""

    def of(prior_name: str, method: str) -> list[dict[str, Any]]:
        return [row for row in rows if (row["prior"], row["method"]) == (prior_name, method)]

    def best(prior_name: str, method: str) -> float | None:
        return min((row["s_per_image"] for row in of(prior_name, method)), default=None)

    theirs, default, embedded = best(SD, UPSTREAM), best(SD, DEFAULT), best(EMBEDDED, DEFAULT)
    peaks = [row["peak_gb"] for row in rows if row["prior"] == SD and row["batch"] == 1 and row["peak_gb"] is not None]
    speed = max((row["tflop_per_s"] for row in of(SD, "paper")), default=None)
    return {
        "default_s_per_image": default,
        "times_upstream": theirs / default if theirs and default else None,
        "paper_of_matrix_rate": speed / rate if speed else None,
        "peak_gb_at_batch_1": max(peaks, default=None),
        "embedded_per_s": 1 / embedded if embedded else None,
        "bars": BARS,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row.values()] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in ([*rows[0]], ["---"] * len(rows[0]), *cells))


def main(options: argparse.Namespace) -> None:
    device, precision = options.device, options.precision
    batches = options.batch or [2**n for n in range(2 if options.smoke else 8)]
    images = options.images if options.images is not None else 8 if options.smoke else 200
    rate = matrix_rate(128 if options.smoke else 8192, device, getattr(torch, precision))
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    embedded = economical(load_embedded(device), device, precision=precision)
    benches = [
        Bench(SD, prior(options.smoke, device, precision), 32 if options.smoke else 512, device),
        Bench(EMBEDDED, embedded, 64 if options.smoke else 256, device),
    ]
    rows = []
    for bench in benches:
        for row in bench.rows(options.method, batches):
            rows.append(row)
            print(json.dumps(row), flush=True)
    default = settled_on(medaug.load_profile(DEFAULT), device)
    smaller = default.model_copy(update={"size": 64, "checks": {}}) if options.smoke else default
    sides = (320, 256) if options.smoke else (2500, 2000)
    whole = whole_run(images, sides, device, smaller) if images else None
    if whole:
        whole["device_waits"] = waiting(whole, rows)
    found = {"device": name, "torch": torch.__version__, "smoke": options.smoke, "precision": precision}
    found |= {"matrix_tflop_per_s": rate, "rows": rows, "run": whole, "verdicts": verdicts(rows, rate)}
    print(markdown(rows), f"\n{name}: {precision} matrix product {rate:.3g} TFLOP/s", sep="\n")
    print(json.dumps(whole), json.dumps(found["verdicts"]), sep="\n")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true", help="toy sizes, to try the script")
    parser.add_argument("--precision", choices=["bfloat16", "float16", "float32"], default="bfloat16")
    parser.add_argument("--batch", type=int, nargs="+", help="1 to 128 by doubling, 1 and 2 for --smoke")
    parser.add_argument("--method", nargs="+", choices=[UPSTREAM, *PROFILES], default=[UPSTREAM, *PROFILES])
    parser.add_argument("--images", type=int, help="of the whole run; 0 for none, 200 if left out, 8 for --smoke")
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
