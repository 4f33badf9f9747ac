"""Images that are no DICOM: one literal table of how each is told apart, read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from medaug.formats.nifti import nifti_geometry, nifti_labels, read_nifti, states_nifti, write_nifti
from medaug.formats.nrrd import nrrd_geometry, nrrd_labels, read_nrrd, states_nrrd, write_nrrd
from medaug.formats.raster import SUFFIX, channels_of, kind_of, read_raster, states_raster, write_raster
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Volume

REGIONS = "regions"  # stem of the label map in evidence/


@dataclass(frozen=True)
class LabelReader:
    """How a label map is read.

    Attributes:
        geometry: path → the grid, by the header alone.
        values: path → the values, (slices, rows, columns), rescaled.
    """

    geometry: Callable[[Path], Geometry]
    values: Callable[[Path], npt.NDArray[Any]]


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
        write: (variant, its path, a file to take the number of channels from, whether any of it is generated) → None.
        states: (file, volume, …, … as for ``write``) → whether all else that the file says, such as where the voxels
            lie and that they are synthetic, is what ``write`` would say of this volume.
        labels: how label maps of this kind are read, with the refusals of ``read``; None where there are none.
    """

    name: str
    modality: str
    title: str
    media_type: str
    suffix: str
    volumetric: bool
    read: Callable[[Path], Volume]
    write: Callable[[Volume, Path, Path | None, bool], None]
    states: Callable[[Path, Volume, Path | None, bool], bool]
    labels: LabelReader | None = None


def _write_raster(volume: Volume, path: Path, like: Path | None, generated: bool) -> None:
    write_raster(volume, path, channels_of(like) if like else 1, generated=generated)


def _states_raster(path: Path, volume: Volume, like: Path | None, generated: bool) -> bool:
    return states_raster(path, volume, channels_of(like) if like else 1, generated=generated)


FORMATS = {
    each.name: each
    for each in (
        Format("nifti", "NIFTI", "NIfTI-1", "application/x-nifti", ".nii.gz", True, read_nifti,
               lambda volume, path, *_: write_nifti(volume, path), lambda path, volume, *_: states_nifti(path, volume),
               LabelReader(nifti_geometry, nifti_labels)),
        Format("nrrd", "NRRD", "NRRD", "application/x-nrrd", ".nrrd", True, read_nrrd,
               lambda volume, path, *_: write_nrrd(volume, path), lambda path, volume, *_: states_nrrd(path, volume),
               LabelReader(nrrd_geometry, nrrd_labels)),
        Format("png", "RASTER", "PNG", "image/png", SUFFIX["png"], False, read_raster, _write_raster, _states_raster),
        Format("jpeg", "RASTER", "JPEG", "image/jpeg", SUFFIX["jpeg"], False, read_raster, _write_raster,
               _states_raster),
        Format("tiff", "RASTER", "TIFF", "image/tiff", SUFFIX["tiff"], False, read_raster, _write_raster,
               _states_raster),
    )
}  # fmt: skip


def format_of(path: Path) -> Format | None:
    """What a file is that is no DICOM: NIfTI and NRRD by their names, pictures by their first bytes.

    Raises:
        OSError: it can't be opened.
        ReadError: it lies in an archive that can't be read.
    """
    if found := volumetric_format(path):
        return found
    kind = kind_of(path)
    return FORMATS[kind] if kind else None


def volumetric_format(path: Path) -> Format | None:
    """NIfTI or NRRD by the file's name alone; the reader of NRRD refuses ``.nhdr``, whose voxels lie elsewhere."""
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return FORMATS["nifti"]
    return FORMATS["nrrd"] if name.endswith((".nrrd", ".nhdr")) else None
