"""Whether an archive kept what it took: asked again, and compared by what was in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from medaug.audit.stored_pixels import decoded
from medaug.dicom.read.header import KINDS
from medaug.dicom.read.parse import Instance, coded, parsed
from medaug.errors import ArchiveError, ReadError
from medaug.imaging.pixels import pixels_digest
from medaug.pacs.archive import Archive, InstanceFound, SeriesFound
from medaug.pacs.back_off import Patience, TransientError
from medaug.pacs.sending.marked import is_marked

Proof = Literal["pixels", "count", "none"]
_SAID = ("ContentSequence", "SegmentSequence", "NumberOfFrames", "SOPClassUID")  # what an evidence object states


def content_digest(read: Instance) -> str:
    """A digest of what an instance shows or states, the same whatever an archive does to headers and transfer syntax.

    Args:
        read: the instance, parsed.

    Raises:
        ReadError: it can't be decoded.
    """
    if str(read.dataset.get("SOPClassUID")) in KINDS:
        return pixels_digest(decoded(read))
    with coded():
        return _stated(read.dataset)


def check(archive: Archive, series: SeriesFound, sent: Mapping[str, str], proof: Proof, asked: Patience) -> None:
    """Ask an archive for a series that it took.

    Args:
        archive: to ask.
        series: as it was sent.
        sent: SOP Instance UID → `content_digest`.
        proof: ``count`` asks whether they are there, ``pixels`` compares what is retrieved, ``none`` asks nothing.
        asked: asks with patience: some archives answer before they have stored.

    Raises:
        ArchiveError: ``archive-not-kept``, ``archive-uids``, ``archive-pixels`` or ``archive-marks``.
    """
    if proof == "none":
        return

    def look() -> dict[str, InstanceFound]:
        found = {one.instance: one for one in archive.find_instances(series)}
        _refuse_missing(set(sent), set(found))
        return found

    there = asked(look)
    for uid, digest in sent.items() if proof == "pixels" else ():
        _compare(asked(partial(archive.retrieve, there[uid])), digest)


def _refuse_missing(sent: set[str], there: set[str]) -> None:
    missing = len(sent - there)
    if missing and there - sent:
        raise ArchiveError(
            f"{missing} of {len(sent)} instances lie under other UIDs than they were sent with: the archive changes "
            "them, and what refers to them fails; ask those who run it",
            code="archive-uids",
        )
    if missing:
        raise TransientError(
            f"the archive said that it took {len(sent)} instances of a series, and {missing} of them are not there",
            code="archive-not-kept",
        )


def _compare(data: bytes, digest: str) -> None:
    try:
        read = parsed(data)
        same, marked = content_digest(read) == digest, is_marked(read.dataset)
    except ReadError:
        same, marked = False, True
    if not same:
        raise ArchiveError(
            "what the archive gives back shows or states something else than was sent: it encodes with loss, or "
            "changes pixels; ask those who run it",
            code="archive-pixels",
        )
    if not marked:
        raise ArchiveError(
            "what the archive gives back no longer says that it is synthetic (0008,001C, 0018,9004); ask those who run "
            "it, and remove it there",
            code="archive-marks",
        )


def _stated(ds: Dataset) -> str:
    said = hashlib.sha256()
    for keyword in _SAID:
        said.update(f"{keyword}={ds.get(keyword)}\n".encode())
    if "PixelData" in ds:
        said.update(_cells(ds))
    return said.hexdigest()


def _cells(ds: Dataset) -> bytes:
    """The pixel cells of a Segmentation as they are native, without the byte that pads them (PS3.5 8.1.1, 8.2)."""
    bits = int(ds.get("NumberOfFrames") or 1) * int(ds.Rows) * int(ds.Columns) * int(ds.BitsAllocated)
    if not ds.file_meta.TransferSyntaxUID.is_compressed:
        return bytes(ds.PixelData[: -(-bits // 8)])
    cells = ds.pixel_array
    return np.packbits(cells.ravel(), bitorder="little").tobytes() if ds.BitsAllocated == 1 else cells.tobytes()
