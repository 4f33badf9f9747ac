"""`RandPosteriorSampled` and `RandPosteriorSampledd`: variants that are solved in the loop, and kept for later."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable, RandomizableTransform
from monai.utils import convert_to_dst_type, convert_to_numpy

from medaug.assemble import tools
from medaug.assemble.settling import settled_on
from medaug.augmentation.augment import augment
from medaug.augmentation.case import Case
from medaug.augmentation.recipe import Recipe
from medaug.augmentation.tools import Tools
from medaug.errors import AnnotationError, ProfileError
from medaug.imaging.arrays import from_array
from medaug.imaging.greying import to_grey
from medaug.imaging.volume import Stored, Volume
from medaug.monai.box_conventions import medaug_boxes, standard_boxes
from medaug.monai.solved_cache import SolvedCache
from medaug.profile.components import other_labels
from medaug.profile.load import load_profile
from medaug.profile.prior_choice import with_prior
from medaug.profile.profile import Profile
from medaug.quality import failing

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # MONAI's affines are RAS


class RandPosteriorSampled(RandomizableTransform):  # type: ignore[misc]  # MONAI is untyped
    """Change an image around its boxes by posterior sampling; what lies in a box stays, number for number.

    The image is (1, columns, rows) or (1, columns, rows, slices), as MONAI's readers and `EnsureChannelFirst` give it,
    unscaled: a window is the profile's business. A grey picture that is stored in red, green and blue may have all
    three: (3, columns, rows), 0 to 255. What comes back has the same type, shape, metadata and number type.
    A variant that fails the profile's checks isn't used: the image comes back as it is.

    A solve takes seconds. ``variants`` are drawn of each image and no more, so that a ``cache`` pays: each is then
    solved once, for all epochs and workers. The prior is loaded once in each process; on a GPU use the DataLoader with
    ``num_workers=0`` or ``multiprocessing_context="spawn"``.

    Args:
        profile: a shipped profile's name, a YAML file, or a profile.
        prob: that an image is changed, in [0, 1].
        variants: different ones of each image, at least 1.
        cache: a folder for solved images; None solves each time.
        device: ``auto`` for a GPU where there is one, ``cpu``, ``cuda:1``, ….
        prior: a stored prior's name or a folder, in place of the profile's.
        box_mode: MONAI's name for how boxes are spelled; None for corners (``xyxy``, ``xyzxyz``).
        seed: of the variants.

    Raises:
        ProfileError: the profile is wrong.
        PriorError: there is no such prior.
    """

    def __init__(  # noqa: PLR0913 - MONAI's transforms take their options one by one
        self,
        profile: str | Path | Profile = "bone-xray",
        *,
        prob: float = 0.5,
        variants: int = 4,
        cache: str | Path | None = None,
        device: str = "auto",
        prior: str | Path | None = None,
        box_mode: str | None = None,
        seed: int = 0,
    ) -> None:
        RandomizableTransform.__init__(self, prob)
        chosen = profile if isinstance(profile, Profile) else load_profile(str(profile))
        if other_labels(chosen.regions):
            raise ProfileError(
                f"RandPosteriorSampled: profile {chosen.name!r} moves or adds labels, and boxes here stay as they are; "
                "use `medaug run`, whose lists hold the new ones, or a profile that moves nothing"
            )
        self.profile = settled_on(chosen if prior is None else with_prior(chosen, str(prior)), device)
        self.variants, self.device, self.box_mode, self.seed = variants, device, box_mode, seed
        self.cache = None if cache is None else SolvedCache(Path(cache))
        self._draw = 0

    def __getstate__(self) -> dict[str, Any]:
        """Without the prior: it is loaded again where the transform arrives."""
        return {name: value for name, value in vars(self).items() if name != "tools"}

    @cached_property
    def tools(self) -> Tools:
        """The prior and all around it; loaded when first needed."""
        return tools(self.profile, self.device)

    def randomize(self, data: Any = None) -> None:
        """Whether to change the image, and into which variant."""
        super().randomize(data)
        self._draw = int(self.R.randint(self.variants))

    def __call__(
        self, img: Any, boxes: Any, labels: Sequence[object] | None = None, *, randomize: bool = True
    ) -> tuple[Any, bool]:
        """The image, changed or as it is, and whether it was changed.

        Args:
            img: (1, columns, rows(, slices)), or three channels of a grey picture; a tensor with or without metadata,
                or an array.
            boxes: (n, 4) or (n, 6), n at least 1: with nothing to keep there is nothing to be guided by.
            labels: the class of each box; a profile may ask for it.
            randomize: draw first.

        Raises:
            AnnotationError: the image has colour or channels of another kind, no box, or one that lies outside.
            RegionError: the boxes leave nothing to change.
        """
        if randomize:
            self.randomize()
        if not self._do_transform:
            return img, False
        stored = _stored(img)
        volume = _volume(stored, img)
        numbers = standard_boxes(boxes, self.box_mode, img.ndim - 1)
        if not len(numbers):
            raise AnnotationError("RandPosteriorSampled: expected a box, found none; there is nothing to keep")
        case = Case(volume, medaug_boxes(numbers, volume.geometry.shape, labels or ["lesion"] * len(numbers)))
        solved = self._solved(case)
        return (img, False) if solved is None else (_like(img, stored, solved), True)

    def _solved(self, case: Case) -> Stored | None:
        """The variant's numbers, (slices, rows, columns); None where it failed a check."""
        recipe = Recipe.of(case.volume, case.boxes, self.profile, variant=self._draw, seed=self.seed)
        if self.cache and recipe.id in self.cache:
            return self.cache.get(recipe.id)
        variant = augment(case, recipe, self.tools)
        solved = None if failing(variant.checks) else variant.volume.stored
        if self.cache:
            self.cache.put(recipe.id, solved)
        return solved


