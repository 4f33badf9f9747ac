"""What else a user could take, in one run on this CPU.

MONAI's and TorchIO's classic transforms, diffusers' in-painting pipeline, deepinv's DPS, medaug's default for limbs.
Same held-out radiographs at 256 px, same box, one thread, each method in a process of its own. Peers with a network get
the embedded prior's own UNet and autoencoder, through diffusers' and deepinv's classes, so that methods are compared
and not weights. Needs ``pip install -r requirements-peers.txt`` in an environment of its own.

  cpu_s       CPU seconds an image, from pixels to pixels, medians; a first image warms up
  peak_mib    most memory of the whole process, libraries included; the row *nothing* is this script's own
  box_db      of what the method returns inside the box and its margin, against the source, dB of range 2: a label is
              kept where nothing changed. medaug returns the source's numbers there; classic transforms move the label
  distance    sliced Wasserstein of the free region to the source's there; less is better, no change at all is best
  change      mean |difference| to the source outside of the box, grey levels of 255: what one augments for
  sharpness, noise, seam, mottle   as in solver_bench.py, protected pixels pasted into what the peer returns
  AUC pasted, restored   of the judge (medaug.benchmark.realism), with its 95 % interval, in whole grey levels of 255:
              0.5 where it can't tell; of that image, and of one restored as medaug restores its own (what the method
              and the autoencoder differ by, tapered, with the profile's settings). A peer counts by the better one

medaug's solver, its restoration and what it is judged by are those of the shipped profile, so a new default is measured
by the same command. By estimate, 24 images take 8 CPU minutes of solving and 7 of the judge:

    python -m tests.benchmarks.peers --data POOL --count 24 --out docs/measurements/peers.json

deepinv's DDRM and DiffPIR need a network that works where the measurement is linear, on pixels; deepinv's networks are
downloaded from the web, and none is trained on radiographs. So only DPS, which asks for a gradient alone, is here: on
the latents, the decoder part of its physics, without its clipping to [-1, 1], which latents exceed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medaug.assemble import solver_of
from medaug.benchmark.realism.judge import FOLDS
from medaug.inverse.noise import SampleNoise
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.protocols import Problem
from medaug.profile.load import load_profile
from medaug.training.calibration import Layouts
from tests.benchmarks.peers_judge import told
from tests.benchmarks.peers_page import CLASSIC, DEFAULT, OURS, of_page, page
from tests.benchmarks.solver_bench import Subjects, embedded, figures, pooled_distance, restored, subjects
from tests.benchmarks.tables import markdown

Method = Callable[[Subjects, int], np.ndarray]  # an image with its layout, a seed → (H, W), what comes back
QUICK = 3  # steps of a warm-up: one of diffusers' from 0.4
KEPT: list[Any] = []


def medaug_default(steps: int | None) -> Method:
    profile = load_profile(DEFAULT)
    spec = profile.solver if steps is None else profile.solver.model_copy(update={"steps": steps})
    prior = embedded()
    solver = solver_of(profile.model_copy(update={"solver": spec}), prior.card)

    def method(one: Subjects, seed: int) -> np.ndarray:
        with torch.no_grad():
            start = prior.encode(one.x)
        y = one.operator.forward(one.x)
        solved = solver(Problem(prior, one.operator, y, SampleNoise([seed]), start))[:, 0].numpy()
        return restored(one, solved, "delta")[0]

    return method


def diffusers_inpainting(given: int, strength: float, steps: int | None) -> Method:
    from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline

    from medaug.inverse.priors.networks.unet import SCHEDULER

    settings = {name: value for name, value in SCHEDULER.items() if not name.startswith("_")}
    pipeline = StableDiffusionInpaintPipeline(
        vae=Autoencoder(embedded()),
        text_encoder=None,
        tokenizer=None,
        unet=Unet(embedded()),
        scheduler=DDIMScheduler(**settings, clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)

    def method(one: Subjects, seed: int) -> np.ndarray:
        made = pipeline(
            prompt_embeds=torch.zeros(1, 1, 8),
            image=(one.x.expand(-1, 3, -1, -1) + 1) / 2,
            mask_image=(~one.layouts.protected).float(),
            height=one.x.shape[-2],
            width=one.x.shape[-1],
            strength=strength,
            num_inference_steps=steps or given,
            guidance_scale=1.0,
            output_type="pt",
            generator=torch.Generator().manual_seed(seed),
        ).images
        return (2 * made[0, 0] - 1).numpy()

    return method


class Autoencoder(nn.Module):
    """The embedded autoencoder as the pipeline asks for one: colour in and out, a distribution that is a point."""

    def __init__(self, prior: LatentPrior) -> None:
        super().__init__()
        self.prior, self.dtype, self.device = prior, torch.float32, torch.device("cpu")
        self.config = SimpleNamespace(
            latent_channels=8, block_out_channels=(1, 1, 1, 1), scaling_factor=1.0, force_upcast=False
        )

    def encode(self, x: Tensor) -> SimpleNamespace:
        return SimpleNamespace(latents=self.prior.encode(x.mean(1, keepdim=True)))

    def decode(self, z: Tensor, **_: Any) -> tuple[Tensor]:
        return (self.prior.decode(z).expand(-1, 3, -1, -1),)


class Unet(nn.Module):
    """The embedded UNet as the pipeline asks for one; it takes any number of channels for four."""

    def __init__(self, prior: LatentPrior) -> None:
        super().__init__()
        self.prior, self.dtype, self.device = prior, torch.float32, torch.device("cpu")
        self.config = SimpleNamespace(in_channels=4, time_cond_proj_dim=None, sample_size=32, cross_attention_dim=8)

    def forward(self, z: Tensor, t: Tensor, **_: Any) -> tuple[Tensor]:
        return (self.prior.network(z, torch.as_tensor(t).reshape(-1).expand(len(z))),)


def deepinv_dps(given: int, steps: int | None) -> Method:
    import deepinv

    prior = embedded()
    count = steps or given

    class Latents(deepinv.models.base.Denoiser):
        """x = z0 + sigma eps → z0, by the embedded UNet at the time of that noise."""

        def forward(self, x: Tensor, sigma: Tensor | float, **_: Any) -> Tensor:
            abar = 1 / (1 + torch.as_tensor(sigma, dtype=torch.float32).reshape(-1) ** 2)
            t = (prior.alphas_cumprod[None] - abar[:, None]).abs().argmin(1).expand(len(x))
            return prior.denoise(abar.sqrt().reshape(-1, 1, 1, 1) * x, t)

    network = Latents()
    posterior = deepinv.sampling.PosteriorDiffusion(
        data_fidelity=deepinv.sampling.DPSDataFidelity(denoiser=network, clip=None, weight=1.0, guidance="norm"),
        denoiser=network,
        sde=deepinv.sampling.VariancePreservingDiffusion(device="cpu", dtype=torch.float32),
        solver=deepinv.sampling.DDPMSolver(timesteps=torch.linspace(1, 0, count), rng=torch.Generator()),
        minus_one_one=False,
        dtype=torch.float32,
        device="cpu",
    )

    def method(one: Subjects, seed: int) -> np.ndarray:
        physics = deepinv.physics.Physics(A=lambda z, **_: one.operator.forward(prior.decode(z)))
        shape = (1, prior.card.latent_channels, *(side // prior.card.stride for side in one.x.shape[-2:]))
        z = posterior(one.operator.forward(one.x), physics, x_init=shape, seed=seed)
        with torch.no_grad():
            return prior.decode(z.float())[0, 0].numpy()

    return method


def without_compiled_torchvision() -> None:
    """Tell torch of the operators whose absence keeps a torchvision for CUDA's torch from loading beside a CPU's.

    diffusers and deepinv want its image functions, which aren't compiled.
    """
    there = [version(name) for name in ("torch", "torchvision")]
    if there[0].endswith("+cpu") and not there[1].endswith("+cpu"):
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        KEPT.append(library)  # what it defines goes with it


def monai_classic(steps: int | None) -> Method:  # noqa: ARG001 - it has none
    from monai.transforms import Compose, RandAdjustContrast, RandAffine, RandGaussianNoise, RandGaussianSmooth

    turned = RandAffine(
        prob=1, rotate_range=0.26, scale_range=0.15, translate_range=15, shear_range=0.05, padding_mode="border"
    )
    chain = Compose(
        [
            turned,
            RandAdjustContrast(prob=1, gamma=(0.7, 1.4)),
            RandGaussianSmooth(prob=1),
            RandGaussianNoise(prob=1, std=0.03),
        ]
    )

    def method(one: Subjects, seed: int) -> np.ndarray:
        chain.set_random_state(seed)
        return np.asarray(chain(one.x[0]))[0]

    return method


def torchio_classic(steps: int | None) -> Method:  # noqa: ARG001 - it has none
    import torchio

    chain = torchio.Compose(
        [
            torchio.RandomAffine(scales=(0.85, 1.15, 0.85, 1.15, 1, 1), degrees=(0, 0, 0, 0, -15, 15)),
            torchio.RandomBiasField(),
            torchio.RandomBlur(),
            torchio.RandomNoise(std=0.03),
        ]
    )

    def method(one: Subjects, seed: int) -> np.ndarray:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return np.asarray(chain(one.x[0][..., None]))[0, ..., 0]

    return method


METHODS: dict[str, Callable[[int | None], Method]] = {
    "nothing": lambda _: lambda one, _seed: one.x[0, 0].numpy(),
    "MONAI, classic": monai_classic,
    "TorchIO, classic": torchio_classic,
    OURS: medaug_default,
    "diffusers in-painting, 6 of 15 steps": partial(diffusers_inpainting, 15, 0.4),
    "diffusers in-painting, 50 steps": partial(diffusers_inpainting, 50, 1.0),
    "deepinv DPS, 100 steps": partial(deepinv_dps, 100),
    "deepinv DPS, 1000 steps": partial(deepinv_dps, 1000),
}
FEWER = {"deepinv DPS, 1000 steps": 1}  # images, where minutes go into one


def measured(name: str, drawn: Path) -> dict[str, Any]:
    """One method on all images, in this process."""
    torch.set_num_threads(1)
    without_compiled_torchvision()
    x, *masks = torch.load(drawn)
    count = FEWER.get(name, len(x))
    these = Subjects(x[:count], Layouts(*(mask[:count] for mask in masks)), restore=load_profile(DEFAULT).restore)
    METHODS[name](QUICK)(these.one(0), 0)  # warms up
    method, made, taken = METHODS[name](None), [], []
    for number in range(count):
        began = time.process_time()
        made.append(method(these.one(number), number))
        taken.append(time.process_time() - began)
    peak = peak_of_this_program()  # before quality is looked at
    x, protected = these.x[:, 0].numpy(), these.layouts.protected[:, 0].numpy()
    images = np.clip(np.stack(made), -1, 1)
    missed = [float(np.square(a - b)[where].mean()) for a, b, where in zip(images, x, protected, strict=True)]
    changed = [float(np.abs(a - b)[~where].mean()) for a, b, where in zip(images, x, protected, strict=True)]
    row = {
        "method": name,
        "images": count,
        "cpu_s": float(np.median(taken)),
        "peak_mib": peak,
        "box_db": float(np.median([10 * np.log10(4 / max(error, 1e-12)) for error in missed])),
        "change": 127.5 * float(np.median(changed)),
        "distance": pooled_distance(these, images),
    }
    if name in CLASSIC:  # the image has moved: nothing of it lies beside what was kept
        return row
    of_each = figures(these, images, "replace")
    row |= {key: float(np.nanmedian([one[key] for one in of_each])) for key in ("sharpness", "noise", "seam", "mottle")}
    ways = ("restored",) if name == OURS else ("pasted", "restored")
    if count < 2 * FOLDS:
        return row
    return row | {f"auc_{way}": told(these, images if name == OURS else as_user(these, images, way)) for way in ways}


def as_user(these: Subjects, images: np.ndarray, way: str) -> np.ndarray:
    """What a peer returned, with the protected pixels of the source, by either way."""
    return restored(these, images, "replace" if way == "pasted" else "delta")


def peak_of_this_program() -> int:
    """MiB; what getrusage says includes the program that started this one."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return round(int(line.split()[1]) / 1024)


