"""Pictures that hold several images side by side, as far as they say so.

Position, spacing and window of such a picture are those of no image in it, and what surrounds a lesion may be the next
slice, the next patient position or another series.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from medaug.dicom import fields
from medaug.dicom.frames import is_enhanced
from medaug.errors import ReadError

# Values of ImageType, any of them: the first is Siemens's for a volume laid out as tiles; the others are made by
# hand-written exports. Enhanced objects may keep the word from the sequence that made them; their frames are no tiles.
TILED = frozenset({"MOSAIC", "MONTAGE", "COLLAGE", "CONTACT SHEET", "CONTACT_SHEET"})
# Siemens's private count of a mosaic's images, and who owns the block: it stays where ImageType was rewritten.
_OWNER, _COUNT = 0x00190010, 0x0019100A
MOSAIC: tuple[str | int, ...] = (
    "SequenceOfUltrasoundRegions",
    "SourceImageSequence",
    _OWNER,
    _COUNT,
)
TWO_D = 1  # RegionSpatialFormat


def several_pictures(ds: Dataset) -> tuple[str, ...]:
    """Refuse a picture of tiles; sentences about one that may hold several images.

    Raises:
        ReadError: ``mosaic``: ImageType, or the count beside it, says that several images lie in one picture.

    Source: PS3.3 C.8.5.5 (ultrasound regions), C.7.6.1.1.4 (source images); the Siemens MR conformance statements
        ((0019,xx0A) NumberOfImagesInMosaic under SIEMENS MR HEADER).
    """
    count = 1 if is_enhanced(ds) else _tiles(ds)
    if count != 1:
        raise ReadError(
            f"a mosaic: {count or 'several'} images in one picture, so what is stated of its place is true of none; "
            "export single slices or an Enhanced object",
            code="mosaic",
        )
    return (*_regions(ds), *_sources(ds))


def _tiles(ds: Dataset) -> int:
    """How many images it is said to hold; 0 for several."""
    stated = ds.get(_COUNT)
    if stated is not None and "SIEMENS MR HEADER" in str(ds.get(_OWNER)):
        value = stated.value  # of unknown representation in implicit files
        return max(1, int.from_bytes(value, "little") if isinstance(value, bytes) else int(value or 1))
    return 0 if TILED & {value.upper() for value in fields.texts(ds, "ImageType")} else 1


def _regions(ds: Dataset) -> tuple[str, ...]:
    regions = fields.items(ds, "SequenceOfUltrasoundRegions")
    images = sum(fields.number(region, "RegionSpatialFormat") == TWO_D for region in regions)
    if images < 2:
        return ()
    return (f"{images} ultrasound images in one picture (0018,6011): a box and its surroundings may lie in several",)


def _sources(ds: Dataset) -> tuple[str, ...]:
    if fields.text(ds, "SOPClassUID") != SecondaryCaptureImageStorage:
        return ()
    images = {fields.text(image, "ReferencedSOPInstanceUID") for image in fields.items(ds, "SourceImageSequence")}
    if len(images) < 2:
        return ()
    return (f"captured from {len(images)} images (0008,2112): they may lie side by side in it",)
