"""What INPUT holds, for those who only look: no profile, no annotations, no pixel of a DICOM file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medaug.dicom.read.inspect import Notes, SeriesFacts, inspect, noting
from medaug.errors import ReadError
from medaug.execution.planning.plan import labels_in
from medaug.execution.planning.sources import ImageSource, Skip, image_files, refusal
from medaug.formats.registry import FORMATS
from medaug.imaging.greying import Converted

CONVERTED: dict[Converted, str] = {
    "": "",
    "near-grey": "its channels differ as lossy compression leaves them: it is taken as grey, by its luminance",
    "tint": "tinted, or coloured in under 0.1 %: usable where the profile says colour: grey, and then converted",
}


@dataclass(frozen=True)
class Inventory:
    """Series with their facts, and everything else with a reason.

    Attributes:
        series: what there is.
        skips: what is left out.
        unmatched: sentences about annotations that fit no image.
        files: paths by (``series_uid``, ``part``); for the owner's screen alone, like ``left_out``.
        left_out: files that can't be used by themselves, and the code why.
    """

    series: tuple[SeriesFacts, ...]
    skips: tuple[Skip, ...]
    unmatched: tuple[str, ...] = ()
    files: Mapping[tuple[str, str], tuple[Path, ...]] = field(default_factory=dict)
    left_out: tuple[tuple[Path, str], ...] = ()

    @property
    def usable(self) -> int:
        """How many series nothing speaks against."""
        return sum(series.usable for series in self.series)


def inventory(root: Path, annotations: Sequence[Path] = ()) -> Inventory:
    """List every series below ``root``, in an order that depends on UIDs only.

    Args:
        root: INPUT.
        annotations: files and folders with boxes, counted per series; every series is read for that.

    Raises:
        ReadError: ``no-input``: there is no such folder, or it holds no file.
        AnnotationError: an annotation file is malformed.
    """
    boxes, unmatched = _boxes(root, annotations)
    notes: Notes = {}
    dicom, others, maps = image_files(root, noting(notes))
    series = [replace(inspect(each, notes), boxes=boxes.get(each.images)) for each in dicom.series]
    skips = [Skip(s.code, s.reason, s.count, s.refused, s.series_uid) for s in dicom.skipped]
    skips += maps
    files = {(each.series_uid, each.part): tuple(dict.fromkeys(each.files)) for each in dicom.series}
    left_out = list(dicom.left_out)
    for source in others:
        try:
            facts = replace(_facts(source), boxes=boxes.get(source.file))
        except ReadError as error:
            skips.append(refusal(error, source))
            left_out += [(source.file, error.code)] if source.file else []
            continue
        series.append(facts)
        key = facts.series_uid, facts.part
        files[key] = (*files.get(key, ()), *([source.file] if source.file else []))
    return Inventory(tuple(series), tuple(skips), unmatched, files, tuple(left_out))


def _boxes(root: Path, annotations: Sequence[Path]) -> tuple[dict[Hashable, Mapping[str, int]], tuple[str, ...]]:
    """The images of a series, or a file → its boxes by label; and the sentences about the others."""
    if not annotations:
        return {}, ()
    labelled, unmatched = labels_in(root, annotations)
    return {
        source.series.images if source.series else source.file: dict(sorted(Counter(b.label for b in boxes).items()))
        for source, boxes in labelled
        if boxes is not None
    }, unmatched


def _facts(source: ImageSource) -> SeriesFacts:
    """A file that is no DICOM; it is read whole."""
    (volume,) = source.load()
    return SeriesFacts(
        series_uid=volume.source.series_uid,
        part="",
        modality=source.modality,
        object_class=FORMATS[source.kind].title,
        syntaxes=(volume.stored.dtype.name,),
        shape=volume.geometry.shape,
        spacing=volume.geometry.spacing if volume.geometry.space != "pixel" else None,
        window=volume.window,
        identity=volume.source.identity,
        notes=(*source.notes, *filter(None, (CONVERTED[volume.converted],))),
    )
