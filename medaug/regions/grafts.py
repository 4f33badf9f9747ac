"""Where a lesion of one radiograph is set into another, and how grey: drawn from a seed among the best places."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medaug.errors import RegionError, counted
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from medaug.imaging.graft import GREY, STEEPEST, Edges, Graft, GreyMap, area_of, check_whole, mask_of
from medaug.imaging.seeds import generator
from medaug.imaging.volume import Mask, Stored, Volume
from medaug.regions import places
from medaug.regions.places import Lesion, WantedWindow

LONGEST = 128  # px: the host as it is searched first; a plan remembers images at this size, too
FINER = 4  # times, around what was found
SPACING = 1.1  # spacings within this factor are alike
SIZE = 1.25  # likewise, longer sides of images without a spacing
NOISY = 50  # thousandths that a likeness may be less at that size, where noise is more
NATIVE_INSIDE = 0.97  # of the lesion's area lies in the domain, whatever blocks of it said


@dataclass(frozen=True)
class GraftLimits:
    """What a place must be like.

    Attributes:
        ring: width of the window around the lesion, as a share of the host's longer side.
        likeness: least likeness of the place with the lesion's surroundings, see `places.likeness`.
        places: the draw is among so many of the best.
    """

    ring: float
    likeness: float
    places: int


def ring_px(ring: float, host: Geometry) -> int:
    """The ring in px of the host."""
    return max(2, math.ceil(ring * max(host.shape[1:])))


def unlike(host: Volume, donor: Volume) -> str:
    """Why a lesion of ``donor`` can't be set into ``host``, whatever pixels say; "" where nothing speaks against it."""
    if host.source.modality != donor.source.modality or host.source.format != donor.source.format:
        return "another modality or format"
    if host.source.key == donor.source.key:
        return "the same image"
    if host.source.patient and host.source.patient == donor.source.patient:
        return "the same patient, whose images may show the lesion already"
    if host.inverted != donor.inverted or host.lut or donor.lut:
        return "grey levels that run the other way, or follow a table"
    if (host.rescale[0].slope > 0) != (donor.rescale[0].slope > 0):
        return "grey levels that run the other way, or follow a table"
    return "" if _of_one_size(host.geometry, donor.geometry) else "another pixel spacing, or another size without one"


def check_planar_whole(volume: Volume) -> None:
    """Refuse what no lesion is set into or taken from: volumes, slices of them, colour, real numbers.

    Raises:
        RegionError: not one slice without patient coordinates, in colour, or no whole numbers.
    """
    if volume.geometry.shape[0] != 1 or volume.geometry.space == "patient":
        raise RegionError(
            f"regions: transplants are for radiographs and pictures, found "
            f"{counted(volume.geometry.shape[0], 'slice')} in {volume.geometry.space} space; use another law",
            code="not-planar",
        )
    if volume.colour is not None:
        raise RegionError("regions: no lesion is set into coloured pixels; use another law", code="colour")
    check_whole(volume.stored[0])


@dataclass(frozen=True, eq=False)
class Host:
    """What a lesion is set into.

    Attributes:
        volume: a radiograph or a picture.
        boxes: labels of its own.
        domain: (1, rows, columns), where anatomy is.
        kept: likewise, True where nothing may change; None for nowhere.
    """

    volume: Volume
    boxes: Sequence[Box]
    domain: Mask
    kept: Mask | None = None


def draw_graft(
    limits: GraftLimits,
    grow: Callable[[Volume, Sequence[Box]], tuple[Box, ...]],
    host: Host,
    donor: tuple[Volume, Box],
    seed: int,
) -> Graft:
    """A graft in a place that looks as the lesion's surroundings do.

    Args:
        limits: of the profile.
        grow: boxes with their margin.
        host: what it is set into.
        donor: another image, and the box of the lesion in it.
        seed: of this variant.

    Raises:
        RegionError: the two can't go together, or no place is plausible.
    """
    for each in (host.volume, donor[0]):
        check_planar_whole(each)
    if why := unlike(host.volume, donor[0]):
        raise RegionError(f"regions: the donor is of {why}; choose another", code="no-place")
    search = _Search.of(limits, grow, host, donor)
    grafts = [graft for shift in search.shifts(limits) if (graft := search.graft(shift))]
    if not grafts:
        raise RegionError(
            "regions: no place in the host's domain looks as the lesion's surroundings do (likeness of at least "
            f"{limits.likeness:g}); give more images of the same part, or a smaller likeness",
            code="no-place",
        )
    return grafts[int(generator(seed, "transplant").integers(len(grafts)))]


