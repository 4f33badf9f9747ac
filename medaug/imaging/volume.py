"""A series as stored: native numbers, what they mean, where they lie, where they came from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.imaging.colour import Colour
from medaug.imaging.geometry import Geometry
from medaug.imaging.greying import Converted
from medaug.imaging.lut import Lut

Stored = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Area = tuple[slice, slice]
STRIP = 64  # rows
MAX_RESCALE = 1e30  # of a slope, its inverse and an intercept: products with stored numbers stay within float32


@dataclass(frozen=True)
class Window:
    """A VOI window in modality units; linear between its ends (PS3.3 C.11.2.1.3.2, LINEAR_EXACT)."""

    center: float
    width: float

    def __post_init__(self) -> None:
        if not self.width > 0 or not np.isfinite([self.center, self.width]).all():
            raise ValueError(f"window: expected a finite centre and a width above 0, got {self.center} / {self.width}")

    @property
    def low(self) -> float:
        """The value shown as black (white for MONOCHROME1)."""
        return self.center - self.width / 2

    @property
    def high(self) -> float:
        """The value shown as white (black for MONOCHROME1)."""
        return self.center + self.width / 2

    @classmethod
    def spanning(cls, low: float, high: float) -> Window:
        """The window from ``low`` to ``high``."""
        return cls((low + high) / 2, high - low)


def usable_rescale(slope: float, intercept: float) -> bool:
    """Whether slope and intercept give values that can be computed with."""
    return 1 / MAX_RESCALE <= abs(slope) <= MAX_RESCALE and abs(intercept) <= MAX_RESCALE


@dataclass(frozen=True)
class Rescale:
    """Stored value · slope + intercept = modality value (PS3.3 C.11.1)."""

    slope: float = 1.0
    intercept: float = 0.0
    units: str = ""

    def __post_init__(self) -> None:
        if self.slope == 0 or not np.isfinite([self.slope, self.intercept]).all():
            raise ValueError(f"rescale: expected a finite slope other than 0, got {self.slope} / {self.intercept}")


@dataclass(frozen=True)
class SourceRef:
    """What a volume was read from. Paths stay inside the process: no output may hold them.

    Attributes:
        format: ``dicom``, or a name of `formats.FORMATS`.
        modality: (0008,0060), or ``""`` for other files.
        study_uid: StudyInstanceUID; for other files a name made from the content.
        series_uid: SeriesInstanceUID; likewise.
        instance_uids: one SOPInstanceUID per slice, in slice order.
        files: one path per slice, in slice order.
        sha256: one digest of the whole file per slice, in slice order.
        identity: ``declared``, ``identified`` or ``unknown`` (see `dicom.identity`).
        patient: a keyless one-way hash of the patient, for splits inside one run only.
        frames: 0-based frame of its file per slice, in slice order; files, UIDs and digests repeat for the frames of
            one file. All 0 where files hold one image (and for other files); may be left out then.
        part: what tells apart several grids of one series, such as ``slice 7``; usually empty.
    """

    format: str
    modality: str
    study_uid: str
    series_uid: str
    instance_uids: tuple[str, ...]
    files: tuple[Path, ...]
    sha256: tuple[str, ...]
    identity: str = "unknown"
    patient: str = ""
    part: str = ""
    frames: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.instance_uids)
        if not self.frames:
            object.__setattr__(self, "frames", (0,) * count)
        lengths = len(self.files), len(self.sha256), len(self.frames)
        if lengths not in {(count, count, count), (0, count, count)}:  # a volume made from an array has no files
            raise ValueError(f"source: {count} UIDs, but {lengths} files, digests and frames; expected one per slice")
        if any(frame < 0 for frame in self.frames):
            raise ValueError("source: expected frames from 0, got one below")

    @cached_property
    def key(self) -> str:
        """64 hex digits that name the content: neither order, path nor time enters."""
        names = (self.format, self.part, *self.sha256)
        if any(self.frames):  # else the key is that of a source whose files hold one image each
            names = (*names, "frames", *map(str, self.frames))
        return hashlib.sha256("\n".join(names).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Strip:
    """Modality values of some rows and columns of one slice: what is worked on stays in the processor's cache.

    Attributes:
        slice: its number.
        area: the rows and the columns.
        values: (rows, columns).
    """

    slice: int
    area: Area
    values: npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Volume:
    """A series on its voxel grid, with the stored numbers untouched.

    Attributes:
        stored: (slices, rows, columns), native dtype, read-only.
        geometry: the grid.
        rescale: one per slice.
        window: VOI in modality units, or None when the source states none.
        stored_range: least and greatest value that the source's encoding can hold, inclusive.
        padding: inclusive range of stored values that mean "no image here" (0028,0120-0121), or None.
        inverted: True for MONOCHROME1, where low values are bright. Stored values are never flipped.
        source: where it came from.
        lut: a table in place of slope and intercept, for all slices; ``rescale`` is 1 and 0 then.
        windows: all VOI windows that the source states, the first of which is ``window``.
        colour: the source's samples (slices, rows, columns, 3) where ``stored`` holds their grey levels; else None.
        converted: how grey was made of three channels that differ (`greying.to_grey`).
    """

    stored: Stored
    geometry: Geometry
    rescale: tuple[Rescale, ...]
    window: Window | None
    stored_range: tuple[float, float]
    padding: tuple[float, float] | None
    inverted: bool
    source: SourceRef
    lut: Lut | None = None
    windows: tuple[Window, ...] = ()
    colour: Colour | None = None
    converted: Converted = ""

    def __post_init__(self) -> None:
        if self.stored.shape != self.geometry.shape:
            raise ValueError(f"stored values {self.stored.shape} don't fit the grid {self.geometry.shape}")
        if len(self.rescale) != self.geometry.shape[0]:
            raise ValueError(f"expected one rescale per slice ({self.geometry.shape[0]}), got {len(self.rescale)}")
        view = self.stored.view()  # the caller's own array stays writable
        view.setflags(write=False)
        object.__setattr__(self, "stored", view)

    @property
    def samples(self) -> Stored:
        """All that is stored: ``stored``, or (slices, rows, columns, 3) of a colour image."""
        return self.stored if self.colour is None else self.colour.holding(self.stored)

    @property
    def modality(self) -> Float32 | npt.NDArray[np.float64]:
        """Modality values (HU for CT), a fresh array. float64 where float32 can't hold every stored value exactly."""
        slope = np.array([r.slope for r in self.rescale])[:, None, None]
        intercept = np.array([r.intercept for r in self.rescale])[:, None, None]
        return self._modality(self.stored, slope, intercept)

    def modality_of(self, k: int, area: Area) -> Float32 | npt.NDArray[np.float64]:
        """`modality` of a part of slice ``k``, a fresh array (rows, columns)."""
        slope, intercept = (np.array(x) for x in (self.rescale[k].slope, self.rescale[k].intercept))
        return self._modality(self.stored[k][area], slope, intercept)

    @property
    def padded(self) -> Mask:
        """Where the source says there is no image."""
        if self.padding is None:
            return np.zeros(self.stored.shape, dtype=np.bool_)
        low, high = self.padding
        if np.issubdtype(self.stored.dtype, np.integer):
            whole: Any = self.stored
            return np.asarray((whole >= math.ceil(low)) & (whole <= math.floor(high)))
        stored = np.asarray(self.stored, dtype=np.float64)
        return np.asarray((stored >= low) & (stored <= high))

    @property
    def coarsest(self) -> float:
        """The greatest step, in modality units, that one step of a stored number makes."""
        return self.lut.coarsest if self.lut else max(abs(rescale.slope) for rescale in self.rescale)

    def slice(self, k: int) -> Volume:
        """Slice ``k`` as a volume of one slice; it stands for the same source. A volume in colour stays whole."""
        if len(self.stored) == 1 or self.colour is not None:
            return self
        affine = self.geometry.affine.copy()
        affine[:3, 3] = self.geometry.to_world((k, 0, 0))
        geometry = replace(self.geometry, shape=(1, *self.geometry.shape[1:]), affine=affine)
        return replace(self, stored=self.stored[k : k + 1], geometry=geometry, rescale=self.rescale[k : k + 1])

    def with_modality(self, values: npt.NDArray[np.floating], where: Mask) -> Volume:
        """A copy whose voxels at ``where`` hold ``values``; every other stored number is untouched.

        Integers are rounded to nearest, cut to ``stored_range``, and moved off the padding range to the
        nearest value outside it, so that no generated voxel reads as "no image here".

        Args:
            values: modality values, same shape as ``stored``.
            where: the voxels to overwrite.
        """
        return self.with_strips(_strips(values, where), where)

    def with_strips(self, strips: Iterable[Strip], where: Mask) -> Volume:
        """`with_modality` for values that come a strip at a time; what no strip holds stays as it is."""
        stored = self.stored.copy()
        for strip in strips:
            inside, rescale = where[strip.slice][strip.area], self.rescale[strip.slice]
            target = stored[strip.slice][strip.area]
            # where most of a strip is overwritten, working on all of it is cheaper than picking
            whole = 2 * np.count_nonzero(inside) > inside.size and _finite(strip.values)
            raw = self._raw(strip.values if whole else strip.values[inside], rescale)
            if whole:
                np.copyto(target, raw, where=inside)
            else:
                target[inside] = raw
        return replace(self, stored=stored)

    def _raw(self, values: npt.NDArray[np.floating], rescale: Rescale) -> Stored:
        """Stored numbers for modality values of one slice."""
        raw = values.astype(np.promote_types(values.dtype, np.float32), copy=False)  # half floats can't hold the range
        if self.lut is not None:
            raw = self.lut.undo(raw)
        elif rescale.slope != 1 or rescale.intercept or self.stored.dtype.itemsize > 2:
            raw = (raw.astype(np.float64) - rescale.intercept) / rescale.slope
        if np.issubdtype(self.stored.dtype, np.integer):
            raw = np.rint(raw, out=raw if raw is not values else None)
            if not _within(raw, *self.stored_range):
                np.clip(raw, *self.stored_range, out=raw)
            raw = _off_padding(raw, self.padding, self.stored_range)
        return raw.astype(self.stored.dtype)

    def _modality(
        self, stored: Stored, slope: npt.NDArray[np.float64], intercept: npt.NDArray[np.float64]
    ) -> Float32 | npt.NDArray[np.float64]:
        if self.lut is not None:
            return self.lut.apply(stored)
        if self._in_float32:
            exact: Float32 = stored.astype(np.float32)
            if intercept.any():
                exact += intercept.astype(np.float32)
            return exact
        values: npt.NDArray[np.float64] = stored.astype(np.float64)
        values *= slope
        values += intercept
        return values if stored.dtype.itemsize > 2 else values.astype(np.float32)

    @cached_property
    def _in_float32(self) -> bool:
        """Whether float32 holds every step of the sum exactly: whole numbers below 2²⁴."""
        small = np.issubdtype(self.stored.dtype, np.integer) and self.stored.dtype.itemsize <= 2
        whole = (r.slope == 1 and r.intercept % 1 == 0 and abs(r.intercept) < 2**23 for r in self.rescale)
        return bool(small) and all(whole)


