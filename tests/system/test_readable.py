"""Every real file ends as usable or as refused for a stated reason; makes docs/reference/readable.md.

What is usable is compared with an independent reader, where that one is right: grey levels and grid with SimpleITK
(GDCM), Enhanced objects with highdicom. Write the page anew with
``MEDAUG_WRITE_DOCS=1 pytest tests/system/test_readable.py -m data``.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from medaug.dicom.frames import is_enhanced
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.dicom.read.series import NO_IMAGE
from medaug.error_codes import CODES
from medaug.errors import ReadError
from medaug.formats.registry import format_of
from medaug.imaging.colour import Colour
from medaug.imaging.volume import Volume
from medaug.processes.quiet import quiet
from tests.support.paths import ROOT

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.timeout(1200)]
DOCUMENT = ROOT / "docs" / "reference" / "readable.md"
PAPERS = {".txt", ".json", ".md", ".csv", ".xml", ".yaml", ".py", ".dump", ".icc", ""}  # "": README and the like
LOSSY = {f"1.2.840.10008.1.2.4.{end}" for end in ("50", "51", "81", "91", "203")}
ROUNDING = 2.0  # stored levels by which two decoders of a lossy codestream may differ
BROKEN = {  # on purpose, or by whoever wrote it
    "DICOMDIR-nooffset", "MR_truncated.dcm", "rtplan_truncated.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm",
}  # fmt: skip
HEAD = """# What was read of real files

Made by `tests/system/test_readable.py` from the project's real cases and the files that come with pydicom, file by
file, each read slice by slice. *Same* says which independent reader gave the same grey levels (g; for MONOCHROME1,
which SimpleITK turns over, the same after turning back), within 2 levels for lossy encodings, and the same grid (p:
position, axes, spacing in the plane). Where it says nothing, no other reader was found that reads the file, or it is
known to be wrong. Colour is usable where the profile says `colour: grey`. Codes are explained in
[codes.md](codes.md); seconds are those of one processor, for all files of the line, without the decoder's own, on the
machine that made this table.

| where | object | encoding | verdict | same | files | s |
|---|---|---|---|---|---|---|
"""
SERIES = """
## As volumes
Folders of one case, its slices together.

