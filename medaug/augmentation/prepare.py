"""What all variants of one case share: how it is presented, what may change, and the source's side of the checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar
from weakref import ReferenceType, ref

import numpy as np

from medaug.augmentation.case import Case
from medaug.augmentation.classic import DrawCopy
from medaug.augmentation.move import DrawMotions, MovedCase
from medaug.augmentation.recipe import Recipe
from medaug.augmentation.restore import seam_taper
from medaug.augmentation.transplant import DrawGraft, GraftedCase
from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.presentation import Presentation
from medaug.imaging.volume import Area, Float32, Mask, Volume, Window
from medaug.quality import Baseline
from medaug.regions.regions import RegionLaw, Regions, Sampling

T = TypeVar("T")
Grow = Callable[[Volume, Sequence[Box]], tuple[Box, ...]]


@dataclass(frozen=True, eq=False)
class PresentTools:
    """How a case is shown to the prior, and what of it may change.

    Attributes:
        window: the window of a volume.
        domain: where a changed voxel still gives a plausible image, on the native grid.
        protect: protected voxels of any grid from (domain, boxes).
        law: regions on the prior's grid.
        grow: the boxes with their margin, on the native grid.
        size: side of the prior's square in px.
        crop: the part of a slice that is presented, from the domain and the boxes; None for the whole.
        feather: width of the seam's taper, in the prior's px.
        part: the part of the prior's square that is solved, from its free pixels; None for all of it.
        draw: motions of the case, for a law that moves it; None for one that moves nothing.
        set_in: what of the case's donor is set in, for a law that transplants; None for others.
        copy: motions of the case, for a law that generates nothing, and needs none of the rest but the window.
    """

    window: Callable[[Volume], Window]
    domain: Callable[[Volume, Window], Mask]
    protect: Callable[[Mask, Sequence[Box]], Mask]
    law: RegionLaw
    grow: Grow
    size: int
    crop: Callable[[Mask], Area | None]
    feather: float
    part: Callable[[Mask], Area] | None = None
    draw: DrawMotions | None = None
    set_in: DrawGraft | None = None
    copy: DrawCopy | None = None

    @property
    def of_case(self) -> tuple[object, ...]:
        """The tools that a `PreparedCase` follows from: all but those that come after it."""
        return self.window, self.domain, self.protect, self.grow, self.crop, self.size, self.feather

    def domain_of(self, case: Case) -> Mask:
        """(k, i, j), where the profile's domain lets a voxel of a case change, before boxes are kept."""
        domain = self.domain(case.volume, self.window(case.volume))
        if case.kept is not None:
            domain = domain & ~case.kept
        if case.volume.colour is not None:
            domain = domain & ~case.volume.colour.coloured
        return domain


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case without anything that a variant draws; two to three bytes per voxel of the source.

    Attributes:
        window: what is presented.
        view: from the native grid to the prior's and back.
        domain: (k, i, j), where the profile's domain lets a voxel change, before boxes are kept.
        domain_share: its share of the grid.
        protected: (k, i, j), what no variant may change.
        pixels: (K, size, size) float32, display units: what the prior sees.
        taper: weight in [0, 1] on the prior's grid, see `seam_taper`.
        small: the domain on the prior's grid.
        small_boxes: the boxes with their margin, on the prior's grid.
        sampling: voxel step of that grid along (k, i, j).
        baseline: the source's side of the checks.
        unknown: (k, i, j), where a moved image has no data and may change, boxes or not; None where nothing moved.
    """

    window: Window
    view: Presentation
    domain: Mask
    domain_share: float
    protected: Mask
    pixels: Float32
    taper: Float32
    small: Mask
    small_boxes: tuple[Box, ...]
    sampling: Sampling
    baseline: Baseline
    unknown: Mask | None = None

    @classmethod
    def of(cls, case: Case, tools: PresentTools) -> PreparedCase:
        """Everything that follows from a case and the tools alone.

        The law works on the prior's grid, where its pixels are the solver's pixels (the paper's were, too). A voxel
        there belongs to the domain when most of it does, and to a box when any of it does.

        Raises:
            RegionError: nothing may change.
        """
        window, domain = tools.window(case.volume), tools.domain_of(case)
        return cls._of(case, window, _Change(domain, domain, tools.grow(case.volume, case.boxes)), tools)

    @classmethod
    def of_moved(cls, moved: MovedCase, tools: PresentTools) -> PreparedCase:
        """`of` for a case that was moved: its window is the source's, and its domain the one that moved along.

        What has no data may change where the mirrored domain says that it is anatomy, inside a box's edges too.

        Raises:
            RegionError: nothing may change.
        """
        window = tools.window(moved.source.volume)
        there, case = moved.domain & ~moved.case.volume.padded, moved.case
        change = _Change(there, there, tools.grow(case.volume, case.boxes), moved.lost & there)
        return cls._of(case, window, change, tools)

    @classmethod
    def of_grafted(cls, grafted: GraftedCase, domain: Mask, tools: PresentTools) -> PreparedCase:
        """`of` for a case with a lesion set in: what is shown follows from the host's ``domain``, and the ring changes.

        Raises:
            RegionError: nothing may change.
        """
        host = grafted.source
        grown = (*tools.grow(host.volume, host.boxes), grafted.place)
        return cls._of(grafted.case, tools.window(host.volume), _Change(domain, grafted.domain, grown), tools)

    @classmethod
    def _of(cls, case: Case, window: Window, change: _Change, tools: PresentTools) -> PreparedCase:
        volume, domain, unknown = case.volume, change.domain, change.unknown
        view, protected = _protected(volume, window, change, tools)
        pixels = view.present(volume.modality)
        for shared in (domain, protected, pixels):
            shared.setflags(write=False)
        return cls(
            window=window,
            view=view,
            domain=domain,
            domain_share=np.count_nonzero(domain) / domain.size,
            protected=protected,
            pixels=pixels,
            taper=seam_taper(view.shrink(protected, 0.0), tools.feather),
            small=view.shrink(domain, 0.5),
            small_boxes=_on_grids(view, change.grown, volume),
            sampling=_sampling(view, volume),
            baseline=Baseline.of(volume, protected, window),
            unknown=unknown,
        )

    def known(self, on_grid: Regions) -> Regions:
        """Regions on the prior's grid; where a voxel there has any without data, it is neither kept nor observed."""
        if self.unknown is None or not self.unknown.any():
            return on_grid
        known = ~self.view.shrink(self.unknown, 0.0)
        return Regions(on_grid.protected & known, on_grid.observed & known)


@dataclass(frozen=True, eq=False)
class _Change:
    """What a case is shown by, ``shown``, and where it may change; boxes with their margin; what has no data."""

    shown: Mask
    domain: Mask
    grown: tuple[Box, ...]
    unknown: Mask | None = None


def prepare(case: Case, recipe: Recipe, tools: PresentTools) -> tuple[PreparedCase, MovedCase | GraftedCase | None]:
    """A case ready for its regions, and what it became, for a law that moves or transplants.

    Raises:
        RegionError: nothing may change, nothing may move, or no place is plausible.
    """
    if tools.draw is None and tools.set_in is None:
        return PreparedCase.of(case, tools), None
    domain = tools.domain_of(case)
    if tools.set_in is not None:
        grafted = GraftedCase.of(case, tools.set_in(case, domain, recipe.seed_of("place")), domain)
        return PreparedCase.of_grafted(grafted, domain, tools), grafted
    assert tools.draw is not None
    moved = MovedCase.of(case, domain, tools.draw(case.volume, case.boxes, domain, recipe.seed_of("motions")))
    return PreparedCase.of_moved(moved, tools), moved


def protected_in(case: Case, tools: PresentTools, seed: int | None = None) -> Mask:
    """(k, i, j), what no variant of a case that stays where it is may change; none of its pixels are presented.

    Args:
        case: the case.
        tools: how it is shown, and what may change.
        seed: of its regions, to ask the law, too; None not to.

    Raises:
        RegionError: nothing may change, or the law refuses.
    """
    volume, window, domain = case.volume, tools.window(case.volume), tools.domain_of(case)
    change = _Change(domain, domain, tools.grow(volume, case.boxes))
    view, protected = _protected(volume, window, change, tools)
    if seed is not None:
        boxes = _on_grids(view, change.grown, volume)
        tools.law(view.shrink(domain, 0.5), boxes, seed, _sampling(view, volume))
    return protected


def presented_area(case: Case, domain: Mask, tools: PresentTools) -> Area | None:
    """The part of a slice that is presented of a case with this domain; None for the whole."""
    return tools.crop(_with_boxes(domain, tools.grow(case.volume, case.boxes)))


class Latest(Generic[T]):
    """What was made last of a volume, for whoever asks for it again: its variants are made one after the other.

    Nothing depends on what is kept. It is let go of with its volume, and isn't pickled.
    """

    def __init__(self) -> None:
        self._last: tuple[ReferenceType[Volume], object, T] | None = None

    def __reduce__(self) -> tuple[type[Latest[T]], tuple[()]]:
        return Latest, ()

    def of(self, volume: Volume, key: object, make: Callable[[], T]) -> T:
        """What ``make`` gives, or the same as last time for this volume, by identity, and an equal key."""
        last = self._last
        if last is None or last[0]() is not volume or last[1] != key:
            self._last = last = (ref(volume, self._forget), key, make())
        return last[2]

    def _forget(self, gone: ReferenceType[Volume]) -> None:
        last = self._last
        if last is not None and last[0] is gone:
            self._last = None


def _with_boxes(domain: Mask, boxes: Sequence[Box]) -> Mask:
    """The domain and the boxes together: a box on the domain's edge must be seen whole."""
    together = domain.copy()
    for box in boxes:
        together[box.slices] = True
    return together


def _protected(volume: Volume, window: Window, change: _Change, tools: PresentTools) -> tuple[Presentation, Mask]:
    """How the volume is shown, and what of it may not change."""
    view = Presentation.of(volume, window, tools.size, tools.crop(_with_boxes(change.shown, change.grown)))
    presented = np.zeros_like(change.domain)
    presented[:, *view.area] = True
    protected = tools.protect(change.domain & presented, change.grown)
    if change.unknown is not None:
        protected &= ~(change.unknown & presented)
    if protected.all():
        raise RegionError("regions: nothing may change: the domain and the boxes cover the image", code="nothing-free")
    return view, protected


def _sampling(view: Presentation, volume: Volume) -> Sampling:
    slice_step, _, column_step = volume.geometry.spacing
    return (slice_step / column_step * view.scale, 1.0, 1.0) if slice_step else (1.0, 1.0, 1.0)


def _on_grids(view: Presentation, boxes: Sequence[Box], volume: Volume) -> tuple[Box, ...]:
    small = (_on_grid(view, box, volume) for box in boxes)
    return tuple(box for box in small if box is not None)


def _on_grid(view: Presentation, box: Box, volume: Volume) -> Box | None:
    """A native box on the prior's grid, rounded outward."""
    slices, _, _ = volume.geometry.shape
    rows, columns = view.touched(box.slices[1], box.slices[2])
    if not rows.size or not columns.size:
        return None
    start = (box.start[0], int(rows[0]), int(columns[0]))
    stop = (min(box.stop[0], slices), int(rows[-1]) + 1, int(columns[-1]) + 1)
    return replace(box, start=start, stop=stop)