def _strips(values: npt.NDArray[np.floating], where: Mask) -> Iterator[Strip]:
    """The rows that hold a True, `STRIP` at a time."""
    for k, wanted in enumerate(where):
        hits = np.flatnonzero(wanted.any(axis=1))
        if hits.size:
            for first in range(int(hits[0]), int(hits[-1]) + 1, STRIP):
                rows = slice(first, min(first + STRIP, int(hits[-1]) + 1))
                yield Strip(k, (rows, slice(None)), values[k, rows])


def _finite(values: npt.NDArray[np.floating]) -> bool:
    """Whether all of some values are: the ends tell, NaN is both of them."""
    return bool(np.isfinite(values.min()) and np.isfinite(values.max()))


def _within(values: npt.NDArray[np.floating], low: float, high: float) -> bool:
    """Whether none of them would be cut; looking is cheaper than cutting."""
    return not values.size or bool(values.min() >= low and values.max() <= high)


def _off_padding(
    raw: npt.NDArray[np.floating], padding: tuple[float, float] | None, allowed: tuple[float, float]
) -> npt.NDArray[np.floating]:
    if padding is None:
        return raw
    low, high = padding
    hit = (raw >= low) & (raw <= high)
    below, above = low - 1, high + 1
    if below < allowed[0]:
        target = np.full_like(raw, above)
    elif above > allowed[1]:
        target = np.full_like(raw, below)
    else:
        target = np.where(raw - below <= above - raw, below, above)
    return np.where(hit, target, raw)
