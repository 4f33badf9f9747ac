"""How much of a disk a unit takes: pixels as they are written, evidence, previews and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medaug.imaging.geometry import Shape
from medaug.report.picture_size import LONGEST, SHORTEST

if TYPE_CHECKING:
    from medaug.execution.planning.sources import ImageSource
    from medaug.profile.profile import Profile

# Measured on the outputs of nine runs (radiographs, CT, MR, pictures): images take 0.13 to 0.55 of their bytes where a
# codec, PNG or gzip holds them, and previews 1.1 to 2.6 bytes for each pixel that is shown.
LESS = {"explicit-le": 1.0, "jpeg2000-lossless": 0.4, "jpeg-ls-lossless": 0.4, "rle-lossless": 0.6}
PICTURE, GZIPPED = 0.4, 0.6
PREVIEWS = 2.2  # four pictures
SEGMENTS = 3 / 8  # bytes a voxel: three segments of one bit (PS3.5 8.1.1)
MAP = 0.02  # likewise, of a label map that gzip or PNG holds
HEADER, RECORDS = 5_000, 40_000  # bytes of a DICOM file, and of a unit beside its pixels


def bytes_on_disk(source: ImageSource, shape: Shape, stored: int, profile: Profile) -> int:
    """About what one unit will take; pixels that are mostly empty take less where they are compressed.

    Args:
        source: what it is made from.
        shape: (slices, rows, columns).
        stored: bytes of its stored numbers.
        profile: says how they are written.
    """
    slices, rows, columns = shape
    voxels = slices * rows * columns
    dicom = source.series is not None or (profile.pictures == "secondary-capture" and source.modality == "RASTER")
    less = LESS[profile.output_syntax] if dicom else PICTURE if source.modality == "RASTER" else GZIPPED
    samples = 3 if source.series is not None and source.series.colour else 1
    image = stored * samples * less
    beside = SEGMENTS * voxels + HEADER * slices if dicom else MAP * voxels
    return int(image + beside + PREVIEWS * _shown(rows, columns) + RECORDS)


def _shown(rows: int, columns: int) -> float:
    """Pixels of one preview."""
    longest = max(rows, columns)
    scale = 1 / -(-longest // LONGEST) if longest > LONGEST else max(1, -(-SHORTEST // longest))
    return rows * columns * scale**2