| where | modality | files | verdict |
|---|---|---|---|
"""


@dataclass(frozen=True, order=True)
class Line:
    """What files have in common."""

    where: str
    kind: str
    encoding: str
    verdict: str
    same: str


def candidates(data: Path) -> Iterator[tuple[str, Path]]:
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    for root in (*sorted(path for path in (data / "dev").iterdir() if path.is_dir()), bundled):
        for path in sorted(root.rglob("*")):
            suffix = path.suffix.lower()
            if path.is_file() and (suffix not in PAPERS or is_dicom(path)):
                yield ("pydicom" if root == bundled else root.name), path


def is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def line_of(where: str, path: Path) -> tuple[Line, float]:
    """How a file ends, and the processor seconds that it took."""
    started = time.process_time()
    volumes, code = outcome(path)
    seconds = time.process_time() - started
    kind, encoding = described(path)
    same = compared(path, volumes[0]) if volumes else ""
    return Line(where, kind, encoding, f"`{code}`" if code else "usable", same), seconds


def outcome(path: Path) -> tuple[tuple[Volume, ...], str]:
    form = format_of(path)
    try:
        if form is not None:
            return (form.read(path),), ""
        found = discover(path)
        if found.series:
            enhanced = len(found.series[0].images) > 1
            return read_series(found.series[0], slices=not enhanced), ""
        return (), found.skipped[0].code
    except ReadError as error:
        return (), error.code


def described(path: Path) -> tuple[str, str]:
    form = format_of(path)
    if form is not None:
        return form.title, ""
    try:
        with quiet():
            ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True)
    except Exception:  # noqa: BLE001 - the file is broken, and that is what the table says
        return "", ""
    meta = ds.get("file_meta") or pydicom.Dataset()
    sop_class = UID(str(ds.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or ""))
    return sop_class.name, UID(str(meta.get("TransferSyntaxUID") or "")).name


def compared(path: Path, volume: Volume) -> str:
    """The independent reader that agrees, and on what; an assertion where one disagrees that should be right."""
    if volume.source.format != "dicom":
        return by_itk_file(path, volume)
    with quiet():
        ds = pydicom.dcmread(path, force=True)
    return by_highdicom(path, volume) if is_enhanced(ds) else by_simpleitk(path, volume, ds)


def by_itk_file(path: Path, volume: Volume) -> str:
    import SimpleITK

    if volume.geometry.space != "patient":
        found = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        grey = found[..., 0] if found.ndim == 3 else found
        tolerance = ROUNDING if volume.source.format == "jpeg" else 0.0
        assert np.abs(grey.astype(np.float64) - volume.stored[0]).max() <= tolerance, path.name
        return "SimpleITK g"
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(image), volume.modality, rtol=1e-6)
    np.testing.assert_allclose(affine_of(image), volume.geometry.affine, atol=2e-3)
    return "SimpleITK g p"


def affine_of(image: object) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]  # type: ignore[attr-defined]
    affine[:3, 3] = image.GetOrigin()  # type: ignore[attr-defined]
    return affine


def by_simpleitk(path: Path, volume: Volume, ds: pydicom.Dataset) -> str:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
    except RuntimeError:
        return ""
    found = SimpleITK.GetArrayFromImage(image).astype(np.float64)
    if volume.colour is not None:
        return in_colour(path, found.reshape(volume.samples.shape), volume.colour)
    found = found.reshape(volume.stored.shape)
    values = (volume.stored if volume.lut else volume.modality).astype(np.float64)  # GDCM applies no Modality LUT table
    if ds.PhotometricInterpretation == "MONOCHROME1":  # GDCM turns MONOCHROME1 over, on BitsStored
        top = 2.0**ds.BitsStored - 1 if not ds.PixelRepresentation else -1.0
        slope, intercept = volume.rescale[0].slope, volume.rescale[0].intercept
        found = (top - (found - intercept) / slope) * slope + intercept
    syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
    limit = ROUNDING * abs(volume.rescale[0].slope) if syntax in LOSSY else 1e-3
    assert np.abs(found - values).max() <= limit, (path.name, np.abs(found - values).max())
    if volume.geometry.space != "patient":
        return "SimpleITK g"
    ours, theirs = volume.geometry.affine, affine_of(image)
    np.testing.assert_allclose(ours[:3, 1:], theirs[:3, 1:], atol=2e-3, err_msg=path.name)
    return "SimpleITK g p"


def in_colour(path: Path, found: np.ndarray, colour: Colour) -> str:
    """Of red, green and blue all samples; GDCM turns Y, Cb and Cr into them, where grey pixels must keep their Y."""
    if not colour.luminance:
        np.testing.assert_array_equal(found, colour.samples, err_msg=path.name)
        return "SimpleITK g"
    grey = ~colour.coloured
    np.testing.assert_array_equal(found[grey], np.stack([colour.plane[grey]] * 3, axis=-1), err_msg=path.name)
    return "SimpleITK g"


def by_highdicom(path: Path, volume: Volume) -> str:
    import highdicom

    try:
        with quiet():
            other = highdicom.imread(path).get_volume(
                apply_real_world_transform=False, apply_modality_transform=False, apply_voi_transform=False
            )
    except Exception:  # noqa: BLE001 - it has no volume for this file
        return ""
    flat = other.array.reshape(other.array.shape[:3])
    up = np.allclose(other.affine[:3, 3], volume.geometry.affine[:3, 3], atol=1e-3)
    np.testing.assert_array_equal(flat if up else flat[::-1], volume.stored, err_msg=path.name)
    sign = np.array([1.0 if up else -1.0, 1.0, 1.0])
    np.testing.assert_allclose(other.affine[:3, :3] * sign, volume.geometry.affine[:3, :3], atol=1e-3)
    return "highdicom g p"


def as_volumes(data: Path) -> Iterator[str]:
    for root in sorted(path for path in (data / "dev").iterdir() if path.is_dir()):
        for series in discover(root).series:
            if len(series.images) > 1:
                try:
                    shape = read_series(series)[0].geometry.shape
                    verdict = f"usable, {' × '.join(map(str, shape))}"
                except ReadError as error:
                    verdict = f"`{error.code}`"
                yield f"| {root.name} | {series.modality} | {series.file_count} | {verdict} |\n"


def without_seconds(text: str) -> list[str]:
    return [line.rsplit("|", 2)[0] if line.count("|") == 8 else line for line in text.splitlines()]


def test_every_real_file_is_usable_or_refused_for_a_stated_reason(data: Path) -> None:
    counts: dict[Line, int] = defaultdict(int)
    seconds: dict[Line, float] = defaultdict(float)
    surprises = []
    for where, path in candidates(data):
        line, took = line_of(where, path)
        counts[line] += 1
        seconds[line] += took
        code = line.verdict.strip("`")
        assert code in CODES or code == "usable"
        if code in {"unreadable", "crashed", "pixels", "truncated", "damaged"} and path.name not in BROKEN:
            surprises.append((path.name, code))
    rows = [
        f"| {line.where} | {line.kind} | {line.encoding} | {line.verdict} | {line.same} | {n} | {seconds[line]:.2f} |\n"
        for line, n in sorted(counts.items())
    ]
    page = HEAD + "".join(rows) + SERIES + "".join(as_volumes(data))
    if os.environ.get("MEDAUG_WRITE_DOCS"):
        DOCUMENT.write_text(page, encoding="utf-8")
    assert surprises == []
    assert sum(n for line, n in counts.items() if line.verdict == "usable" and line.same) >= 150
    assert not [
        line for line in counts if not line.kind and line.verdict.strip("`") not in {*NO_IMAGE, "missing-attribute"}
    ]
    assert without_seconds(DOCUMENT.read_text(encoding="utf-8")) == without_seconds(page)
