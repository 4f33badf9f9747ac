"""Reads a series into volumes: stored integers as they are, on the grid that the headers state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medaug.dicom import fields
from medaug.dicom.colour import colour_of, mostly_grey
from medaug.dicom.frames import frame_count, frame_of
from medaug.dicom.identity import Identity, identity_of, identity_of_all, patient_of, refuse_burned_in
from medaug.dicom.read import parse
from medaug.dicom.read.decode import check_encoding, stored_range, stored_values
from medaug.dicom.read.header import Kind, kind_of, modality_of
from medaug.dicom.read.interpretation import (
    inverted_of,
    lut_of,
    padding_of,
    pixel_aspect,
    plane_spacing,
    rescale_of,
    windows_of,
)
from medaug.dicom.read.series import SeriesFiles
from medaug.dicom.read.stack import Plane, plane_of, slice_grid, stack_grid
from medaug.errors import ReadError
from medaug.imaging.colour import Colour
from medaug.imaging.geometry import Geometry, planar
from medaug.imaging.lut import Lut
from medaug.imaging.volume import Rescale, SourceRef, Stored, Volume, Window
from medaug.processes.quiet import quiet


@dataclass(frozen=True, eq=False)
class _Image:
    """One instance or frame, decoded; its data set is let go, so that a series is held once."""

    index: int
    frame: int
    kind: Kind
    modality: str
    study_uid: str
    series_uid: str
    instance_uid: str
    sha256: str
    identity: Identity
    patient: str
    stored: Stored
    colour: Colour | None
    rescale: Rescale
    lut: Lut | None
    windows: tuple[Window, ...]
    stored_range: tuple[int, int]
    padding: tuple[float, float] | None
    inverted: bool
    plane: Plane | None
    plane_spacing: tuple[float, float] | None
    pixel_aspect: float


def read_series(files: SeriesFiles, *, slices: bool = False) -> tuple[Volume, ...]:
    """Read a series as one volume, or as one volume per slice.

    Slices are sorted along their normal (row × column), so k rises with the position along it. A radiograph is a
    volume of one slice in ``detector`` or ``pixel`` space. MONOCHROME1 sets ``inverted``; nothing is flipped. The
    window of a stack is its middle slice's: windows often differ per slice, and end slices show little.

    Args:
        files: from `discover`.
        slices: take each slice as a volume of its own, in order along the normal; a series that is no regular grid can
            be read this way. Its k step is the slice's thickness. Radiographs are read the same either way.

    Raises:
        ReadError: not readable, or not safe to read as a volume; ``code`` says why.
    """
    where = f"series {files.series_uid} ({files.modality})"
    images = []
    unit = "frame" if any(files.frames) else "file"
    opened: tuple[Path, parse.Instance] | None = None
    for index, (path, frame) in enumerate(files.images):
        with _at(f"{where}: {unit} {index + 1} of {len(files.files)}"), quiet():
            if opened is None or opened[0] != path:
                opened = None  # let go of the last file first
                opened = path, parse.instance(path)
            images.append(_image(opened[1], index, frame))
    del opened
    with _at(where):
        if not images:
            raise ReadError("no file is listed", code="no-input")
        if images[0].kind == "radiograph":
            return tuple(_volume(files, [image], _planar(image)) for image in images)
        ordered = sorted(images, key=lambda image: (_plane(image).depth, image.instance_uid, image.frame))
        rows, columns = ordered[0].stored.shape
        if slices:
            return tuple(
                _volume(files, [image], slice_grid(_plane(image), *image.stored.shape), f"slice {k + 1}")
                for k, image in enumerate(ordered)
            )
        _refuse_mixed(ordered)
        return (_volume(files, ordered, stack_grid([_plane(image) for image in ordered], rows, columns)),)


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Say where; a surprise becomes a coded refusal, so that one series stops no other."""
    try:
        yield
    except ReadError as error:
        raise ReadError(f"{where}: {error}", code=error.code) from error
    except Exception as error:
        kind = type(error).__name__
        raise ReadError(f"{where}: can't be read ({kind}); export it again", code="unreadable") from error


