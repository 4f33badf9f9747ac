"""Reads a series into volumes: stored integers as they are, on the grid that the headers state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count as counting
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from medaug.dicom.colour_encoding import colour_of, mostly_grey, of_source
from medaug.dicom.frames import MEANING, flat_frames, frame_count
from medaug.dicom.identity import identity_of_all
from medaug.dicom.read import parse
from medaug.dicom.read.decode import stored_frames, stored_range
from medaug.dicom.read.header import InstanceHeader, instance_header
from medaug.dicom.read.interpretation import Interpretation, inverted_of, meanings_of, padding_of
from medaug.dicom.read.series import SeriesFiles
from medaug.dicom.read.stack import Plane, slice_grid, stack_grid
from medaug.errors import ReadError
from medaug.imaging.colour import Colour
from medaug.imaging.geometry import Geometry, planar
from medaug.imaging.greying import Converted
from medaug.imaging.volume import SourceRef, Stored, Volume
from medaug.processes.quiet import quiet


@dataclass(frozen=True, eq=False)
class _File:
    """What all images of one file share."""

    header: InstanceHeader
    sha256: str
    stored_range: tuple[int, int]
    padding: tuple[float, float] | None
    inverted: bool


@dataclass(frozen=True, eq=False)
class _Image:
    """One instance or frame, decoded; its data set is let go, so that a series is held once."""

    file: _File
    frame: int
    meaning: Interpretation
    stored: Stored
    colour: Colour | None
    converted: Converted

    @property
    def plane(self) -> Plane:
        assert self.meaning.plane is not None
        return self.meaning.plane


def read_series(files: SeriesFiles, *, slices: bool = False, last: parse.LastFile | None = None) -> tuple[Volume, ...]:
    """Read a series as one volume, or as one volume per slice.

    Slices are sorted along their normal (row × column), so k rises with the position along it. A radiograph is a
    volume of one slice in ``detector`` or ``pixel`` space. MONOCHROME1 sets ``inverted``; nothing is flipped. The
    window of a stack is its middle slice's: windows often differ per slice, and end slices show little.

    Args:
        files: from `discover`.
        slices: take each slice as a volume of its own, in order along the normal; a series that is no regular grid can
            be read this way. Its k step is the slice's thickness. Radiographs are read the same either way.
        last: of the caller who reads several series, which may lie in one file.

    Raises:
        ReadError: not readable, or not safe to read as a volume; ``code`` says why.
    """
    where = f"series {files.series_uid} ({files.modality})"
    images = list(_images(files, where, last or parse.LastFile()))
    with _at(where):
        if not images:
            raise ReadError("no file is listed", code="no-input")
        if images[0].file.header.kind == "radiograph":
            return tuple(_volume(files, [image], _planar(image)) for image in images)
        ordered = sorted(images, key=lambda image: (image.plane.depth, image.file.header.instance_uid, image.frame))
        rows, columns = ordered[0].stored.shape
        if slices:
            return tuple(
                _volume(files, [image], slice_grid(image.plane, *image.stored.shape), f"slice {k + 1}")
                for k, image in enumerate(ordered)
            )
        _refuse_mixed(ordered)
        return (_volume(files, ordered, stack_grid([image.plane for image in ordered], rows, columns)),)


def _images(files: SeriesFiles, where: str, last: parse.LastFile) -> Iterator[_Image]:
    """The listed images, each file parsed once: its frames stand one after the other."""
    unit = "frame" if any(frame for _, frame in files.images) else "file"
    number = counting(1)
    for path, same in groupby(files.images, itemgetter(0)):
        frames = [frame for _, frame in same]
        of_file = _of_file(path, frames, last)  # the last file is let go of before this one is parsed
        for _ in frames:
            with _at(f"{where}: {unit} {next(number)} of {len(files.images)}"), quiet():
                image = next(of_file)
            yield image


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


def _of_file(path: Path, frames: Sequence[int], last: parse.LastFile) -> Iterator[_Image]:
    read = last.instance(path)
    ds = read.dataset
    header = instance_header(path, ds, read.outline)
    count = frame_count(ds)
    last.keep(path, read if len(frames) < count else None)
    if max(frames) >= count:
        raise ReadError("a frame that was listed is no longer there; give the same command again", code="input-changed")
    file = _File(header, read.sha256, stored_range(ds), padding_of(ds), inverted_of(ds))
    decoded = stored_frames(ds, read.outline, frames)
    meanings = meanings_of(flat_frames(ds, frames, MEANING, read.known), placed=header.kind == "slice")
    for number, meaning, stored in zip(frames, meanings, decoded, strict=True):
        samples, converted = of_source(ds, stored)
        colour = colour_of(ds, samples)
        grey = mostly_grey(colour).plane if colour else stored
        yield _Image(file, number, meaning, grey, colour, converted)


def _planar(image: _Image) -> Geometry:
    rows, columns = image.stored.shape
    grid, aspect = planar(rows, columns, image.meaning.spacing), image.meaning.aspect
    if image.meaning.spacing is not None or aspect == 1:
        return grid
    return replace(grid, affine=grid.affine * np.array([1.0, aspect, 1.0, 1.0]))  # space stays "pixel"


def _encoding(image: _Image) -> tuple[object, ...]:
    luminance = image.colour.luminance if image.colour else None
    return image.stored.dtype, image.file.stored_range, image.file.inverted, luminance, image.converted


def _stacked(colours: Sequence[Colour | None]) -> Colour | None:
    known = [colour for colour in colours if colour is not None]
    return Colour(np.stack([colour.samples for colour in known]), known[0].luminance) if known else None


def _refuse_mixed(images: Sequence[_Image]) -> None:
    """Refuse slices that can't share one array and one meaning. Rescale may differ: it is kept per slice."""
    same: tuple[tuple[str, Callable[[_Image], Any]], ...] = (
        ("study or series", lambda image: (image.file.header.study_uid, image.file.header.series_uid)),
        ("patient", lambda image: image.file.header.patient),
        ("kind of image", lambda image: (image.file.header.kind, image.file.header.modality)),
        ("size", lambda image: image.stored.shape),
        ("pixel encoding", _encoding),
        ("padding", lambda image: image.file.padding),
        ("Modality LUT", lambda image: image.meaning.lut and image.meaning.lut.key),
        ("units", lambda image: image.meaning.rescale.units),
    )
    for what, key in same:
        values = [key(image) for image in images]
        others = sum(value != values[0] for value in values)
        if others:
            raise ReadError(
                f"{others} of {len(images)} slices differ from the first in {what}; export each as its own series",
                code="mixed-series",
            )
    if len({(image.file.header.instance_uid, image.frame) for image in images}) < len(images):
        raise ReadError("a SOP Instance UID occurs twice; export the series again", code="uid-conflict")


def _volume(files: SeriesFiles, images: Sequence[_Image], geometry: Geometry, part: str = "") -> Volume:
    middle = images[len(images) // 2]
    headers = [image.file.header for image in images]
    source = SourceRef(
        format="dicom",
        modality=middle.file.header.modality,
        study_uid=middle.file.header.study_uid,
        series_uid=middle.file.header.series_uid,
        instance_uids=tuple(header.instance_uid for header in headers),
        files=tuple(header.path for header in headers),
        sha256=tuple(image.file.sha256 for image in images),
        identity=identity_of_all(header.identity for header in headers),
        patient=middle.file.header.patient,
        frames=tuple(image.frame for image in images),
        part=", ".join(filter(None, (files.part, part))),
    )
    windows = middle.meaning.windows
    return Volume(
        stored=np.stack([image.stored for image in images]),
        geometry=geometry,
        rescale=tuple(image.meaning.rescale for image in images),
        window=windows[0] if windows else None,
        windows=windows,
        lut=middle.meaning.lut,
        stored_range=middle.file.stored_range,
        padding=middle.file.padding,
        inverted=middle.file.inverted,
        source=source,
        colour=_stacked([image.colour for image in images]),
        converted=middle.converted,
    )
