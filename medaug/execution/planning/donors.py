"""Whose lesion is set into which image: drawn by names, then the best match of those drawn by their looks.

Hosts and lesions are points on one circle, placed by digests of their names and the run's seed. A host looks at the
lesions that follow its own point, so neither the order in which images were found nor what else is there moves more of
them than it has to.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medaug.dicom.read.anatomy import Anatomy, anatomy_of
from medaug.errors import ReadError
from medaug.execution.planning.sources import Header
from medaug.execution.planning.units import PlannedDonor, Unit
from medaug.imaging.boxes import Box
from medaug.imaging.seeds import seed_for
from medaug.imaging.volume import Mask, Volume
from medaug.profile.components import Transplant
from medaug.profile.profile import Profile
from medaug.regions import places
from medaug.regions.grafts import LONGEST, check_planar_whole, ring_px, unlike
from medaug.regions.laws import with_margin
from medaug.regions.places import Lesion, WantedWindow
from medaug.storage.disk_map import DiskMap

FARTHEST = 50  # lesions looked at by name for each one looked at by its pixels


@dataclass(frozen=True, eq=False)
class Sketch:
    """A slice as planning remembers it.

    Attributes:
        factor: px along each side of a block.
        plane: (rows, columns), means of blocks.
        domain: likewise, True where the whole of a block may change.
    """

    factor: int
    plane: places.Whole
    domain: Mask

    def at(self, factor: int) -> tuple[places.Whole, Mask]:
        """On a grid that is as coarse or coarser."""
        more = factor // self.factor
        return places.reduced(self.plane, more), places.reduced(self.domain, more) == 1


class Sketches:
    """Sketches of all images of a run, on disk.

    Args:
        domain: where a volume may change.
    """

    def __init__(self, domain: Callable[[Volume], Mask]) -> None:
        self._kept: DiskMap[Sketch] = DiskMap()
        self._domain = domain

    def look(self, volume: Volume) -> None:
        """Keep one.

        Raises:
            RegionError: no lesion can be set into it, or taken from it.
        """
        check_planar_whole(volume)
        factor = places.factor_for(volume.geometry.shape[1:], LONGEST)
        domain = places.reduced(self._domain(volume)[0], factor) == 1
        self._kept[volume.source.key] = Sketch(factor, places.reduced(volume.stored[0], factor), domain)

    def of(self, key: str) -> Sketch:
        """That of a volume that was looked at, by its key."""
        sketch = self._kept.get(key)
        assert sketch is not None
        return sketch


@dataclass(frozen=True, eq=False)
class _Lesion:
    """One on the circle."""

    point: int
    header: Header
    box: Box
    anatomy: Anatomy

    @property
    def donor(self) -> PlannedDonor:
        """As a unit names it."""
        return PlannedDonor(self.header.source, self.header.volume.source, self.box, self.anatomy.sop_class)


class Donors:
    """All lesions of a run, and which a host gets. ``without`` holds hosts that none fits, and for how many variants.

    Args:
        profile: whose law sets lesions in.
        seed: of the run.
        sketches: of all images.
        lesions: the labelled boxes by volume key.
        headers: of all usable images.
    """

    def __init__(
        self,
        profile: Profile,
        seed: int,
        sketches: Sketches,
        lesions: Mapping[str, tuple[Box, ...]],
        headers: Iterable[Header],
    ) -> None:
        assert isinstance(profile.regions, Transplant)
        self.spec, self.seed, self.sketches, self._size = profile.regions, seed, sketches, profile.size
        self._anatomies: DiskMap[Anatomy] = DiskMap()
        self._own = lesions
        self.without: list[tuple[Volume, int]] = []
        found = (self._lesion(header, box) for header in headers for box in lesions.get(header.key, ()))
        self._circle = sorted(found, key=lambda each: (each.point, each.header.key, each.box))
        self._points = [each.point for each in self._circle]

    def given(self, first: Unit, host: Header, variants: int) -> Iterator[Unit]:
        """The variants of a host, each with the donor that it was given; those that none fits are noted."""
        if self.spec.hosts == "unlabelled" and first.boxes:
            return
        missing = 0
        for variant in range(variants):
            donor = self.for_host(host, variant)
            missing += donor is None
            if donor is not None:
                yield replace(first, recipe=replace(first.recipe, variant=variant, donor=donor.digest), donor=donor)
        self.without += [(host.volume, missing)] if missing else []

    def for_host(self, host: Header, variant: int) -> PlannedDonor | None:
        """The lesion that fits this host best of those that were drawn for it; None where none is like enough."""
        drawn = self._drawn(host, variant)
        scored = [(self._promise(host, each), -n, each) for n, each in enumerate(drawn)]
        best = max(scored, default=None, key=lambda one: one[:2])
        if best is None or best[0] < self._least:
            return None
        return best[2].donor

    @property
    def _least(self) -> int:
        return round(self.spec.likeness * places.THOUSAND)

    def _drawn(self, host: Header, variant: int) -> Iterator[_Lesion]:
        """The next lesions on the circle that may go with a host by what is stated."""
        first = bisect(self._points, seed_for(self.seed, "host", host.key, variant))
        anatomy, count = self._anatomy(host), 0
        for n in range(min(len(self._circle), FARTHEST * self.spec.tried)):
            lesion = self._circle[(first + n) % len(self._circle)]
            if unlike(host.volume, lesion.header.volume) or anatomy.unlike(lesion.anatomy):
                continue
            yield lesion
            count += 1
            if count == self.spec.tried:
                return

    def _promise(self, host: Header, lesion: _Lesion) -> int:
        """The best likeness that any place of a host has, by the two sketches."""
        there, giver = self.sketches.of(host.key), self.sketches.of(lesion.header.key)
        factor = max(there.factor, giver.factor)
        volume, donor = host.volume, lesion.header.volume
        (area,) = self._grown(donor, [lesion.box])
        looked = Lesion.of(area, ring_px(self.spec.ring, volume.geometry), donor.geometry.shape[1:])
        (mine, domain), (theirs, _) = there.at(factor), giver.at(factor)
        plane, other = places.levelled(mine, theirs)
        wanted = WantedWindow.of(other, looked, factor)
        score = places.likeness(plane, wanted, self._least)
        if not score.size:
            return places.NEVER
        taken = np.zeros(plane.shape, dtype=np.bool_)
        for box in self._grown(volume, self._own.get(host.key, ())):
            rows, columns = (slice(one.start // factor, -(-one.stop // factor)) for one in box.slices[1:])
            taken[rows, columns] = True
        free = places.allowed(wanted, domain, taken)
        return int(np.where(free, score, places.NEVER).max())

    def _grown(self, volume: Volume, boxes: Sequence[Box]) -> tuple[Box, ...]:
        margin = self.spec.margin
        return with_margin(margin.value, margin.unit, self._size, volume, boxes)

    def _lesion(self, header: Header, box: Box) -> _Lesion:
        point = seed_for(self.seed, "lesion", header.key, *box.start, *box.stop, box.label)
        return _Lesion(point, header, box, self._anatomy(header))

    def _anatomy(self, header: Header) -> Anatomy:
        known = self._anatomies.get(header.key)
        if known is None:
            known = self._anatomies[header.key] = _stated(header.volume)
        return known


def _stated(volume: Volume) -> Anatomy:
    if volume.source.format != "dicom":
        return Anatomy()
    try:
        return anatomy_of(volume.source.files[0])
    except ReadError:
        return Anatomy()