def _image(instance: parse.Instance, index: int, number: int) -> _Image:
    ds = instance.dataset
    kind = kind_of(ds, instance.outline)
    refuse_burned_in(ds)
    check_encoding(ds)
    if number >= frame_count(ds):
        raise ReadError("a frame that was listed is no longer there; give the same command again", code="input-changed")
    frame = frame_of(ds, number)
    stored = stored_values(ds, instance.outline, number)
    colour = colour_of(ds, stored)
    return _Image(
        index=index,
        frame=number,
        kind=kind,
        modality=modality_of(ds),
        study_uid=fields.uid(ds, "StudyInstanceUID"),
        series_uid=fields.uid(ds, "SeriesInstanceUID"),
        instance_uid=fields.uid(ds, "SOPInstanceUID"),
        sha256=instance.sha256,
        identity=identity_of(ds),
        patient=patient_of(ds),
        stored=mostly_grey(colour).plane if colour else stored,
        colour=colour,
        rescale=rescale_of(frame),
        lut=lut_of(frame),
        windows=windows_of(frame),
        stored_range=stored_range(ds),
        padding=padding_of(ds),
        inverted=inverted_of(ds),
        plane=plane_of(frame) if kind == "slice" else None,
        plane_spacing=plane_spacing(ds) if kind == "radiograph" else None,
        pixel_aspect=pixel_aspect(ds) if kind == "radiograph" else 1.0,
    )


def _plane(image: _Image) -> Plane:
    assert image.plane is not None
    return image.plane


def _planar(image: _Image) -> Geometry:
    rows, columns = image.stored.shape
    grid = planar(rows, columns, image.plane_spacing)
    if image.plane_spacing is not None or image.pixel_aspect == 1:
        return grid
    return replace(grid, affine=grid.affine * np.array([1.0, image.pixel_aspect, 1.0, 1.0]))  # space stays "pixel"


def _space(image: _Image) -> bool | None:
    return image.colour.luminance if image.colour else None


def _stacked(colours: Sequence[Colour | None]) -> Colour | None:
    known = [colour for colour in colours if colour is not None]
    return Colour(np.stack([colour.samples for colour in known]), known[0].luminance) if known else None


def _refuse_mixed(images: Sequence[_Image]) -> None:
    """Refuse slices that can't share one array and one meaning. Rescale may differ: it is kept per slice."""
    same: tuple[tuple[str, Callable[[_Image], Any]], ...] = (
        ("study or series", lambda image: (image.study_uid, image.series_uid)),
        ("patient", lambda image: image.patient),
        ("kind of image", lambda image: (image.kind, image.modality)),
        ("size", lambda image: image.stored.shape),
        ("pixel encoding", lambda image: (image.stored.dtype, image.stored_range, image.inverted, _space(image))),
        ("padding", lambda image: image.padding),
        ("Modality LUT", lambda image: image.lut and image.lut.key),
        ("units", lambda image: image.rescale.units),
    )
    for what, key in same:
        values = [key(image) for image in images]
        others = sum(value != values[0] for value in values)
        if others:
            raise ReadError(
                f"{others} of {len(images)} slices differ from the first in {what}; export each as its own series",
                code="mixed-series",
            )
    if len({(image.instance_uid, image.frame) for image in images}) < len(images):
        raise ReadError("a SOP Instance UID occurs twice; export the series again", code="uid-conflict")


def _volume(files: SeriesFiles, images: Sequence[_Image], geometry: Geometry, part: str = "") -> Volume:
    middle = images[len(images) // 2]
    source = SourceRef(
        format="dicom",
        modality=middle.modality,
        study_uid=middle.study_uid,
        series_uid=middle.series_uid,
        instance_uids=tuple(image.instance_uid for image in images),
        files=tuple(files.files[image.index] for image in images),
        sha256=tuple(image.sha256 for image in images),
        identity=identity_of_all(image.identity for image in images),
        patient=middle.patient,
        frames=tuple(image.frame for image in images),
        part=", ".join(filter(None, (files.part, part))),
    )
    return Volume(
        stored=np.stack([image.stored for image in images]),
        geometry=geometry,
        rescale=tuple(image.rescale for image in images),
        window=middle.windows[0] if middle.windows else None,
        windows=middle.windows,
        lut=middle.lut,
        stored_range=middle.stored_range,
        padding=middle.padding,
        inverted=middle.inverted,
        source=source,
        colour=_stacked([image.colour for image in images]),
    )
