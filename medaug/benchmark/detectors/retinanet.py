"""MONAI's RetinaNet on the frozen features: what medaug's users train. Slower than the screening head.

MONAI asks for torchvision's matcher even where its own ATSS matcher is set, so that question is left out here; its
hard-negative sampler does without.

Source: Lin et al., Focal Loss for Dense Object Detection (ICCV 2017); Zhang et al., ATSS (CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medaug.benchmark.detectors.detector import Point, Speed, Task, Trained
from medaug.benchmark.detectors.features import Backbone, FeatureCache
from medaug.benchmark.detectors.frozen import batches, shares
from medaug.benchmark.evaluation import MOST, Boxes, ap50, matched
from medaug.benchmark.images.dataset import Picture
from medaug.imaging.seeds import generator
from medaug.inverse.aligned import from_array
from medaug.inverse.device import resolve_device

BATCH = 4
RATE = 1e-3
WIDTH = 64
ANCHORS = ((16, 16), (32, 16), (16, 32))  # px at stride 8; doubled at each level
LEAST = 0.01
POINTS = 4


class RetinaNet:
    """Trains MONAI's head on maps of a backbone that stays as it is."""

    def __init__(self, backbone: Backbone, cache: Path) -> None:
        self._backbone, self._features = backbone, FeatureCache(backbone, cache)

    @property
    def name(self) -> str:
        """As on the command line."""
        return "retinanet"

    @property
    def speed(self) -> Speed:
        """On one core at 320 px."""
        return Speed(0.3, 0.2)

    @property
    def identity(self) -> dict[str, str]:
        """The backbone's weights and the head's settings."""
        settings = f"MONAI RetinaNet, ATSS, batch {BATCH}, AdamW {RATE:g}"
        return {"features": self._backbone.identity, "head": settings, "device": resolve_device("auto")}

    def train(self, task: Task) -> Trained:
        """Train the head, and find boxes on the targets."""
        device = resolve_device("auto")
        with torch.random.fork_rng(devices=[] if device == "cpu" else [device]):
            torch.manual_seed(task.seed % 2**63)
            detector = _detector(self._backbone.channels, self._features, task.classes).to(device)
            curve, since = [], list[tuple[float, float]]()
            for step, losses in enumerate(_steps(detector, task), 1):
                since.append(losses)
                if step % max(1, task.steps // POINTS) == 0:
                    curve.append(_point(detector, step, since, task))
                    since = []
            return Trained(tuple(_found(detector, task.targets)), tuple(curve))


def _steps(detector: Any, task: Task) -> Iterator[tuple[float, float]]:
    """Each gradient step's losses, of the boxes and of the classes."""
    device = next(detector.network.parameters()).device
    optimizer = torch.optim.AdamW([p for p in detector.network.parameters() if p.requires_grad], lr=RATE)
    drawn = generator("order", task.seed)
    for stage, steps in shares(task):
        for batch in batches(len(stage.pictures), steps, BATCH, drawn):
            some = [stage.pictures[n] for n in batch]
            detector.train()
            told = detector(_images(some, device), [_target(one, device) for one in some])
            of_boxes, of_classes = told["box_regression"], told["classification"]
            optimizer.zero_grad()
            (of_boxes + of_classes).backward()
            optimizer.step()
            yield float(of_boxes.detach()), float(of_classes.detach())


def _point(detector: Any, step: int, since: Sequence[tuple[float, float]], task: Task) -> Point:
    found = list(_found(detector, task.validation))
    matches = matched([one.boxes for one in task.validation], found, task.classes)
    reached = float(ap50(matches, np.ones((1, len(found))))[0])
    of_boxes, of_classes = np.mean(since, axis=0)
    return Point(step, round(float(of_boxes), 5), round(float(of_classes), 5), round(reached, 5))


@torch.no_grad()
def _found(detector: Any, pictures: Sequence[Picture]) -> Iterator[Boxes]:
    detector.eval()
    device = next(detector.network.parameters()).device
    for picture in pictures:
        told = {key: value.cpu() for key, value in detector(_images([picture], device))[0].items()}
        corners = told["box"].double().numpy()[:, [1, 0, 3, 2]]
        yield Boxes(corners, told["label"].numpy().astype(np.int64), told["label_scores"].double().numpy())


def _images(pictures: Sequence[Picture], device: torch.device) -> Tensor:
    """(B, 1, size, size) in [0, 255]."""
    return from_array(np.stack([one.pixels for one in pictures]).astype(np.float32))[:, None].to(device)


def _target(picture: Picture, device: torch.device) -> dict[str, Tensor]:
    """MONAI's boxes begin with the first spatial axis: rows."""
    corners = picture.boxes.corners[:, [1, 0, 3, 2]].astype(np.float32)
    box, label = from_array(corners), from_array(picture.boxes.classes)
    return {"box": box.to(device), "label": label.to(device)}


def _detector(channels: Sequence[int], features: FeatureCache, classes: int) -> Any:
    from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
    from monai.apps.detection.networks.retinanet_network import RetinaNet as Network
    from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape

    class MonaiDetector(RetinaNetDetector):  # type: ignore[misc]
        """The override that MONAI points to for matchers of one's own."""

        def compute_anchor_matched_idxs(
            self, anchors: list[Tensor], targets: list[dict[str, Tensor]], counts: Sequence[int]
        ) -> list[Tensor]:
            """ATSS's match of each anchor, -1 where it matches no box."""
            return [
                self.proposal_matcher(target["box"], anchor, counts, self.num_anchors_per_loc)[1]
                if len(target["box"])
                else torch.full((len(anchor),), -1, dtype=torch.int64, device=anchor.device)
                for anchor, target in zip(anchors, targets, strict=True)
            ]

    shapes = AnchorGeneratorWithAnchorShape(feature_map_scales=(1, 2, 4), base_anchor_shapes=ANCHORS)
    detector = MonaiDetector(Network(2, classes, len(ANCHORS), _Levels(channels, features), size_divisible=32), shapes)
    detector.set_atss_matcher(num_candidates=4, center_in_gt=False)
    detector.set_hard_negative_sampler(batch_size_per_image=64, positive_fraction=0.25, pool_size=20, min_neg=16)
    detector.set_target_keys(box_key="box", label_key="label")
    detector.set_box_selector_parameters(LEAST, topk_candidates_per_level=MOST, nms_thresh=0.5, detections_per_img=MOST)
    return detector


class _Levels(nn.Module):
    """A backbone's maps brought to one width; only that is trained.

    MONAI hands images to what finds features, so pictures are looked up by their pixels.
    """

    def __init__(self, channels: Sequence[int], features: FeatureCache) -> None:
        super().__init__()
        self.features = features
        self.lateral = nn.ModuleList(nn.Conv2d(count, WIDTH, 1) for count in channels)
        self.scale = nn.ModuleList(nn.GroupNorm(8, WIDTH) for _ in channels)
        self.out_channels = WIDTH

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 1, H, W) → one map for each level."""
        each_picture = [self.features(one.cpu().numpy().astype(np.uint8)) for one in x[:, 0]]
        maps = [torch.stack(level).permute(0, 3, 1, 2).to(x) for level in zip(*each_picture, strict=True)]
        each = zip(self.scale, self.lateral, maps, strict=True)
        return {str(n): norm(conv(one)) for n, (norm, conv, one) in enumerate(each)}
