"""Turn a MONAI bundle with pickled weights into a folder that medaug loads, once."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from medaug.errors import PriorError
from medaug.inverse.aligned import load_tensors
from medaug.inverse.priors.card import PriorCard, unwritable, write_card
from medaug.inverse.priors.latent_prior import frozen
from medaug.inverse.priors.loaders.layout import shown
from medaug.inverse.priors.loaders.monai import LATENT, WEIGHTS, Axes, LatentFacts, build, load_monai, maps
from medaug.inverse.priors.loaders.monai_bundle import CONFIG, METADATA, Bundle, read_bundle, stated_facts
from medaug.storage.atomic import new_folder

CHECKPOINTS = {
    "autoencoder": ("models/model_autoencoder.pt", "models/autoencoder.pt", "models/model_autoencoder.safetensors"),
    "network": ("models/model.pt", "models/model_diffusion.pt", "models/diffusion.pt", "models/model.safetensors"),
}
TIMEOUT_SECONDS = 600


def convert_bundle(
    bundle: Path,
    output: Path,
    *,
    scale_factor: float | None = None,
    images: Callable[[int], Tensor] | None = None,
    value_range: tuple[float, float] | None = None,
    axes: Axes | None = None,
) -> PriorCard:
    """Read a bundle's configuration and checkpoints, and write a prior of safetensors.

    Args:
        bundle: its folder, with ``configs/`` and ``models/``; left as it is.
        output: new folder.
        scale_factor: what the diffusion model's training multiplied latents with; estimated from ``images`` if None.
        images: size in px → the user's images (B, 1, size, size) in [-1, 1].
        value_range: grey levels of black and white; what the bundle's metadata says if None.
        axes: see `LatentFacts`; ``ras`` if None and the metadata names nibabel, else ``rows-columns``.

    Raises:
        PriorError: not such a bundle, or what it leaves out isn't given.
        OutputError: the disk didn't take it; nothing partial is visible.
    """
    if output.exists():
        raise PriorError(
            "prior convert: expected a new folder for --output, found one of that name; give another", code="prior-name"
        )
    if scale_factor is None and images is None:
        raise PriorError(
            "prior convert: a bundle's files leave out the scale of its latents; give --scale-factor from its training "
            "log, or --images with some of the images it is meant for, and it is estimated",
            code="prior-config",
        )
    read = read_bundle(bundle)
    try:
        with new_folder(output) as staged:
            autoencoder = _networks(bundle, staged, read)
            facts = _facts(bundle, value_range, axes)
            if scale_factor is None:
                assert images is not None
                facts = _estimated(
                    facts, frozen(autoencoder, "cpu"), images(_size(bundle, read.multiple)), read.autoencoder
                )
            else:
                facts = replace(facts, scale_factor=scale_factor, scale_from="given")
            (staged / LATENT).write_text(facts.to_json(), encoding="utf-8")
            card = replace(load_monai(staged).card, name=shown(output))
            write_card(staged, card)
    except OSError as error:
        raise unwritable(error) from None
    return card


@torch.no_grad()
def estimated_scale(net: nn.Module, facts: LatentFacts, images: Tensor, channels: int) -> float:
    """1 / standard deviation of the latents of images (B, 1, H, W) in [-1, 1].

    Source: Rombach et al. 2022, arXiv 2112.10752, appendix G (component-wise variance of the first batch).
    """
    encode, _ = maps(net, replace(facts, scale_factor=1.0), channels)
    latents = torch.cat([encode(image[None]) for image in images])
    return 1.0 / max(latents.std().item(), 1e-6)


def _networks(bundle: Path, staged: Path, read: Bundle) -> nn.Module:
    """Copy the configuration, write both networks' weights beside it, and give the autoencoder."""
    for name in (CONFIG, METADATA):
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        if (bundle / name).is_file():
            shutil.copyfile(bundle / name, staged / name)
    (staged / "models").mkdir()
    autoencoder = _converted(bundle, staged, "autoencoder", build("AutoencoderKL", read.autoencoder, bundle))
    _converted(bundle, staged, "network", build("DiffusionModelUNet", read.network, bundle))
    return autoencoder


def _converted(bundle: Path, staged: Path, part: str, net: nn.Module) -> nn.Module:
    """The network with the checkpoint's weights, which are written beside it as safetensors."""
    source = next((bundle / name for name in CHECKPOINTS[part] if (bundle / name).is_file()), None)
    if source is None:
        raise PriorError(
            f"prior {shown(bundle)}: expected {' or '.join(CHECKPOINTS[part][:2])}, found none; download the bundle "
            "with its large files",
            code="prior-weights",
        )
    weights = load_tensors(source) if source.suffix == ".safetensors" else _unpickled(source, bundle)
    try:
        if set(weights) == set(net.state_dict()):
            net.load_state_dict(weights)
        else:
            with contextlib.redirect_stdout(io.StringIO()):  # MONAI prints there
                net.load_old_state_dict(weights)  # type: ignore[operator]
    except (RuntimeError, KeyError) as error:
        raise PriorError(
            f"prior {shown(bundle)}: {source.name}: expected the weights of configs/inference.json's {part}, found "
            f"those of another network ({type(error).__name__}); use files of one bundle",
            code="prior-weights",
        ) from error
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, staged / WEIGHTS[part])
    return net


def _unpickled(source: Path, bundle: Path) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "weights.safetensors"
        command = [sys.executable, "-m", "medaug.children.unpickle", str(source), str(target)]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT_SECONDS)  # noqa: S603
            failed = done.returncode != 0
        except subprocess.TimeoutExpired:
            failed = True
        if failed:
            raise PriorError(
                f"prior {shown(bundle)}: {source.name}: expected a checkpoint of tensors alone, found something that "
                "isn't one or would run code; nothing of it was executed here: get the bundle from its publisher",
                code="prior-weights",
            )
        return load_tensors(target)


def _facts(bundle: Path, value_range: tuple[float, float] | None, axes: Axes | None) -> LatentFacts:
    stated = stated_facts(bundle)
    image: Any = stated.get("autoencoder_data_format", {}).get("inputs", {}).get("image", {})
    levels = value_range or tuple(image.get("value_range", ()))
    if len(levels) != 2 or not all(isinstance(level, int | float) for level in levels) or levels[0] >= levels[1]:
        raise PriorError(
            f"prior {shown(bundle)}: expected the grey levels of black and white in {METADATA} "
            "(autoencoder_data_format), found none; give --value-range LOW HIGH",
            code="prior-config",
        )
    stated_axes: Axes = axes or ("ras" if stated.get("data_type") == "nibabel" else "rows-columns")
    return LatentFacts(1.0, "", (float(levels[0]), float(levels[1])), stated_axes)


def _estimated(facts: LatentFacts, net: nn.Module, images: Tensor, arguments: dict[str, Any]) -> LatentFacts:
    scale = estimated_scale(net, facts, images, int(arguments.get("in_channels", 1)))
    return replace(facts, scale_factor=scale, scale_from=f"estimated from {len(images)} images")


def _size(bundle: Path, multiple: int) -> int:
    image = stated_facts(bundle).get("autoencoder_data_format", {}).get("inputs", {}).get("image", {})
    return -(-int(max(image.get("spatial_shape", [256]))) // multiple) * multiple
