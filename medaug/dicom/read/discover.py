"""Finds the DICOM series below a folder, from headers only."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from medaug.dicom import fields
from medaug.dicom.read import parse
from medaug.dicom.read.header import KEYWORDS, ImageHeader, Noting, image_headers
from medaug.dicom.read.series import SeriesFiles, Skipped, group
from medaug.errors import ReadError
from medaug.storage import archive as places

__all__ = ["Found", "Noting", "SeriesFiles", "Skipped", "discover"]


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        series: what can be tried, ordered by UIDs.
        skipped: everything else, ordered, equal reasons counted together.
        files: every regular file, whatever it is, in name order.
        copies: which of them is a copy, byte by byte, of the one that a series holds.
        instances: the SOP Instance UID of every file with an image.
        left_out: files that couldn't be used by themselves, and the code why; stays inside the process.
    """

    series: tuple[SeriesFiles, ...]
    skipped: tuple[Skipped, ...]
    files: tuple[Path, ...] = ()
    copies: Mapping[Path, Path] = field(default_factory=dict)
    instances: Mapping[Path, str] = field(default_factory=dict)
    left_out: tuple[tuple[Path, str], ...] = ()


def discover(root: Path, expected: Callable[[Path], bool] = lambda _: False, noting: Noting | None = None) -> Found:
    """Look at every file below ``root``, whatever its name; nothing is changed, and one bad file stops nothing.

    Only regular files are opened: a FIFO would block for ever. Symbolic links are not followed.

    Args:
        root: a folder, or one file.
        expected: whether a file that is no DICOM image is something else that the caller reads, and so no skip.
        noting: what else the caller wants of every image's header.

    Raises:
        ReadError: ``no-input``: there is no such folder, it can't be listed, or it holds no file.
    """
    if not root.exists():
        raise ReadError("input: no such file or folder; give the folder of the export", code="no-input")
    images: list[ImageHeader] = []
    skipped: list[Skipped] = []
    files: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    for path, outcome in _outcomes(root, noting):
        if path is not None:
            files.append(path)
        if not isinstance(outcome, Skipped):
            images += outcome
        elif outcome.refused or path is None or not expected(path):
            skipped.append(outcome)
            left_out += [] if path is None else [(path, outcome.code)]
    if not files and not skipped:
        raise ReadError("input: the folder holds no file; give the folder of the export", code="no-input")
    series, refused, copies = group(images)
    instances = {image.instance.path: image.instance.instance_uid for image in images}
    return Found(series, _counted([*skipped, *refused]), tuple(files), copies, instances, tuple(left_out))


def _files(folder: Path) -> Iterator[Path | Skipped]:
    """Regular files in name order, and a skip for everything else that is no folder."""
    pending = [folder.resolve()]
    while pending:
        path = pending.pop()
        try:
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                yield path
            elif stat.S_ISDIR(mode):
                pending += sorted((Path(entry) for entry in os.scandir(path)), reverse=True)
            else:
                yield Skipped("", "not-a-file", "a link, pipe or device: only regular files are read", 1)
        except OSError as error:
            yield Skipped(
                "", "unreadable", f"a file or folder can't be reached ({error.strerror}); check its rights", 1
            )


def _outcomes(root: Path, noting: Noting | None) -> Iterator[tuple[Path | None, tuple[ImageHeader, ...] | Skipped]]:
    """Every file, those in zip archives included, and what was found; no path where there is no file to open."""
    for entry in _files(root):
        outcome = entry if isinstance(entry, Skipped) else _look(entry, noting)
        if isinstance(entry, Path) and isinstance(outcome, Skipped) and outcome.code == "archive":
            yield from _members(entry, noting)
        else:
            yield (entry if isinstance(entry, Path) else None), outcome


def _members(archive: Path, noting: Noting | None) -> Iterator[tuple[Path | None, tuple[ImageHeader, ...] | Skipped]]:
    try:
        held = tuple(places.members(archive))
        if not held:
            yield None, Skipped("", "empty", "the zip archive holds no file", 1)
        for member in held:
            if isinstance(member, places.Refused):
                yield None, Skipped("", member.code, member.reason, 1)
                continue
            outcome = _look(member, noting)
            if isinstance(outcome, Skipped) and outcome.code == "archive":
                why = "a zip archive inside another one is not opened: unpack it beside the other files"
                outcome = Skipped("", "nested-archive", why, 1)
            yield member, outcome
    except (OSError, ReadError) as error:
        code, why = (error.code, str(error)) if isinstance(error, ReadError) else ("unreadable", "it can't be read")
        yield None, Skipped("", code, why, 1)


def _look(path: Path, noting: Noting | None) -> tuple[ImageHeader, ...] | Skipped:
    series_uid = ""
    try:
        dataset, outline = parse.header(path, KEYWORDS)
        with parse.coded():
            series_uid = fields.uid(dataset, "SeriesInstanceUID", required=False)
            return image_headers(path, dataset, outline, noting)
    except ReadError as error:
        return Skipped(series_uid, error.code, str(error), 1)


def _counted(skipped: list[Skipped]) -> tuple[Skipped, ...]:
    counts: Counter[Skipped] = Counter()
    for entry in skipped:
        counts[replace(entry, count=0)] += entry.count
    return tuple(sorted(replace(entry, count=count) for entry, count in counts.items()))
