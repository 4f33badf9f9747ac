"""What a series is and whether it can be read, from headers alone: no pixel is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from medaug.dicom import fields, parse
from medaug.dicom.decode import check_codec
from medaug.dicom.frames import frame_of
from medaug.dicom.grouping import SeriesFiles
from medaug.dicom.header import KEYWORDS, KINDS
from medaug.dicom.meaning import plane_spacing, rescale_of, window_of
from medaug.dicom.stack import Plane, plane_of, stack_grid
from medaug.errors import ReadError
from medaug.imaging.geometry import planar
from medaug.imaging.volume import Window

MORE = (
    *KEYWORDS,
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "GantryDetectorTilt",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
)


@dataclass(frozen=True)
class SeriesFacts:
    """A series as its headers describe it. Holds no name, no path and no free text of the input.

    Attributes:
        series_uid: SeriesInstanceUID.
        part: see `SeriesFiles.part`.
        modality: (0008,0060).
        object_class: name of the SOP class.
        syntaxes: names of the transfer syntaxes, sorted.
        shape: (slices, rows, columns).
        spacing: mm along (k, i, j); None where none is stated or the slices form no grid. 0.0 along k for one plane.
        window: of the middle image, in modality units, or None.
        identity: ``declared``, ``identified`` or ``unknown``.
        code: why it can't be read as one volume; ``""`` when nothing in its headers speaks against it.
        reason: the sentence to the code.
        notes: sentences for the user.
    """

    series_uid: str
    part: str
    modality: str
    object_class: str
    syntaxes: tuple[str, ...]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] | None
    window: Window | None
    identity: str
    code: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """True where the headers give no reason against reading it; broken pixels show only when they are decoded."""
        return not self.code


def inspect(series: SeriesFiles) -> SeriesFacts:
    """Read the headers of a series again, and check what `read_series` will ask of them."""
    middle: tuple[str, Window | None] = "", None
    syntaxes: set[str] = set()
    spacing: tuple[float, float, float] | None = None
    code = reason = ""
    try:
        planes: list[Plane] = []
        for n, (ds, frame) in enumerate(_headers(series)):
            syntax = ds.file_meta.TransferSyntaxUID
            syntaxes.add(syntax.name)
            check_codec(ds)
            rescale_of(frame)
            sop_class = UID(fields.text(ds, "SOPClassUID") or fields.text(ds.file_meta, "MediaStorageSOPClassUID"))
            if n <= len(series.files) // 2:
                middle = sop_class.name, window_of(frame)
            if KINDS[sop_class] == "radiograph":
                found = plane_spacing(frame)
                spacing = planar(1, 1, found).spacing if found else None
            else:
                planes.append(plane_of(frame))
        if planes:
            planes.sort(key=lambda plane: plane.depth)
            spacing = stack_grid(planes, series.rows, series.columns).spacing
    except ReadError as error:
        code, reason = error.code, str(error)
    return SeriesFacts(
        series_uid=series.series_uid,
        part=series.part,
        modality=series.modality,
        object_class=middle[0],
        syntaxes=tuple(sorted(syntaxes)),
        shape=(len(series.files), series.rows, series.columns),
        spacing=spacing,
        window=middle[1],
        identity=series.identity,
        code=code,
        reason=reason,
        notes=series.notes,
    )


def _headers(series: SeriesFiles) -> Iterator[tuple[Dataset, Dataset]]:
    """Every image's data set without pixels, and what it says of the frame.

    Raises:
        ReadError: a file can no longer be read.
    """
    opened: tuple[Path, Dataset] | None = None
    for path, frame in series.images:
        if opened is None or opened[0] != path:
            opened = path, parse.header(path, MORE)[0]
        with parse.coded():
            view = frame_of(opened[1], frame)
        yield opened[1], view