@dataclass(frozen=True, eq=False)
class _Search:
    """The host and what is to be set into it.

    Attributes:
        host: the volume.
        donor: likewise.
        lesion: in the donor.
        domain: (rows, columns) of the host.
        taken: likewise, True in boxes of its own, with their margin.
        kept: likewise, True where nothing may change.
    """

    host: Volume
    donor: Volume
    lesion: Lesion
    domain: Mask
    taken: Mask
    kept: Mask

    @classmethod
    def of(
        cls,
        limits: GraftLimits,
        grow: Callable[[Volume, Sequence[Box]], tuple[Box, ...]],
        host: Host,
        donor: tuple[Volume, Box],
    ) -> _Search:
        """Of a lesion, its margin and its ring."""
        (giver, box), volume = donor, host.volume
        (area,) = grow(giver, [box])
        lesion = Lesion.of(area, ring_px(limits.ring, volume.geometry), _shape(giver))
        taken = _boxes_mask(grow(volume, host.boxes), _shape(volume))
        kept = np.zeros_like(taken) if host.kept is None else host.kept[0]
        return cls(volume, giver, lesion, host.domain[0], taken, kept)

    def shifts(self, limits: GraftLimits) -> Iterator[tuple[int, int]]:
        """How far the lesion may go, in px, best first."""
        factor = max(places.factor_for(_shape(each), LONGEST) for each in (self.host, self.donor))
        host, wanted = self._shown(factor)
        least = round(limits.likeness * places.THOUSAND)
        score = places.likeness(host, wanted, least)
        if not score.size:
            return
        domain = places.reduced(self.domain, factor) == 1
        taken = places.reduced(self.taken.astype(np.int64) * factor**2, factor) > 0
        score = np.where(places.allowed(wanted, domain, taken), score, places.NEVER)
        top, bottom, left, right = self.lesion.area
        apart = max(4, max(bottom - top, right - left) // factor // 2)
        for place in places.best_places(score, least, limits.places, apart):
            shift = self._finer((place.row - wanted.corner[0], place.column - wanted.corner[1]), factor, least)
            if shift is not None:
                yield shift

    def _shown(self, factor: int) -> tuple[places.Whole, WantedWindow]:
        host, donor = places.levelled(*(places.reduced(plane, factor) for plane in self._planes))
        return host, WantedWindow.of(donor, self.lesion, factor)

    @property
    def _planes(self) -> tuple[Stored, Stored]:
        return self.host.stored[0], self.donor.stored[0]

    def _finer(self, blocks: tuple[int, int], factor: int, least: int) -> tuple[int, int] | None:
        """The shift in px, to a fourth of a block; None where the place isn't like enough at that size."""
        finer = max(1, factor // FINER)
        if finer == factor:
            return blocks[0] * factor, blocks[1] * factor
        (host, wanted), step = self._shown(finer), factor // finer
        (height, width), (row, column) = wanted.values.shape, wanted.corner
        first = max(0, row + (blocks[0] - 1) * step), max(0, column + (blocks[1] - 1) * step)
        near = host[first[0] : first[0] + height + 2 * step, first[1] : first[1] + width + 2 * step]
        score = places.nearby(near, wanted)
        if int(score.max(initial=places.NEVER)) < least - NOISY:
            return None
        i, j = divmod(int(score.argmax()), score.shape[1])
        return (first[0] + i - row) * finer, (first[1] + j - column) * finer

    def graft(self, shift: tuple[int, int]) -> Graft | None:
        """What is set in there; None where it wouldn't fit after all."""
        area, window = self.lesion.area, self.lesion.window
        place, there = _shifted(area, shift), _shifted(window, shift)
        (rows, columns), (host, donor) = _shape(self.host), self._planes
        if min(there) < 0 or there[1] > rows or there[3] > columns or self.taken[area_of(there)].any():
            return None
        if self.domain[area_of(place)].mean() < NATIVE_INSIDE or self.kept[area_of(place)].any():
            return None
        rim = ~mask_of(area, donor.shape)[area_of(window)]
        grey = _grey_map(donor[area_of(window)][rim], host[area_of(there)][rim], _limits(self.host))
        return Graft(area, shift, there, grey) if grey and not grey.cuts(donor[area_of(area)]) else None


def _grey_map(donor: Stored, host: Stored, limits: tuple[int, int]) -> GreyMap | None:
    """The line that gives the donor's numbers the host's mean and standard deviation; None for too steep a one."""
    n = donor.size
    (mine, spread), (theirs, wide) = _moments(donor), _moments(host)
    slope = (wide * GREY + spread // 2) // max(1, spread)
    if not GREY // STEEPEST <= slope <= GREY * STEEPEST:
        return None
    return GreyMap(slope, (theirs * GREY - mine * slope) // n, *limits)


def _moments(values: Stored) -> tuple[int, int]:
    """The sum, and the number of values times their standard deviation, rounded down."""
    whole = values.astype(np.int64)
    total = int(whole.sum())
    return total, math.isqrt(max(0, whole.size * int((whole * whole).sum()) - total * total))


def _shifted(edges: Edges, shift: tuple[int, int]) -> Edges:
    (top, bottom, left, right), (down, along) = edges, shift
    return top + down, bottom + down, left + along, right + along


def _boxes_mask(boxes: Sequence[Box], shape: tuple[int, int]) -> Mask:
    mask = np.zeros(shape, dtype=np.bool_)
    for box in boxes:
        mask[box.slices[1:]] = True
    return mask


def _shape(volume: Volume) -> tuple[int, int]:
    return volume.geometry.shape[1], volume.geometry.shape[2]


def _limits(host: Volume) -> tuple[int, int]:
    """What the host's encoding can hold, and its values do: no brighter than it is anywhere, no darker."""
    low, high = int(host.stored.min()), int(host.stored.max())
    return max(low, math.ceil(host.stored_range[0])), min(high, math.floor(host.stored_range[1]))


def _of_one_size(host: Geometry, donor: Geometry) -> bool:
    if host.space != donor.space:
        return False
    if host.space == "pixel":
        longer = sorted((max(host.shape[1:]), max(donor.shape[1:])))
        return longer[1] <= SIZE * longer[0]
    pairs = (sorted(pair) for pair in zip(host.spacing[1:], donor.spacing[1:], strict=True))
    return all(high <= SPACING * low for low, high in pairs)
