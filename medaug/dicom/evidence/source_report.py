"""The boxes of a source series as a DICOM measurement report (TID 1500) of its own: annotations, not evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from medaug.dicom.evidence.evidence_headers import carry_identity, evidence_uid, headers, save, sign
from medaug.dicom.evidence.report import built
from medaug.dicom.frames import is_enhanced
from medaug.dicom.write.attribute_values import put
from medaug.errors import WriteError
from medaug.imaging.boxes import Box
from medaug.imaging.volume import SourceRef
from medaug.processes.quiet import quiet
from medaug.version import __version__


def write_labels(reference: SourceRef, boxes: Sequence[Box], *, created: datetime, path: Path) -> None:
    """Write the boxes as planar regions on the source's own instances; same inputs, same bytes.

    Identity is copied from the source byte by byte, as for every object of its study. What was synthetic stays so.

    Args:
        reference: the series.
        boxes: on its grid; at least one.
        created: when.
        path: the file to write; its folder exists.

    Raises:
        WriteError: the object can't be built from these headers, or was not read back as written.
        OutputError: the disk didn't take it.
    """
    files = list(dict.fromkeys(reference.files))
    known = dict(zip(files, headers(files), strict=True))
    slices = [
        (known[file], frame + 1 if is_enhanced(known[file]) else None)
        for file, frame in zip(reference.files, reference.frames, strict=True)
    ]
    first = slices[0][0]
    try:
        with quiet():
            made = built(slices, boxes, __version__, reference.key[:16], reference.key)
            made.SeriesInstanceUID = evidence_uid("boxes series", first)
            made.SOPInstanceUID = evidence_uid("boxes", first, reference.key)
            carry_identity(made, first)
            sign(made, first, created)
            put(made, "SeriesDescription", "medaug boxes")
            for keyword in ("SyntheticData", "ContentQualification"):
                if keyword in first:
                    made[keyword] = first[keyword]
    except Exception as error:  # highdicom raises what odd headers provoke, and its text may quote them
        raise WriteError(
            f"boxes: no report can be built for a series ({type(error).__name__}); convert to coco or csv",
            code="evidence",
        ) from error
    save(made, path)
