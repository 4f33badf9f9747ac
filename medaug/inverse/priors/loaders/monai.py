"""A latent diffusion model from a converted 2-D MONAI bundle (`convert.py` makes one of a downloaded bundle).

folder/
  configs/inference.json              what the networks are; read by `bundle.py`, never executed
  models/autoencoder.safetensors      AutoencoderKL of monai.networks.nets
  models/network.safetensors          DiffusionModelUNet of monai.networks.nets, or MAISI's
  latent.json                         scale_factor, value_range and axes: what a bundle's files leave out
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from medaug.errors import PriorError
from medaug.inverse.aligned import load_tensors
from medaug.inverse.priors.card import CARD, CARD_BYTES, PredictionType, PriorCard, card_text, digest_of, with_facts
from medaug.inverse.priors.latent_prior import LatentPrior, Map, Network, frozen
from medaug.inverse.priors.loaders.declared import check_config, check_weights
from medaug.inverse.priors.loaders.layout import digests, shown
from medaug.inverse.priors.loaders.monai_bundle import MAISI, Bundle, read_bundle, stated_facts
from medaug.inverse.priors.rectified_flow import flow_schedule
from medaug.storage.plain_files import is_plain, read_document

LATENT = "latent.json"
WEIGHTS = {"autoencoder": "models/autoencoder.safetensors", "network": "models/network.safetensors"}
Axes = Literal["rows-columns", "ras"]


@dataclass(frozen=True)
class LatentFacts:
    """What decides latents and is in no file of a bundle; it counts in the prior's digest.

    Attributes:
        scale_factor: latents of the autoencoder times this have about unit variance.
        scale_from: how it came to be known: ``given``, or ``estimated from N images``.
        value_range: grey levels of black and white in the bundle's training.
        axes: ``rows-columns`` as images are shown, or ``ras``: the first axis runs to the patient's right and the
            second to the front, as nibabel reads an axial slice.
    """

    scale_factor: float
    scale_from: str
    value_range: tuple[float, float]
    axes: Axes

    def to_json(self) -> str:
        """As it stands in ``latent.json``."""
        return json.dumps(asdict(self), indent=2) + "\n"


def load_monai(path: Path, device: str = "cpu") -> LatentPrior:
    """Load a converted bundle.

    Raises:
        PriorError: a part is missing, not supported, or doesn't fit its configuration.
    """
    bundle, facts = read_bundle(path), read_latent(path)
    _check_declared(bundle, path)
    autoencoder = filled(build("AutoencoderKL", bundle.autoencoder, path), path, "autoencoder", device)
    network = filled(build(bundle.network_class, bundle.network, path), path, "network", device)
    alphas, kind = noise_schedule(bundle, path)
    card = _card(path, bundle, kind, facts)
    encode, decode = maps(autoencoder, facts, int(bundle.autoencoder.get("in_channels", 1)))
    return LatentPrior(card, alphas, encode, decode, _flowing(network) if bundle.flow else _asked(network))


def _asked(network: nn.Module) -> Network:
    return lambda z, t: network(z, timesteps=t)


def _flowing(network: nn.Module) -> Network:
    """MONAI's velocity points to the image, ours to the noise."""
    return lambda z, t: -network(z, timesteps=t)


def _check_declared(bundle: Bundle, path: Path) -> None:
    for part, config in (("autoencoder", bundle.autoencoder), ("network", bundle.network), ("", bundle.scheduler)):
        check_config(config, f"prior {shown(path)}: {part or 'noise_scheduler'}")
    _check_weights(path, "autoencoder", partial(build, "AutoencoderKL", bundle.autoencoder, path))
    _check_weights(path, "network", partial(build, bundle.network_class, bundle.network, path))


def _check_weights(path: Path, part: str, make: Callable[[], nn.Module]) -> None:
    file = path / WEIGHTS[part]
    if is_plain(file):  # else `filled` says it
        check_weights(make, (file,), f"prior {shown(path)}: {WEIGHTS[part]}")


def maps(net: nn.Module, facts: LatentFacts, channels: int) -> tuple[Map, Map]:
    """Encoder and decoder between [-1, 1] as shown and scaled latents of the bundle's own grey levels and axes."""
    low, high = facts.value_range
    encode_mean: Callable[[Tensor], Any] = net.encode  # type: ignore[assignment]
    decode_mean: Callable[[Tensor], Tensor] = net.decode  # type: ignore[assignment]

    def encode(x: Tensor) -> Tensor:
        grey = low + (_turned(x, facts.axes) + 1) * ((high - low) / 2)
        mean: Tensor = encode_mean(grey.expand(-1, channels, -1, -1))[0]
        return mean * facts.scale_factor

    def decode(z: Tensor) -> Tensor:
        grey = decode_mean(z / facts.scale_factor).mean(dim=1, keepdim=True)
        return _turned((grey - low) * (2 / (high - low)) - 1, facts.axes)

    return encode, decode


