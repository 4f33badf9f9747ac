"""Images that are no DICOM: one literal table of how each is told apart, read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medaug.formats.nifti import read_nifti, write_nifti
from medaug.formats.nrrd import read_nrrd, write_nrrd
from medaug.formats.raster import SUFFIX, channels_of, kind_of, read_raster, write_raster
from medaug.imaging.volume import Volume

REGIONS = "regions"  # stem of the label map in evidence/


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: as in ``SourceRef.format``.
        modality: what profiles call it; such a file states no modality.
        title: for people.
        media_type: for the research object.
        suffix: of a variant.
        volumetric: whether it has a third axis and a place in the patient.
        read: path → volume.
        write: (variant, its path, a file to take the number of channels from) → None.
    """

    name: str
    modality: str
    title: str
    media_type: str
    suffix: str
    volumetric: bool
    read: Callable[[Path], Volume]
    write: Callable[[Volume, Path, Path | None], None]


def _write_raster(volume: Volume, path: Path, like: Path | None) -> None:
    write_raster(volume, path, channels_of(like) if like else 1)


FORMATS = {
    each.name: each
    for each in (
        Format("nifti", "NIFTI", "NIfTI-1", "application/x-nifti", ".nii.gz", True, read_nifti,
               lambda volume, path, _: write_nifti(volume, path)),
        Format("nrrd", "NRRD", "NRRD", "application/x-nrrd", ".nrrd", True, read_nrrd,
               lambda volume, path, _: write_nrrd(volume, path)),
        Format("png", "RASTER", "PNG", "image/png", SUFFIX["png"], False, read_raster, _write_raster),
        Format("jpeg", "RASTER", "JPEG", "image/jpeg", SUFFIX["jpeg"], False, read_raster, _write_raster),
        Format("tiff", "RASTER", "TIFF", "image/tiff", SUFFIX["tiff"], False, read_raster, _write_raster),
    )
}  # fmt: skip


def format_of(path: Path) -> Format | None:
    """What a file is that is no DICOM: NIfTI and NRRD by their names, pictures by their first bytes.

    Raises:
        OSError: it can't be opened.
        ReadError: it lies in an archive that can't be read.
    """
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return FORMATS["nifti"]
    if name.endswith(".nrrd"):
        return FORMATS["nrrd"]
    kind = kind_of(path)
    return FORMATS[kind] if kind else None
