"""Every usable real file, derived with a trivial change, under the two validators; makes docs/reference/conformance.md.

Write the table anew with ``MEDAUG_WRITE_DOCS=1 pytest tests/system/test_conformance.py -m data``.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from medaug.audit.stored_pixels import decoded
from medaug.dicom.evidence.report import write_report
from medaug.dicom.evidence.segmentation import write_segmentation
from medaug.dicom.frames import is_enhanced
from medaug.dicom.read.discover import discover
from medaug.dicom.read.header import KINDS
from medaug.dicom.read.parse import instance
from medaug.dicom.read.read import read_series
from medaug.errors import SourceError
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, Volume
from medaug.processes.quiet import quiet
from tests.support.dicom_derived import PROVENANCE, ring, written
from tests.support.dicom_rules import own_faults
from tests.support.dicom_validators import dcentvfy, dciodvfy, errors
from tests.support.paths import ROOT

pytestmark = [pytest.mark.data, pytest.mark.slow]
DOCUMENT = ROOT / "docs" / "reference" / "conformance.md"
LEAST = 130  # derived files; fewer means that the reader or the writer turned some away
SKIPPED = {".jpg", ".txt", ".png", ".json", ".md", ".csv", ".xml", ".yaml", ".py", ".gz"}  # labels and other images
HEAD = """# Conformance of derived instances

Made by `tests/system/test_conformance.py` from public files: the project's real cases and those that come with
pydicom. Each usable file is derived with a change of its outer pixels. `dciodvfy` may find no error in the derived
file that it does not find in the source. For the first file of each line, neither in the segmentation and the report
beside it (they carry the source's identity attributes, errors included), and `dcentvfy` finds no new error in all of
them together. In each derived file the tests' own checks find nothing of what these validators miss: SyntheticData
other than YES, ImageType left ORIGINAL, a reference to itself or a UID of the source, a code with another meaning
than the dictionary's, a stale icon, stale extremes, signatures, private elements, a generated pixel with the padding
value (`tests/support/dicom_rules.py`; each is seen when it is done to a file).

| object | encoding of the source | verdict | files |
|---|---|---|---|
"""
Key = tuple[str, str, str]


def candidates(data: Path) -> Iterator[Path]:
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    for root in (data / "dev", bundled):
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix not in SKIPPED:
                yield path


def usable(path: Path, folder: Path) -> tuple[Volume, str, str] | str | None:
    """The file's volume, object and encoding; a code where it can't be used; None when it is no image."""
    copy = folder / "source.dcm"
    shutil.copy(path, copy)
    found = discover(copy)
    if not found.series:
        refused = [skip.code for skip in found.skipped if skip.refused]
        return refused[0] if refused else None
    try:
        with quiet():
            ds = pydicom.dcmread(copy)
            encoding = UID(ds.file_meta.TransferSyntaxUID)
            made_readable(ds, copy)
        (volume, *_) = read_series(discover(copy).series[0], slices=not is_enhanced(ds))
    except SourceError as error:
        return error.code
    if str(ds.SOPClassUID) not in KINDS:
        return "class"
    return volume, UID(ds.SOPClassUID).name, encoding.name


def made_readable(ds: Dataset, path: Path) -> None:
    """Write a copy anew where the validators can't read it: an odd number of bytes, or a deflated data set."""
    odd = len(ds.get("PixelData", b"")) % 2
    if odd:
        ds.PixelData += b"\0"
    if ds.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        odd = True
    if odd:
        ds.save_as(path)


def new_errors(volume: Volume, folder: Path, *, evidence: bool) -> set[str]:
    """What the validators hold against a derived file and its evidence that they don't hold against the source."""
    source = volume.source.files[0]
    changed = ring(volume)
    if volume.colour is not None:
        changed &= ~volume.colour.coloured
    (derived,) = written(volume, folder / "out", changed)
    np.testing.assert_array_equal(decoded(instance(derived))[~changed], volume.samples[~changed])
    found = errors(dciodvfy(derived)) - errors(dciodvfy(source))
    with quiet():
        found |= {f"own: {fault}" for fault in own_faults(pydicom.dcmread(derived), pydicom.dcmread(source), changed)}
    return found | evidence_errors(source, derived, changed, folder) if evidence else found


def evidence_errors(source: Path, derived: Path, changed: Mask, folder: Path) -> set[str]:
    box = Box((0, 0, 0), (1, *(max(1, n // 2) for n in changed.shape[1:])), "lesion")
    mask = np.zeros_like(changed)
    mask[box.slices] = True
    regions, boxes = folder / "regions.dcm", folder / "boxes.dcm"
    write_segmentation([derived], (changed, ~changed, mask), provenance=PROVENANCE, path=regions)
    write_report([derived], [box], provenance=PROVENANCE, path=boxes)
    found = (errors(dciodvfy(regions)) | errors(dciodvfy(boxes))) - errors(dciodvfy(source))
    return found | errors(dcentvfy(source, derived, regions, boxes)) - errors(dcentvfy(source, derived))


def table(rows: Counter[Key]) -> str:
    return HEAD + "".join(f"| {' | '.join(key)} | {count} |\n" for key, count in sorted(rows.items()))


def test_no_derived_file_has_an_error_that_its_source_has_not(data: Path, tmp_path: Path) -> None:
    rows: Counter[Key] = Counter()
    faults: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    for number, path in enumerate(candidates(data)):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = usable(path, folder)
        if isinstance(found, tuple):
            volume, kind, encoding = found
            try:
                wrong = new_errors(volume, folder, evidence=(kind, encoding) not in seen)
                verdict = "new errors" if wrong else "no new error"
            except SourceError as error:
                wrong, verdict = {f"{error.code}: {error}"}, f"refused: {error.code}"
            seen.add((kind, encoding))
            rows[kind, encoding, verdict] += 1
            if wrong:
                faults[path.name] = wrong
        shutil.rmtree(folder)
    if os.environ.get("MEDAUG_WRITE_DOCS"):
        DOCUMENT.write_text(table(rows), encoding="utf-8")
    assert faults == {}
    assert sum(rows.values()) >= LEAST
    assert DOCUMENT.read_text(encoding="utf-8") == table(rows)