class RandPosteriorSampledd(Randomizable, MapTransform):  # type: ignore[misc]  # MONAI is untyped
    """`RandPosteriorSampled` for dictionaries: after `LoadImaged` and `EnsureChannelFirstd`, before all that scales.

    ``item["medaug"]["synthetic"]`` says whether the item was changed. Items without a box stay as they are.

    Args:
        keys: of the images; each is solved for itself.
        box_key: of the boxes, which stay as they are.
        label_key: of the classes of the boxes; None where the profile has no use for them.
        allow_missing_keys: let pass items that lack a key.
        options: of `RandPosteriorSampled`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        box_key: str = "box",
        *,
        label_key: str | None = None,
        allow_missing_keys: bool = False,
        **options: Any,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.box_key, self.label_key = box_key, label_key
        self.sampler = RandPosteriorSampled(**options)

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> RandPosteriorSampledd:
        """Of the sampler, too."""
        super().set_random_state(seed, state)
        self.sampler.set_random_state(seed, state)
        return self

    def randomize(self, data: Any = None) -> None:
        """Of the sampler."""
        self.sampler.randomize(data)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item, changed or as it is."""
        item = dict(data)
        self.randomize()
        changed = False
        for key in self.key_iterator(item):
            if len(item[self.box_key]):
                labels = [str(int(n)) for n in item[self.label_key]] if self.label_key else None
                item[key], done = self.sampler(item[key], item[self.box_key], labels, randomize=False)
                changed |= done
        item["medaug"] = {**item.get("medaug", {}), "synthetic": changed}
        return item


def _stored(img: Any) -> Stored:
    """(1, columns, rows(, slices)) as (slices, rows, columns); three channels of a grey picture as one."""
    array: npt.NDArray[Any] = convert_to_numpy(img)
    if array.ndim == 3 and array.shape[0] == 3:
        return _of_colours(array)[None]
    if array.ndim not in {3, 4} or array.shape[0] != 1:
        raise AnnotationError(
            "RandPosteriorSampled: expected one channel first (of a picture one or three) and two or three axes, "
            f"found {array.shape}; put EnsureChannelFirst before it"
        )
    return np.ascontiguousarray(array[0].T if array.ndim == 4 else array[0].T[None])


def _of_colours(array: npt.NDArray[Any]) -> Stored:
    """(3, columns, rows) as (rows, columns), in the same type: what a run takes for the grey of such a picture."""
    samples = array.T.astype(np.uint8)
    if not np.array_equal(samples, array.T):
        raise AnnotationError(
            "RandPosteriorSampled: expected three channels of whole numbers from 0 to 255, found others; put it before "
            "what scales, or give one channel"
        )
    try:
        grey, _ = to_grey(np.ascontiguousarray(samples))
    except ValueError as error:
        raise AnnotationError(f"RandPosteriorSampled: colour: {error}; give grey images") from None
    return grey.astype(array.dtype)


def _volume(stored: Stored, img: Any) -> Volume:
    affine = img.affine.numpy().astype(np.float64) if isinstance(img, MetaTensor) else np.eye(4)
    if len(stored) == 1:
        rows, columns = float(np.linalg.norm(affine[:3, 1])), float(np.linalg.norm(affine[:3, 0]))
        known = isinstance(img, MetaTensor) and rows > 0 and columns > 0
        return from_array(stored, spacing=(rows, columns) if known else None)
    return from_array(stored, affine=(LPS @ affine)[:, [2, 1, 0, 3]])


def _like(img: Any, stored: Stored, solved: Stored) -> Any:
    """The solved numbers as ``img`` is laid out, in each of its channels; where nothing changed, ``img``'s own."""
    made, before = (one[0].T[None] if img.ndim == 3 else one.T[None] for one in (solved, stored))
    array = np.where(made == before, convert_to_numpy(img), made)
    if isinstance(img, MetaTensor):
        changed = img.clone()
        changed[:] = torch.as_tensor(np.ascontiguousarray(array)).to(img.dtype)
        return changed
    return convert_to_dst_type(np.ascontiguousarray(array), img)[0]
