"""Features of a backbone that stays as it is: taken once a picture, kept in a folder, for every detector on them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medaug.benchmark.detectors import efficientnet_lite, random_features
from medaug.benchmark.detectors.detector import Speed
from medaug.benchmark.images.dataset import UInt8
from medaug.inverse.aligned import from_array
from medaug.inverse.device import resolve_device
from medaug.storage.atomic import replacing
from medaug.storage.plain_files import open_plain

Maps = tuple[Tensor, ...]  # (rows, columns, channels) of each level, half precision


@dataclass(frozen=True)
class Backbone:
    """Where features come from.

    Attributes:
        name: of the detector.
        channels: of the maps at strides 8, 16 and 32.
        identity: digest of the weights, or what stands for it.
        speed: measured on one core at 320 px.
    """

    name: str
    channels: tuple[int, ...]
    identity: str
    speed: Speed

    def load(self) -> nn.Module:
        """The network; (B, 1, size, size) in [0, 255] → maps.

        Raises:
            RunError: its weights aren't installed.
        """
        if self is IMAGENET:
            return efficientnet_lite.load_features()
        return random_features.RandomFeatures()


IMAGENET = Backbone("frozen", efficientnet_lite.CHANNELS, efficientnet_lite.SHA256, Speed(0.3, 0.05))
RANDOM = Backbone("random-features", random_features.CHANNELS, "filters of seed 8", Speed(0.01, 0.05))


class FeatureCache:
    """A backbone's maps of pictures, by the pixels' digest: a picture is looked at once over all trainings."""

    def __init__(self, backbone: Backbone, cache: Path) -> None:
        self._backbone, self._folder = backbone, cache / backbone.name

    def __call__(self, pixels: UInt8) -> Maps:
        """The maps of one picture, taken or found in the folder; stored in half precision, so always read there."""
        path = self._folder / f"{hashlib.sha256(pixels.tobytes()).hexdigest()[:32]}.npz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with torch.no_grad():
                maps = self._network(from_array(pixels.astype(np.float32))[None, None].to(self._device))
            with replacing(path) as passing, passing.open("wb") as made:
                np.savez(made, *(one[0].permute(1, 2, 0).half().cpu().numpy() for one in maps))
        with open_plain(path) as file, np.load(file) as stored:
            return tuple(from_array(stored[name]) for name in stored.files)

    @cached_property
    def _network(self) -> nn.Module:
        return self._backbone.load().to(self._device)

    @cached_property
    def _device(self) -> str:
        return resolve_device("auto")