def read_latent(path: Path) -> LatentFacts:
    """``latent.json``, strictly.

    Raises:
        PriorError: there is none, or it is malformed.
    """
    try:
        data = json.loads(read_document(path / LATENT, CARD_BYTES))
        low, high = map(float, data["value_range"])
        facts = LatentFacts(float(data["scale_factor"]), str(data["scale_from"]), (low, high), data["axes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PriorError(
            f"prior {shown(path)}: expected {LATENT} with scale_factor, scale_from, value_range and axes, found none "
            "or another; convert the bundle with `medaug prior convert BUNDLE -o FOLDER`",
            code="prior-config",
        ) from error
    if not (0 < facts.scale_factor < 1e6 and low < high and facts.axes in get_args(Axes)):
        raise PriorError(
            f"prior {shown(path)}: {LATENT}: expected a scale_factor above 0, a rising value_range and axes of "
            f"{', '.join(get_args(Axes))}; found {data!r:.200}; convert the bundle again",
            code="prior-config",
        )
    return facts


def known_axes(name: str) -> Axes:
    """One of `Axes`, from a text.

    Raises:
        PriorError: none of them.
    """
    for axes in get_args(Axes):
        if name == axes:
            return cast("Axes", axes)
    raise PriorError(
        f"axes: expected one of {', '.join(get_args(Axes))}, found {name!r:.40}; give one of them",
        code="prior-config",
    )


def build(name: str, arguments: dict[str, Any], path: Path) -> nn.Module:
    """A network of MONAI's, by its class, with fresh weights; the global random state stays as it was.

    Raises:
        PriorError: MONAI refuses the arguments.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            net: nn.Module = _class_of(name)(**arguments)
    except ImportError as error:
        raise PriorError(
            f"prior {shown(path)}: {name}: expected what MONAI needs for attention, found it missing; "
            "install medaug[bundles]",
            code="prior-package",
        ) from error
    except (TypeError, ValueError) as error:
        raise PriorError(
            f"prior {shown(path)}: {name}: expected arguments that MONAI takes, found others ({error}); "
            "correct configs/inference.json",
            code="prior-config",
        ) from error
    return net


def _class_of(name: str) -> Callable[..., nn.Module]:
    from monai.networks import nets

    if name != MAISI:
        return cast("Callable[..., nn.Module]", getattr(nets, name))
    from monai.apps.generation.maisi.networks.diffusion_model_unet_maisi import DiffusionModelUNetMaisi

    return lambda channels, **others: DiffusionModelUNetMaisi(num_channels=channels, **others)


def filled(net: nn.Module, path: Path, part: str, device: str) -> nn.Module:
    """The network with its weights, frozen.

    Raises:
        PriorError: no safetensors there, or of another network.
    """
    file = path / WEIGHTS[part]
    if not is_plain(file):
        raise PriorError(
            f"prior {shown(path)}: expected {WEIGHTS[part]}, found none; a bundle's *.pt is pickle, which can run "
            "code: convert it once with `medaug prior convert BUNDLE -o FOLDER`",
            code="prior-weights",
        )
    try:
        net.load_state_dict(load_tensors(file))
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PriorError(
            f"prior {shown(path)}: {WEIGHTS[part]}: expected the weights of configs/inference.json's network, found "
            f"others ({reason}); convert the bundle again",
            code="prior-weights",
        ) from error
    return frozen(net, device)


def noise_schedule(bundle: Bundle, path: Path) -> tuple[Tensor, PredictionType]:
    """abar_t (T,) float32 by MONAI's own schedule, and what the network predicts.

    Of a rectified flow's only the number of times counts: the others say which times are visited.

    Raises:
        PriorError: an unknown schedule or prediction type.
    """
    from monai.networks.schedulers import DDPMScheduler

    if bundle.flow:
        return flow_schedule(int(bundle.scheduler.get("num_train_timesteps", 1000))), "flow"
    ignored = {"prediction_type", "clip_sample", "set_alpha_to_one", "steps_offset", "variance_type"}
    betas = {key: value for key, value in bundle.scheduler.items() if key not in ignored}
    kind = bundle.scheduler.get("prediction_type", "epsilon")
    try:
        alphas = torch.as_tensor(DDPMScheduler(**betas).alphas_cumprod).float()
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise PriorError(
            f"prior {shown(path)}: noise_scheduler: expected a schedule that MONAI knows, found "
            f"{betas.get('schedule')!r}; correct configs/inference.json",
            code="prior-config",
        ) from error
    if kind not in {"epsilon", "v_prediction", "sample"}:
        raise PriorError(
            f"prior {shown(path)}: noise_scheduler: expected epsilon, v_prediction or sample, found {kind!r}",
            code="prior-config",
        )
    return alphas, kind


def _turned(x: Tensor, axes: Axes) -> Tensor:
    """Rows to the back and columns to the left ↔ first axis to the right, second to the front; its own inverse."""
    return x if axes == "rows-columns" else x.transpose(-1, -2).flip(-1, -2)


def _card(path: Path, bundle: Bundle, kind: PredictionType, facts: LatentFacts) -> PriorCard:
    files, stated = digests(path, "monai"), stated_facts(path)
    shape = stated.get("autoencoder_data_format", {}).get("inputs", {}).get("image", {}).get("spatial_shape", [256])
    card = PriorCard(
        name=shown(path),
        sha256=digest_of(files),
        licence="unknown: see the bundle's own licence",
        attribution=str(stated.get("copyright", "")),
        trained_on=str(stated.get("image_classes", "unknown")),
        size=-(-int(max(shape)) // bundle.multiple) * bundle.multiple,
        channels=int(bundle.autoencoder.get("in_channels", 1)),
        stride=bundle.stride,
        multiple=bundle.multiple,
        latent_channels=int(bundle.network["in_channels"]),
        latent_scale=(facts.scale_factor,),
        prediction_type=kind,
        not_for=str(stated.get("intended_use", "diagnosis")),
        files=files,
    )
    return with_facts(card, card_text(path)) if is_plain(path / CARD) else card
