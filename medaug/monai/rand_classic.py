"""`RandClassicd`: flips, turns, sizes and contrasts that a profile's anatomy allows, by MONAI's own transforms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.data.box_utils import clip_boxes_to_image, convert_box_mode
from monai.transforms import Affine, Flip, MapTransform, Randomizable, ScaleIntensityFixedMean
from monai.transforms.utils import create_rotate, create_scale
from monai.utils import convert_to_dst_type, convert_to_numpy

from medaug.errors import ProfileError
from medaug.monai.box_conventions import STANDARD, Float64, standard_boxes
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile
from medaug.regions.domains.markers import without_markers
from medaug.regions.domains.morphology import ShownRadiograph

SIDES = (
    "00200060",
    "0020|0060",
    "00200062",
    "0020|0062",
)  # Laterality and Image Laterality, as MONAI's readers spell them


class RandClassicd(Randomizable, MapTransform):  # type: ignore[misc]  # MONAI is untyped
    """Plain augmentation within the limits of a profile's ``classic``; boxes and label maps go along.

    Images are (channels, columns, rows) or (channels, columns, rows, slices), as `LoadImaged` and `EnsureChannelFirstd`
    give them; put it behind `RandVariantd` or `RandPosteriorSampledd`. A left-right flip is left out where the item
    states a side (``side_key``, or Laterality in the image's metadata) and, in two dimensions, where a marker or text
    may stand in the image, unless ``classic.markers`` is none: a mirrored letter is one that no scanner writes. Turns
    and sizes are within a slice, in voxels. Boxes become those that enclose what they held, cut at the image's border;
    those with nothing left go, with their entries of ``label_key``.

    Args:
        keys: of the images.
        box_key: of the boxes, (n, 4) or (n, 6); None where there are none.
        profile: a shipped profile's name, a YAML file, or a profile.
        map_keys: of label maps, which are moved without mixing their values and keep them.
        label_key: of what belongs to each box.
        side_key: of the side that an item shows, such as "L"; empty or None where it shows none.
        box_mode: MONAI's name for how boxes are spelled; None for corners (``xyxy``, ``xyzxyz``).
        allow_missing_keys: let pass items that lack a key.

    Raises:
        ProfileError: the profile is wrong, or its ``classic`` allows nothing.
    """

    def __init__(  # noqa: PLR0913 - MONAI's transforms take their options one by one
        self,
        keys: KeysCollection,
        box_key: str | None = "box",
        *,
        profile: str | Path | Profile = "bone-xray",
        map_keys: KeysCollection = (),
        label_key: str | None = None,
        side_key: str | None = None,
        box_mode: str | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        chosen = profile if isinstance(profile, Profile) else load_profile(str(profile))
        self.allowed = chosen.classic
        if self.allowed == type(self.allowed)():
            raise ProfileError(
                f"RandClassicd: profile {chosen.name!r} allows nothing; state classic, such as rotate: 5"
            )
        self.map_keys = (map_keys,) if isinstance(map_keys, str) else tuple(map_keys)
        self.box_key, self.label_key, self.side_key, self.box_mode = box_key, label_key, side_key, box_mode
        self._flips: tuple[str, ...] = ()
        self._angle = self._scale = self._contrast = 0.0

    def randomize(self, data: Any = None) -> None:  # noqa: ARG002 - MONAI's signature
        """All draws of one item; as many whatever is allowed, so that items don't depend on those before."""
        of = self.allowed
        tossed = self.R.random_sample(2) < 0.5
        self._flips = tuple(name for name, up in zip(("left-right", "up-down"), tossed, strict=True) if up)
        self._flips = tuple(name for name in self._flips if name in of.flip)
        angle, scale, contrast = self.R.uniform(-1, 1, 3)
        self._angle = float(np.deg2rad(angle * of.rotate))
        self._scale, self._contrast = 1 + float(scale * of.scale), float(contrast * of.intensity)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item, transformed; what is drawn holds for all its images, maps and boxes."""
        item = dict(data)
        self.randomize()
        images = list(self.key_iterator(item))
        flips = [name for name in self._flips if name == "up-down" or not self._sided(item, images)]
        for key in images:
            item[key] = self._contrasted(self._moved(item[key], flips, "bilinear"))
        for key in self.map_keys:
            item[key] = self._moved(item[key], flips, "nearest")
        if images and self.box_key is not None and self.box_key in item:
            self._follow(item, data[images[0]], flips)
        return item

    def _sided(self, item: Mapping[Hashable, Any], images: list[Hashable]) -> bool:
        """Whether a mirrored image would say what isn't so."""
        stated = [item.get(self.side_key)] if self.side_key else []
        stated += [
            meta[tag] for key in images for meta in [getattr(item[key], "meta", {})] for tag in SIDES if tag in meta
        ]
        look = self.allowed.markers == "looked-for"
        return any(map(_says, stated)) or (look and any(_marked(item[key]) for key in images))

    def _moved(self, image: Any, flips: list[str], mode: str) -> Any:
        moved = image
        for name in flips:
            moved = Flip(spatial_axis=axis_of(name, image))(moved)
        if self._angle or self._scale != 1:
            turned = Affine(affine=self._to_source(image.ndim - 1), mode=mode, padding_mode="zeros", image_only=True)
            # what comes in from beyond the border is as dark as the darkest, and no copy of anything; in maps, nothing
            least = moved.min() if mode == "bilinear" else 0
            moved = turned(moved - least) + least
            moved = moved if "float" in str(image.dtype) else moved.round()
        return moved if moved is image else convert_to_dst_type(moved, image, dtype=image.dtype)[0]

    def _to_source(self, axes: int) -> Float64:
        """From centred voxels of the result to those of the source, homogeneous; a slice's axes are the first two."""
        plane = np.eye(axes + 1)
        plane[:2, :2] = (create_rotate(2, self._angle) @ create_scale(2, [1 / self._scale] * 2))[:2, :2]
        return plane

    def _contrasted(self, image: Any) -> Any:
        if not self._contrast:
            return image
        levels = convert_to_dst_type(image, image, dtype=_kind(image))[0]
        changed = ScaleIntensityFixedMean(factor=self._contrast)(levels)
        if levels.dtype == image.dtype:
            return convert_to_dst_type(changed, image)[0]
        ends = np.iinfo(convert_to_numpy(image).dtype)  # whole numbers stay whole, and in their range
        return convert_to_dst_type(changed.round().clip(ends.min, ends.max), image, dtype=image.dtype)[0]

    def _follow(self, item: dict[Hashable, Any], image: Any, flips: list[str]) -> None:
        """Boxes, and what belongs to each, into their places."""
        axes, size = image.ndim - 1, np.array(image.shape[1:])
        boxes = standard_boxes(item[self.box_key], self.box_mode, axes)
        for name in flips:
            axis = axis_of(name, image)
            boxes[:, [axis, axes + axis]] = size[axis] - boxes[:, [axes + axis, axis]]
        matrix = np.asarray(np.linalg.inv(self._to_source(axes)[:-1, :-1]), dtype=np.float64)
        boxes = _enclosing(boxes, matrix, size.astype(np.float64) / 2)
        inside, kept = clip_boxes_to_image(boxes, size.tolist(), remove_empty=True)
        item[self.box_key] = _spelled_as(item[self.box_key], inside, self.box_mode, axes)
        if self.label_key is not None:
            item[self.label_key] = _chosen(item[self.label_key], np.asarray(kept))


def _kind(image: Any) -> Any:
    """The kind of number that contrast is worked out in: its own, or for whole numbers float32, of its library."""
    if "float" in str(image.dtype):
        return image.dtype
    return np.float32 if isinstance(image, np.ndarray) else torch.float32


def axis_of(flip: str, image: Any) -> int:
    """Which spatial axis a flip turns round: by the image's affine in three dimensions, as pictures lie in two."""
    if image.ndim == 3 or not isinstance(image, MetaTensor):
        return 0 if flip == "left-right" else 1
    steps = np.abs(np.asarray(image.affine, dtype=np.float64)[0 if flip == "left-right" else 2, :3])
    return int(np.argmax(steps))


def _enclosing(boxes: Float64, matrix: Float64, middle: Float64) -> Float64:
    """The boxes around all corners of boxes, moved by a matrix about a point; MONAI's own moves two of them."""
    low, high = np.split(boxes, 2, axis=1)
    corners = [np.where(upper, high, low) for upper in product((False, True), repeat=low.shape[1])]
    moved = (np.array(corners) - middle) @ matrix.T + middle
    return np.hstack([moved.min(axis=0), moved.max(axis=0)])


def _says(side: Any) -> bool:
    """Whether something names a side; DICOM's JSON has a list under "Value"."""
    if isinstance(side, Mapping):
        side = side.get("Value")
    return side is not None and len(side) > 0 and str(side).strip() != ""


def _marked(image: Any) -> bool:
    """Whether a radiograph shows a marker or text."""
    array: npt.NDArray[Any] = convert_to_numpy(image)
    if array.ndim != 3:
        return False
    return not without_markers(ShownRadiograph(np.ascontiguousarray(array.mean(axis=0).T, dtype=np.float32))).all()


def _spelled_as(given: Any, boxes: Any, box_mode: str | None, axes: int) -> Any:
    spelled = convert_box_mode(np.asarray(boxes), src_mode=STANDARD[axes], dst_mode=box_mode or STANDARD[axes])
    return spelled.tolist() if isinstance(given, list) else convert_to_dst_type(spelled, given)[0]


def _chosen(labels: Any, kept: npt.NDArray[np.bool_]) -> Any:
    """The labels of boxes that are kept, in the form that they came in."""
    if isinstance(labels, list | tuple):
        return type(labels)(label for label, stays in zip(labels, kept, strict=True) if stays)
    return labels[kept]
