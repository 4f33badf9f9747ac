"""What a series is and whether it can be read, from headers alone: no pixel is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from medaug.dicom import fields
from medaug.dicom.frames import frame_of
from medaug.dicom.read.decode import check_codec
from medaug.dicom.read.discover import Noting
from medaug.dicom.read.header import KINDS, Header
from medaug.dicom.read.interpretation import plane_spacing, rescale_of, window_of
from medaug.dicom.read.series import SeriesFiles
from medaug.dicom.read.stack import Plane, plane_of, stack_grid
from medaug.errors import ReadError
from medaug.imaging.geometry import planar
from medaug.imaging.volume import Window

MORE = (
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "GantryDetectorTilt",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "PixelAspectRatio",
    "PresentationLUTShape",
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
        boxes: label → number of boxes; None where none were asked for or known.
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
    boxes: Mapping[str, int] | None = None

    @property
    def usable(self) -> bool:
        """True where the headers give no reason against reading it; broken pixels show only when they are decoded."""
        return not self.code


@dataclass(frozen=True, eq=False)
class Note:
    """What one image's header says for `inspect`.

    Attributes:
        syntax: name of the transfer syntax.
        object_class: name of the SOP class.
        window: in modality units, or None.
        spacing: mm between (rows, columns) of a radiograph, or None.
        plane: of a slice; None for a radiograph.
        refusal: code and sentence of why it can't be read, or None; the error itself would hold on to the data set.
    """

    syntax: str
    object_class: str
    window: Window | None = None
    spacing: tuple[float, float] | None = None
    plane: Plane | None = None
    refusal: tuple[str, str] | None = None


Notes = dict[tuple[Path, int], Note]


def noting(notes: Notes) -> Noting:
    """Have `discover` fill ``notes`` by file and frame."""

    def note(ds: Dataset, headers: tuple[Header, ...]) -> None:
        notes.update({(header.path, header.frame): _note(ds, header.frame) for header in headers})

    return Noting(MORE, note)


def inspect(series: SeriesFiles, notes: Notes) -> SeriesFacts:
    """Check what `read_series` will ask of a series' headers; ``notes`` hold them, see `noting`."""
    found = [notes[image] for image in series.images]
    refusals = [note.refusal for note in found if note.refusal]
    middle = found[len(found) // 2]
    spacing = planar(1, 1, middle.spacing).spacing if middle.spacing else None
    code, reason = refusals[0] if refusals else ("", "")
    planes = sorted((note.plane for note in found if note.plane), key=lambda plane: plane.depth)
    if planes and not refusals:
        try:
            spacing = stack_grid(planes, series.rows, series.columns).spacing
        except ReadError as error:
            code, reason = error.code, str(error)
    return SeriesFacts(
        series_uid=series.series_uid,
        part=series.part,
        modality=series.modality,
        object_class=middle.object_class,
        syntaxes=tuple(sorted({note.syntax for note in found})),
        shape=(len(series.files), series.rows, series.columns),
        spacing=spacing,
        window=middle.window,
        identity=series.identity,
        code=code,
        reason=reason,
        notes=series.notes,
    )


def _note(ds: Dataset, number: int) -> Note:
    sop_class = UID(fields.text(ds, "SOPClassUID") or fields.text(ds.file_meta, "MediaStorageSOPClassUID"))
    syntax = ds.file_meta.TransferSyntaxUID.name
    try:
        check_codec(ds)
        frame = frame_of(ds, number)
        rescale_of(frame)
        flat = KINDS[sop_class] == "radiograph"
        return Note(
            syntax,
            sop_class.name,
            window_of(frame),
            spacing=plane_spacing(frame) if flat else None,
            plane=None if flat else plane_of(frame),
        )
    except ReadError as error:
        return Note(syntax, sop_class.name, refusal=(error.code, str(error)))