def main(options: argparse.Namespace) -> None:
    rows, before = list[dict[str, Any]](), os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        drawn = options.drawn or Path(folder) / "drawn.pt"  # read by each, so that none holds the whole pool
        if not drawn.exists():
            profile = load_profile(DEFAULT)
            these = subjects(options.data, options.count, profile.restore, profile.regions.sigma)
            torch.save([these.x, these.layouts.protected, these.layouts.observed, these.layouts.inside], drawn)
        for name in options.method:
            child = [sys.executable, "-m", "tests.benchmarks.peers", "--one", name, "--drawn", str(drawn)]
            done = subprocess.run(child, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                print(f"{name}: ended with {done.returncode}", flush=True)
                continue
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(rows[-1]), flush=True)
    if options.out:
        packages = {name: version(name) for name in ("torch", "monai", "torchio", "diffusers", "deepinv")}
        found = {
            "when": date.today().isoformat(),
            "load": [before, os.getloadavg()],
            "packages": packages,
            "rows": rows,
        }
        options.out.write_text(json.dumps(found, indent=1) + "\n")
        options.out.with_suffix(".md").write_text(page(found))
    print(markdown([of_page(row) for row in rows]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the training pool")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--method", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--one", choices=list(METHODS), help=argparse.SUPPRESS)
    parser.add_argument("--drawn", type=Path, help="keep the drawn images there, or take those that are")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--written", action="store_true", help="write the page of what --out holds, measure nothing")
    chosen = parser.parse_args()
    if chosen.written:
        text = page(json.loads(chosen.out.read_text()))
        chosen.out.with_suffix(".md").write_text(text)
    elif chosen.one:
        print(json.dumps(measured(chosen.one, chosen.drawn)))
    else:
        main(chosen)
