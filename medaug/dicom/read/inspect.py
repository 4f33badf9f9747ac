"""What a series is and whether it can be read, from headers alone: no pixel is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from medaug.dicom.fields import Elements
from medaug.dicom.read.decode import check_codec
from medaug.dicom.read.discover import Noting
from medaug.dicom.read.header import ImageHeader
from medaug.dicom.read.interpretation import Interpretation, meaning_after
from medaug.dicom.read.series import SeriesFiles
from medaug.dicom.read.stack import stack_grid
from medaug.errors import ReadError
from medaug.imaging.geometry import planar
from medaug.imaging.volume import Window


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
class HeaderNote:
    """One image's header as `inspect` reads it.

    Attributes:
        image: who and where it is.
        interpretation: what it means, or None where it can't be read.
        refusal: code and sentence of why it can't, or None; the error itself would hold on to the data set.
    """

    image: ImageHeader
    interpretation: Interpretation | None = None
    refusal: tuple[str, str] | None = None


Notes = dict[tuple[Path, int], HeaderNote]


def noting(notes: Notes) -> Noting:
    """Have `discover` fill ``notes`` by file and frame."""
    before: tuple[Elements, HeaderNote] | None = None

    def note(ds: Dataset, image: ImageHeader, frame: Elements) -> None:
        nonlocal before
        found = _note(ds, image, frame, before)
        notes[image.instance.path, image.frame] = found
        before = frame, found

    return note


def inspect(series: SeriesFiles, notes: Notes) -> SeriesFacts:
    """Check what `read_series` will ask of a series' headers; ``notes`` hold them, see `noting`."""
    noted = [notes[image] for image in series.images]
    refusals = [note.refusal for note in noted if note.refusal]
    middle = noted[len(noted) // 2]
    code, reason = refusals[0] if refusals else ("", "")
    read = [note.interpretation for note in noted if note.interpretation]
    planes = sorted((each.plane for each in read if each.plane), key=lambda plane: plane.depth)
    flat = middle.interpretation.spacing if middle.interpretation else None
    spacing = planar(1, 1, flat).spacing if flat else None
    if planes and not refusals:
        try:
            spacing = stack_grid(planes, series.rows, series.columns).spacing
        except ReadError as error:
            code, reason = error.code, str(error)
    windows = middle.interpretation.windows if middle.interpretation else ()
    return SeriesFacts(
        series_uid=series.series_uid,
        part=series.part,
        modality=series.modality,
        object_class=middle.image.instance.sop_class.name,
        syntaxes=tuple(sorted({note.image.instance.syntax.name for note in noted})),
        shape=(len(series.files), series.rows, series.columns),
        spacing=spacing,
        window=windows[0] if windows else None,
        identity=series.identity,
        code=code,
        reason=reason,
        notes=series.notes,
    )


def _note(ds: Dataset, image: ImageHeader, frame: Elements, before: tuple[Elements, HeaderNote] | None) -> HeaderNote:
    last, found = (before[0], before[1].interpretation) if before else (None, None)
    try:
        check_codec(ds)
        return HeaderNote(image, meaning_after(frame, last, found, placed=image.instance.kind == "slice"))
    except ReadError as error:
        return HeaderNote(image, refusal=(error.code, str(error)))
