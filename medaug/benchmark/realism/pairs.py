"""The pairs of an OUTPUT: each written image beside the source it was made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing

from medaug.assemble import window_of
from medaug.audit import layout, ledger
from medaug.audit.listed import Choice
from medaug.audit.record import Record
from medaug.audit.stored_pixels import stored_of
from medaug.benchmark.realism.patches import SlicePair
from medaug.errors import OutputError, ReadError
from medaug.execution.planning.sources import ImageSource, collect
from medaug.imaging.volume import Float32, Mask, Stored, Volume, Window
from medaug.profile.load import load_profile

SLICES = 4  # of a volume: its neighbours show the same anatomy
CLOSING = 7  # px: a voxel that kept its value by chance lies in the free region all the same


def pairs_of(output: Path, source: Path) -> Iterator[SlicePair]:
    """Each listed grey image of OUTPUT with its source, volumes by a few slices; source by source.

    Args:
        output: OUTPUT; only read.
        source: what it was made from; found by content.

    Raises:
        OutputError: OUTPUT holds no written image.
        ReadError: a source isn't there any more, byte for byte.
        ProfileError: its profile isn't readable.
    """
    known = Choice.of(output).through(ledger.shelved(output / layout.LEDGER))
    written = [one for one in known if one.status == "written"]
    if not written:
        raise OutputError("OUTPUT: no image was written; nothing can be judged")
    profile = load_profile(str(output / layout.PROFILE))
    left = defaultdict(list)
    for record in written:
        left[record.source.key].append(record)
    for volume in _volumes(collect(source, profile, ()).sources):
        for record in left.pop(volume.source.key, ()):
            if volume.colour is None:
                yield from _slices(output, record, volume, window_of(profile, volume))
    if left:
        raise ReadError(
            f"source: {len(left)} of the sources of OUTPUT aren't in it; give the folder that it was made from",
            code="source-missing",
        )


def _volumes(sources: Sequence[ImageSource]) -> Iterator[Volume]:
    for source in sources:
        try:
            yield from source.load()
        except ReadError:  # it can't have given a written image; if it was damaged since, it is told as missing
            continue


def _slices(output: Path, record: Record, volume: Volume, window: Window) -> Iterator[SlicePair]:
    made = [stored_of(output / image.path) for image in record.images]
    result = replace(volume, stored=np.stack([made[image][frame] for image, frame in record.slice_frames]))
    for k in _spread(volume.geometry.shape[0]):
        free = changed(volume.stored[k], result.stored[k])
        real, shown = (_in_window(one.modality[k], window) for one in (volume, result))
        yield SlicePair(record.source.patient, real, shown, free, record.unit)


def changed(before: Stored, after: Stored) -> Mask:
    """The region in which a slice differs, without the holes that chance leaves."""
    box = np.ones((CLOSING, CLOSING), dtype=bool)
    return np.asarray(binary_closing(np.pad(before != after, CLOSING), box)[CLOSING:-CLOSING, CLOSING:-CLOSING])


def _spread(slices: int) -> list[int]:
    """Up to `SLICES` slices, evenly apart, not the outermost ones of many."""
    return sorted({int((n + 0.5) * slices / SLICES) for n in range(SLICES)})


def _in_window(values: Float32 | NDArray[np.float64], window: Window) -> Float32:
    """Modality values in shares of the window; MONOCHROME1 isn't turned, which hides nothing from a judge."""
    return np.asarray(np.clip((values - window.low) / window.width, 0, 1), dtype=np.float32)
