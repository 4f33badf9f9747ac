"""`medaug verify --by-pixels`: images elsewhere, with other headers and UIDs, against the record by their numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from medaug.audit import ledger
from medaug.audit.layout import LEDGER
from medaug.audit.record import Record
from medaug.audit.stored_pixels import decoded
from medaug.dicom.read.parse import instance
from medaug.errors import OutputError, ReadError
from medaug.formats.registry import format_of
from medaug.imaging.pixels import pixels_digest
from medaug.processes.quiet import quiet
from medaug.verification import run_level
from medaug.verification.faults import Fault
from medaug.verification.verify import regular_files

NO_IMAGE = frozenset({"archive", "dicomdir", "empty", "no-pixels", "not-an-image", "not-dicom"})


@dataclass(frozen=True)
class Links:
    """Which foreign files are which outputs.

    Attributes:
        faults: images that are no output's, and what is wrong with the record.
        linked: the foreign file, relative to its folder → (unit, output's path); several where outputs are equal.
        ignored: files that are no image.
        absent: images of the record that are not among the files; a part of an OUTPUT is no fault.
    """

    faults: tuple[Fault, ...]
    linked: Mapping[str, tuple[tuple[str, str], ...]]
    ignored: int
    absent: int


def link_by_pixels(output: Path, folder: Path) -> Links:
    """Find the outputs that files are, by the digest of their stored values alone.

    It outlives new UIDs, removed elements and lossless recompression; not a lossy one, a crop, or other bits.

    Args:
        output: OUTPUT; only its ledger is read.
        folder: what came back from elsewhere.

    Raises:
        OutputError: OUTPUT is none, or its ledger is damaged.
        ReadError: there is no such folder.
    """
    faults = [*run_level.check_format(output), *run_level.check_chain(output)]
    if faults:
        raise OutputError(f"OUTPUT: {faults[0].message}")
    known = _known(ledger.read(output / LEDGER))
    pictures = any(path.endswith((".png", ".tif")) for images in known.values() for _, path in images)
    linked: dict[str, tuple[tuple[str, str], ...]] = {}
    ignored, seen = 0, set()
    for path in regular_files(folder):
        digest = _digest(path, pictures=pictures)
        name = path.relative_to(folder if folder.is_dir() else folder.parent).as_posix()
        if digest is None:
            ignored += 1
        elif digest in known:
            linked[name] = known[digest]
            seen.add(digest)
        else:
            faults.append(Fault("pixels-unknown", "its stored values are no output's", name))
    absent = sum(len(images) for digest, images in known.items() if digest not in seen)
    return Links(tuple(faults), linked, ignored, absent)


def numbered(links: Links, folder: Path) -> Links:
    """The same, with ``file 3`` in place of the third file's name: whoever named it may have named a patient."""
    root = folder if folder.is_dir() else folder.parent
    names = {path.relative_to(root).as_posix(): f"file {n}" for n, path in enumerate(regular_files(folder), 1)}
    faults = tuple(replace(fault, file=names.get(fault.file, "")) for fault in links.faults)
    return replace(links, faults=faults, linked={names[name]: units for name, units in links.linked.items()})


def _known(records: tuple[Record, ...]) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Digest → the outputs that have it."""
    links: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for record in records:
        for output in record.images:
            links[output.pixels_sha256].append((record.unit, output.path))
    return {digest: tuple(images) for digest, images in links.items()}


def _digest(path: Path, *, pictures: bool) -> str | None:
    """None for what is no image, evidence included, and for pictures where no output is one.

    ``""`` stands for an image that can't be read: it matches nothing.
    """
    other = None
    try:
        with quiet():  # a decoder's warnings quote values of the header
            if other := format_of(path):
                wanted = other.volumetric or pictures
                return pixels_digest(other.read(path).stored) if wanted else None
            read = instance(path)
            if "PixelData" not in read.dataset or "SegmentSequence" in read.dataset:
                return None
            return pixels_digest(decoded(read))
    except ReadError as error:
        return None if error.code in NO_IMAGE or other else ""
