"""`RandVariantd`: a real item becomes one of the variants that a run wrote of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import EnsureChannelFirst, LoadImage, MapTransform, RandomizableTransform
from monai.utils import convert_to_dst_type, convert_to_numpy

from medaug.errors import ManifestError
from medaug.manifests.variants_of import ListedVariant, VariantsOf
from medaug.monai.box_conventions import refuse_uncovered, standard_boxes

ABOUT = {"unit": "", "variant": -1, "patient": "", "source": "", "source_sha256": "", "synthetic": False}
MOST = 99  # percentile of a variant's grey levels, and of how far an item's are from them
OTHER = 0.7  # of the former: an item that far off has another scale; [0, 1] for 8 bits gives 0.99
SAME = 0.02  # of it, in boxes: what lossy compression changes is less
SEEN = 2**16  # voxels, about: enough for a percentile
KEPT = 8  # images that are loaded once for several items


class RandVariantd(RandomizableTransform, MapTransform):  # type: ignore[misc]  # MONAI is untyped
    """Swap a real item for one of its written variants, by chance; its boxes and labels hold for the variant as well.

    Put it first in a `Compose`, where ``image`` still is a path: the path is swapped. Or put it right after
    `LoadImaged` (and `EnsureChannelFirstd`), as `CacheDataset` and `PersistentDataset` want, which cache what stands
    before the first random transform: the array is swapped, with the variant's metadata. An image is known by the
    digest of its file, so items may come from any list; those of monai.json state it. One that was not augmented
    stays as it is.

    ``item["medaug"]`` says what an item is: ``synthetic``, ``unit``, ``variant``, ``patient``, ``source``.

    Args:
        keys: of the images; a label map's key is no one's: the variant has its source's labels.
        box_key: of the boxes, (n, 4) or (n, 6), which are checked to lie in boxes that the run kept; None for no check.
        output: OUTPUT of the run.
        ratio: synthetic images for each real one, in place of ``prob``: 1 makes half of the items variants.
        prob: that an item with variants is swapped, in [0, 1].
        box_mode: MONAI's name for how ``box_key`` spells boxes; None for corners (``xyxy``, ``xyzxyz``).
        reader: for `LoadImage`, where the array is swapped.
        allow_missing_keys: let pass items that lack a key.

    Raises:
        ManifestError: OUTPUT holds no list, or its law moved the labels; or both ``ratio`` and a ``prob`` were given;
            when an item is swapped: it has no boxes, or its image was moved or scaled since it was loaded.
        AnnotationError: when an item is swapped: one of its boxes wasn't kept by the run.
    """

    def __init__(  # noqa: PLR0913 - MONAI's transforms take their options one by one
        self,
        keys: KeysCollection,
        box_key: str | None = "box",
        *,
        output: str | Path,
        ratio: float | None = None,
        prob: float | None = None,
        box_mode: str | None = None,
        reader: Any = None,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, _probability(ratio, prob))
        self.box_key, self.box_mode, self.reader = box_key, box_mode, reader
        self.variants = VariantsOf.in_place(output, "RandVariantd")
        self._draw = 0.0

    def randomize(self, data: Any = None) -> None:
        """Whether to swap, and for which; both are drawn each time, so that items don't depend on those before."""
        super().randomize(data)
        self._draw = float(self.R.rand())

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item, or one of its variants."""
        item = dict(data)
        self.randomize()
        about: Mapping[str, Any] = {**ABOUT, **{k: v for k, v in item.get("medaug", {}).items() if k in ABOUT}}
        swapping = self._do_transform and not about["synthetic"]
        for key in self.key_iterator(item):
            known = self._variants(item[key], about["source_sha256"]) if swapping else ()
            if known:
                variant = known[int(self._draw * len(known))]
                self._check(item, variant)
                item[key] = self._swapped(item[key], variant)
                about = {name: variant.about[name] for name in ABOUT}
        item["medaug"] = dict(about)
        return item

    def _variants(self, image: Any, sha256: str) -> tuple[ListedVariant, ...]:
        """By the digest that the item states, as those of monai.json do, or else by its file."""
        return self.variants.variants.get(sha256, ()) if sha256 else self.variants.of(_file_of(image))

    def _check(self, item: Mapping[Hashable, Any], variant: ListedVariant) -> None:
        if self.box_key is None or (self.allow_missing_keys and self.box_key not in item):
            return
        if self.box_key not in item:
            raise ManifestError(f"RandVariantd: expected boxes under {self.box_key!r}, found none; give box_key=None")
        given = item[self.box_key]
        axes = len(variant.boxes[0]) // 2 if variant.boxes else np.shape(given)[-1] // 2 if len(given) else 2
        refuse_uncovered(standard_boxes(given, self.box_mode, axes), variant.boxes)

    def _swapped(self, image: Any, variant: ListedVariant) -> Any:
        if isinstance(image, str | Path):
            return type(image)(variant.image)
        loaded = _loaded(str(variant.image), self.reader)
        forms = (loaded, EnsureChannelFirst()(loaded))  # of pictures in colour, channels come last from the reader
        swapped = next((form for form in forms if form.shape == image.shape), None)
        if swapped is None:
            raise ManifestError(
                f"RandVariantd: a variant is {tuple(forms[1].shape)}, the item {tuple(image.shape)}; put it first, "
                "or right after LoadImaged and EnsureChannelFirstd, before anything moves, cuts or scales the image"
            )
        _refuse_changed(image, swapped, variant)
        if not isinstance(image, MetaTensor):
            return convert_to_dst_type(swapped, image)[0]
        return swapped.clone().to(dtype=image.dtype)


def _refuse_changed(image: Any, swapped: Any, variant: ListedVariant) -> None:
    """Refuse an image that was moved or scaled since it was loaded: what is put in its place is as it lies on disk.

    Moves are traced by MONAI.

    Raises:
        ManifestError: it was.
    """
    moved = [one.get("class", "a transform") for one in getattr(image, "applied_operations", ())]
    if moved or _other_levels(convert_to_numpy(image), convert_to_numpy(swapped), variant):
        what = f"after {', '.join(moved)}" if moved else "with other grey levels than its file's"
        raise ManifestError(
            f"RandVariantd: an image came {what}, and a variant is as it lies on disk; put RandVariantd first, or "
            "right after LoadImaged and EnsureChannelFirstd"
        )


def _other_levels(there: Any, made: Any, variant: ListedVariant) -> bool:
    """Whether an image's grey levels are another scale's than its variant's.

    They are where neither the boxes hold the variant's, which keeps them, nor the rest lies anywhere near it.
    """
    axes = made.ndim - 1
    step = max(1, int((made.size / SEEN) ** (1 / axes)))  # what tells scales apart, each item of a loop pays
    grid = (slice(None), *(slice(None, None, step) for _ in range(axes)))
    coarse, change = made[grid].astype(np.float64), _apart(there, made, grid)
    reach = np.percentile(coarse - coarse.min(), MOST)
    if np.percentile(change, MOST) <= OTHER * reach:
        return False
    for low, high in ((box[:axes], box[axes:]) for box in variant.boxes):
        inside = (slice(None), *(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)))
        if made[inside].size == 0 or _apart(there, made, inside).mean() <= SAME * max(reach, np.ptp(made[inside])):
            return False
    return True


def _apart(there: Any, made: Any, where: tuple[slice, ...]) -> Any:
    return np.abs(there[where].astype(np.float64) - made[where])


def _probability(ratio: float | None, prob: float | None) -> float:
    if ratio is not None and prob is not None:
        raise ManifestError("RandVariantd: expected ratio or prob, found both; ratio r is prob r / (1 + r)")
    if ratio is not None and not (ratio >= 0 and np.isfinite(ratio)):
        raise ManifestError(f"RandVariantd: expected a ratio from 0, found {ratio}")
    return ratio / (1 + ratio) if ratio is not None else 0.5 if prob is None else prob


def _file_of(image: Any) -> str | Path:
    """The file of an item that is a path, or that `LoadImaged` made."""
    if isinstance(image, str | Path):
        return image
    name = getattr(image, "meta", {}).get("filename_or_obj")
    if not isinstance(name, str) or not name:
        raise ManifestError(
            f"RandVariantd: expected a path or an image with LoadImaged's metadata, found {type(image).__name__}; give "
            "track_meta=True to a PersistentDataset, or take the items of monai.json (--with-sources)"
        )
    return name


@lru_cache(maxsize=KEPT)
def _loaded(path: str, reader: Any) -> Any:
    return LoadImage(reader=reader, image_only=True)(path)
