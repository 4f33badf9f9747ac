"""What a MONAI bundle's configuration says, read as data: nothing in it is executed, imported or downloaded.

A bundle's JSON is a program: ``$`` starts an expression and ``_target_`` names a class to build. Here ``@name`` is
looked up among plain values, ``_target_`` among the names in `TARGETS`, ``_requires_`` is passed over, and anything
else, ``$`` above all, is refused where it would decide a network. Parts that decide none aren't looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from medaug.errors import PriorError
from medaug.inverse.priors.loaders.layout import shown
from medaug.storage.plain_files import read_document

CONFIG, METADATA = "configs/inference.json", "configs/metadata.json"
CONFIG_BYTES = 1 << 20
MAISI, FLOW = "DiffusionModelUNetMaisi", "RFlowScheduler"
_MODULES = {
    "AutoencoderKL": ("nets", "autoencoderkl"),
    "DiffusionModelUNet": ("nets", "diffusion_model_unet"),
    "DDIMScheduler": ("schedulers", "ddim"),
    "DDPMScheduler": ("schedulers", "ddpm"),
    FLOW: ("schedulers", "rectified_flow"),
}
TARGETS: Mapping[str, str] = {
    f"{package}.networks.{folder}.{module}{name}": name
    for name, (folder, own) in _MODULES.items()
    for package, module in product(("monai", "generative"), ("", f"{own}."))
} | {
    f"monai.apps.generation.maisi.networks.diffusion_model_unet_maisi.{MAISI}": MAISI,
}
_RENAMED = {"num_channels": "channels", "beta_schedule": "schedule"}  # MONAI Generative's words → MONAI 1.4's
_SCHEDULES = {"linear": "linear_beta", "scaled_linear": "scaled_linear_beta"}
_KEYS = {
    "AutoencoderKL": {
        "spatial_dims", "in_channels", "out_channels", "num_res_blocks", "channels", "attention_levels",
        "latent_channels", "norm_num_groups", "norm_eps", "with_encoder_nonlocal_attn", "with_decoder_nonlocal_attn",
        "use_convtranspose", "include_fc", "use_combined_linear",
    },
    "DiffusionModelUNet": {
        "spatial_dims", "in_channels", "out_channels", "num_res_blocks", "channels", "attention_levels",
        "norm_num_groups", "norm_eps", "resblock_updown", "num_head_channels", "transformer_num_layers", "include_fc",
        "use_combined_linear",
    },
    FLOW: {
        "num_train_timesteps", "use_discrete_timesteps", "sample_method", "loc", "scale", "use_timestep_transform",
        "transform_scale", "steps_offset", "base_img_size_numel", "spatial_dim",
    },
    "scheduler": {
        "num_train_timesteps", "schedule", "beta_start", "beta_end", "sig_range", "s", "prediction_type",
        "clip_sample", "set_alpha_to_one", "steps_offset", "variance_type",
    },
}  # fmt: skip

_CLASSES = {
    "AutoencoderKL": {"AutoencoderKL"},
    "DiffusionModelUNet": {"DiffusionModelUNet", MAISI},
    "scheduler": {"DDIMScheduler", "DDPMScheduler", FLOW},
}
_NETWORK_NAMES = ("network_def", "diffusion_def", "diffusion", "diffusion_unet_def")


@dataclass(frozen=True)
class Bundle:
    """A bundle's configuration as plain values.

    Attributes:
        autoencoder: arguments of AutoencoderKL, 2-D.
        network: arguments of the network, 2-D.
        scheduler: arguments of the noise schedule.
        network_class: ``DiffusionModelUNet``, or `MAISI`'s.
        flow: the network was trained on rectified flow, and ``scheduler`` is `FLOW`'s.
    """

    autoencoder: dict[str, Any]
    network: dict[str, Any]
    scheduler: dict[str, Any]
    network_class: str = "DiffusionModelUNet"
    flow: bool = False

    @property
    def stride(self) -> int:
        """Px per latent cell."""
        return int(2 ** (len(self.autoencoder["channels"]) - 1))

    @property
    def multiple(self) -> int:
        """Px; an image's sides must be multiples of it."""
        return int(self.stride * 2 ** (len(self.network["channels"]) - 1))


