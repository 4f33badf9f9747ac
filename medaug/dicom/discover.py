"""Finds the DICOM series below a folder, from headers only."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset

from medaug.dicom import fields, parse
from medaug.dicom.grouping import SeriesFiles, Skipped, group
from medaug.dicom.header import KEYWORDS, Header, headers_of
from medaug.errors import ReadError

__all__ = ["Found", "Noting", "SeriesFiles", "Skipped", "discover"]


@dataclass(frozen=True)
class Noting:
    """More of each image's header, taken while it is parsed: parsing it a second time would double an inventory.

    Attributes:
        keywords: elements to parse beside those of discovery.
        note: called with the data set of every file that holds images, and with what discovery knows of each.
    """

    keywords: tuple[str, ...]
    note: Callable[[Dataset, tuple[Header, ...]], None]


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        series: what can be tried, ordered by UIDs.
        skipped: everything else, ordered, equal reasons counted together.
        files: every regular file, whatever it is, in name order.
    """

    series: tuple[SeriesFiles, ...]
    skipped: tuple[Skipped, ...]
    files: tuple[Path, ...] = ()


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
    headers: list[Header] = []
    skipped: list[Skipped] = []
    files: list[Path] = []
    for entry in _files(root):
        outcome = _look(entry, noting) if isinstance(entry, Path) else entry
        if isinstance(entry, Path):
            files.append(entry)
        if not isinstance(outcome, Skipped):
            headers += outcome
        elif outcome.refused or not (isinstance(entry, Path) and expected(entry)):
            skipped.append(outcome)
    if not files and not skipped:
        raise ReadError("input: the folder holds no file; give the folder of the export", code="no-input")
    series, refused = group(headers)
    return Found(series, _counted([*skipped, *refused]), tuple(files))


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


def _look(path: Path, noting: Noting | None) -> tuple[Header, ...] | Skipped:
    series_uid = ""
    try:
        dataset, outline = parse.header(path, (*KEYWORDS, *noting.keywords) if noting else KEYWORDS)
        with parse.coded():
            series_uid = fields.uid(dataset, "SeriesInstanceUID", required=False)
            headers = headers_of(path, dataset, outline)
            if noting:
                noting.note(dataset, headers)
            return headers
    except ReadError as error:
        return Skipped(series_uid, error.code, str(error), 1)


def _counted(skipped: list[Skipped]) -> tuple[Skipped, ...]:
    counts: Counter[Skipped] = Counter()
    for entry in skipped:
        counts[replace(entry, count=0)] += entry.count
    return tuple(sorted(replace(entry, count=count) for entry, count in counts.items()))
