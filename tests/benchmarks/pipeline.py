"""What medaug adds to diffusers: ``python tests/benchmarks/pipeline.py``, `blend` against its in-painting pipeline.

The same networks (Stable Diffusion's parts, shrunk, at random weights; `gpu.networks`), the same steps, image, mask and
float32, from an image to an image: StableDiffusionInpaintPipeline without guidance and with a ready embedding, medaug's
adapter and `blend` with the levers off. They take turns in one process, so that a busy machine slows both; the ratio of
each pair counts. The bar is 1.1. Calls of the networks are counted, since a ratio says little where one does more.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.priors.loaders.diffusers import autoencoder
from medaug.inverse.priors.networks.unet import schedule
from medaug.inverse.protocols import Problem
from medaug.inverse.solvers.blend import blend
from tests.benchmarks.gpu import networks, prior
from tests.benchmarks.tables import markdown

STEPS, START = 25, 0.6
BETAS = {"num_train_timesteps": 1000, "beta_start": 8.5e-4, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def theirs(vae: Any, unet: Any, image: torch.Tensor, mask: torch.Tensor) -> Callable[[], Any]:
    from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline

    pipeline = StableDiffusionInpaintPipeline(
        vae=vae,
        text_encoder=None,
        tokenizer=None,
        unet=unet,
        scheduler=DDIMScheduler(**BETAS, clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    size = image.shape[-1]
    prompt = torch.zeros(1, 77, unet.config["cross_attention_dim"])
    colour = (image.expand(-1, 3, -1, -1) + 1) / 2

    def call() -> Any:
        return pipeline(
            prompt_embeds=prompt,
            image=colour,
            mask_image=mask,
            height=size,
            width=size,
            strength=START,
            num_inference_steps=round(STEPS / START),
            guidance_scale=1.0,
            output_type="pt",
            generator=torch.Generator().manual_seed(0),
        ).images

    return call


def ours(vae: Any, unet: Any, image: torch.Tensor, mask: torch.Tensor) -> Callable[[], Any]:
    encode, decode = autoencoder(vae)
    prompt = torch.zeros(1, 77, unet.config["cross_attention_dim"])
    card = prior(True, "cpu", "float32").card
    made = LatentPrior(card, schedule(BETAS), encode, decode, lambda z, t: unet(z, t, prompt, return_dict=False)[0])
    operator = Inpainting(mask == 0)

    def call() -> Any:
        with torch.no_grad():
            z = made.encode(image)
        return blend(Problem(made, operator, operator.forward(image), SampleNoise([0]), z), steps=STEPS, t0=START)

    return call


def counted(vae: Any, unet: Any, call: Callable[[], Any]) -> dict[str, int]:
    """How often each network is called."""
    calls: Counter[str] = Counter()
    hooks = [
        net.register_forward_pre_hook(lambda *_, name=name: calls.update([name]))
        for name, net in (("unet", unet), ("encoder", vae.encoder), ("decoder", vae.decoder))
    ]
    call()
    for hook in hooks:
        hook.remove()
    return dict(calls)


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    vae, unet = (net.eval().requires_grad_(False) for net in networks(small=True))
    line = torch.linspace(-1, 1, options.size)
    image = (line[:, None] * line[None, :])[None, None]
    mask = torch.ones_like(image)  # diffusers: 1 is repainted
    mask[..., : options.size // 3, : options.size // 3] = 0
    ways = {"diffusers": theirs(vae, unet, image, mask), "medaug": ours(vae, unet, image, mask)}
    calls = {name: counted(vae, unet, call) for name, call in ways.items()}  # and warms up
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(options.pairs):
        for name, call in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = (
        np.array([b[n] / a[n] for a, b in zip(taken["diffusers"], taken["medaug"], strict=True)]) for n in (0, 1)
    )
    rows = [
        {
            "way": name,
            **calls[name],
            "wall_s": float(np.median([t[0] for t in x])),
            "cpu_s": float(np.median([t[1] for t in x])),
        }
        for name, x in taken.items()
    ]
    ratios = {
        name: {"median": float(np.median(x)), "least": float(x.min()), "greatest": float(x.max())}
        for name, x in (("wall", wall), ("cpu", cpu))
    }
    print(markdown(rows))
    for name, found in ratios.items():
        print(f"medaug over diffusers, {name}: {found['median']:.3f} ({found['least']:.3f}–{found['greatest']:.3f})")
    if options.out:
        options.out.write_text(json.dumps({"rows": rows, "ratios": ratios, "pairs": options.pairs}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