def read_bundle(folder: Path) -> Bundle:
    """Read ``configs/inference.json`` of a 2-D latent diffusion bundle.

    Raises:
        PriorError: not such a bundle, or one whose networks can't be known without executing it.
    """
    config = _json(folder, CONFIG)
    _, autoencoder = _part(folder, config, ("autoencoder_def", "autoencoder"), "AutoencoderKL")
    network_class, network = _part(folder, config, _NETWORK_NAMES, "DiffusionModelUNet")
    scheduler_class, scheduler = _part(folder, config, ("noise_scheduler", "scheduler"), "scheduler")
    for name, part in (("autoencoder", autoencoder), ("network", network)):
        if part.get("spatial_dims") != 2:
            raise _not_such(folder, name, "spatial_dims 2", part.get("spatial_dims"), "use a bundle of 2-D slices")
        if not isinstance(part.get("channels"), list):
            raise _not_such(folder, name, "a list of channels", part.get("channels"), "state it")
    if network.get("in_channels") != network.get("out_channels"):
        found = (network.get("in_channels"), network.get("out_channels"))
        raise _not_such(folder, "network", "as many channels in as out", found, "use an unconditional bundle")
    return Bundle(autoencoder, network, scheduler, network_class, scheduler_class == FLOW)


def stated_facts(folder: Path) -> dict[str, Any]:
    """What ``configs/metadata.json`` says in words; empty where there is none."""
    return _json(folder, METADATA) if (folder / METADATA).is_file() else {}


def _part(folder: Path, config: dict[str, Any], names: tuple[str, ...], kind: str) -> tuple[str, dict[str, Any]]:
    """The class of a part, and its arguments."""
    part = next((config[name] for name in names if isinstance(config.get(name), dict)), None)
    if part is None:
        raise _not_such(folder, names[0], f"the definition of {kind}", None, "use a latent diffusion bundle")
    target = TARGETS.get(str(part.get("_target_")), "")
    if target not in _CLASSES[kind]:
        raise _not_such(folder, names[0], f"_target_ of {kind}", part.get("_target_"), "only these are built")
    arguments: dict[str, Any] = {}
    for key, value in part.items():
        name = _RENAMED.get(key, key)
        if key.startswith("_") and key in {"_target_", "_requires_", "_desc_"}:
            continue
        if name not in (known := _KEYS[FLOW if target == FLOW else kind]):
            raise _not_such(folder, names[0], f"only {', '.join(sorted(known))}", key, "it isn't supported")
        arguments[name] = _plain(folder, config, value, 0)
    if kind == "scheduler" and target != FLOW:
        arguments["schedule"] = _SCHEDULES.get(str(arguments.get("schedule")), arguments.get("schedule", "linear_beta"))
    return target, arguments


def _plain(folder: Path, config: dict[str, Any], value: Any, depth: int) -> Any:
    """A value with its ``@references`` filled in; at most a few deep, so that a circle ends."""
    if depth > 8:
        raise _not_such(folder, "references", "no circle", value, "state the value")
    if isinstance(value, list):
        return [_plain(folder, config, item, depth + 1) for item in value]
    if not isinstance(value, str):
        if value is None or isinstance(value, bool | int | float):
            return value
        raise _not_such(folder, "values", "numbers, lists and texts", type(value).__name__, "state a plain value")
    if value.startswith("@") and value[1:] in config:
        return _plain(folder, config, config[value[1:]], depth + 1)
    if value.startswith(("$", "@", "%")):
        raise _not_such(
            folder, "values", "no expression", value[:80], "medaug executes nothing: state the value itself"
        )
    return value


def _json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        if path.stat().st_size > CONFIG_BYTES:
            raise _not_such(folder, name, f"at most {CONFIG_BYTES} bytes", path.stat().st_size, "use a real bundle")
        data = json.loads(read_document(path, CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise _not_such(folder, name, "JSON of a MONAI bundle", None, "take the bundle's own file") from error
    if not isinstance(data, dict):
        raise _not_such(folder, name, "an object", type(data).__name__, "take the bundle's own file")
    return data


def _not_such(folder: Path, where: str, expected: str, found: object, todo: str) -> PriorError:
    return PriorError(
        f"prior {shown(folder)}: {where}: expected {expected}, found {found!r}; {todo}", code="prior-config"
    )
