"""What is kept of one unit of work: one source series × one variant. No name, no ID, no file name of the input."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np

from medaug.audit.layout import IMAGE, unit_folder
from medaug.audit.recorded_source import RecordedMotion, RecordedSource, Transplanted
from medaug.imaging.boxes import Box, plain
from medaug.imaging.geometry import Geometry, Shape, Space
from medaug.imaging.greying import Converted
from medaug.storage.canonical_json import canonical
from medaug.storage.json_dataclass import decode

RecordStatus = Literal["written", "rejected", "failed", "crashed"]
AffineRow = tuple[float, float, float, float]
Limit = tuple[float | None, float | None]

HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PriorRef:
    """Which weights were used."""

    name: str
    sha256: str


@dataclass(frozen=True)
class CheckResult:
    """One figure of the quality gate.

    Attributes:
        name: the check.
        value: the figure; None where it is not finite, which JSON can't hold.
        limit: (least, greatest), inclusive; None where a side is open.
        passed: the verdict.
    """

    name: str
    value: float | None
    limit: Limit
    passed: bool

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            object.__setattr__(self, "value", None)


@dataclass(frozen=True)
class Output:
    """One file that the unit wrote.

    Attributes:
        path: relative to OUTPUT, POSIX.
        sha256: digest of the whole file.
        pixels_sha256: digest of the stored pixels, which outlives a rewritten header; ``""`` where there are none.
        sop_instance_uid: of the derived instance; ``""`` for other formats.
    """

    path: str
    sha256: str
    pixels_sha256: str = ""
    sop_instance_uid: str = ""

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or parts[0] == "/" or ".." in parts or "\\" in self.path or ":" in self.path:
            raise ValueError("output: expected a path relative to OUTPUT, POSIX, without '..'")
        _check_hex(self.sha256, "output.sha256")


@dataclass(frozen=True)
class Grid:
    """A voxel grid as plain numbers, with the conventions of `imaging.geometry` (index order k, i, j; LPS mm).

    ``spacing`` follows from ``affine`` and stands there for readers.
    """

    shape: Shape
    affine: tuple[AffineRow, AffineRow, AffineRow, AffineRow]
    space: Space
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, geometry: Geometry) -> Grid:
        """The grid of a volume."""
        rows = [tuple(float(x) for x in row) for row in geometry.affine]
        return cls(geometry.shape, tuple(rows), geometry.space, geometry.spacing)  # type: ignore[arg-type]

    @property
    def geometry(self) -> Geometry:
        """The grid as the rest of the package knows it."""
        return Geometry(self.shape, np.array(self.affine), self.space)


@dataclass(frozen=True)
class Identity:
    """Whether the source declared that identity was removed, and the user's reason where that was overruled."""

    state: str
    accepted_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One unit of work, done or not.

    Attributes:
        unit: 64 hex, from the content of all that decides a pixel.
        status: ``written``, or why there is nothing to use: ``rejected`` by the gate, ``failed`` for a known reason,
            ``crashed`` for an unknown one.
        source: the series.
        variant: 0, 1, …
        seed: a decimal string: JSON numbers lose digits beyond 2^53.
        profile_sha256: digest of the resolved profile.
        versions: package → version.
        device: as the tensor library names it.
        batch_size: slices solved at once; it may decide last digits.
        identity: what the source declared.
        created: ISO 8601, UTC.
        code: a frozen English word for what went wrong; ``""`` when written.
        message: one sentence without identity; ``""`` when written.
        prior: the weights, None where the unit ended before they were loaded.
        recipe: every choice that was drawn, as JSON.
        checks: the quality gate.
        outputs: the files, in slice order for a series.
        boxes: the labels on the grid, where they lie in the outputs.
        geometry: the grid, None where the source was not readable.
        threads: of the processor that solved it, which decide last digits; None where a device did, or nothing was
            solved.
        processor: its model and the vectors that kernels take there, which decide last digits; noise is drawn on it
            wherever the solve runs.
        moved: for a law that moves the source; None, and no key, for others.
        labels: ``box-alone`` where the pixels in the boxes were generated, so that a label is kept by its box alone;
            "", and no key, where they are the source's.
        converted: how grey was made of an image's three channels, where they differ: ``near-grey`` or ``tint``
            (`greying.to_grey`); "", and no key, for others. The boxes are that grey's, bit for bit.
        transplant: for a law that sets a lesion of another source in; None, and no key, for others.
        kind: ``classic`` for a copy of the source along ``moved``, of which nothing was generated; "", and no key, for
            a variant.
    """

    unit: str
    status: RecordStatus
    source: RecordedSource
    variant: int
    seed: str
    profile_sha256: str
    versions: Mapping[str, str]
    device: str
    batch_size: int
    identity: Identity
    created: str
    code: str = ""
    message: str = ""
    prior: PriorRef | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    outputs: tuple[Output, ...] = ()
    boxes: tuple[Box, ...] = ()
    geometry: Grid | None = None
    threads: int | None = None
    processor: str = ""
    moved: RecordedMotion | None = field(default=None, metadata={"optional": True})
    labels: Literal["", "box-alone"] = field(default="", metadata={"optional": True})
    converted: Converted = field(default="", metadata={"optional": True})
    transplant: Transplanted | None = field(default=None, metadata={"optional": True})
    kind: Literal["", "classic"] = field(default="", metadata={"optional": True})

    def __post_init__(self) -> None:
        _check_hex(self.unit, "record.unit")
        _check_hex(self.profile_sha256, "record.profile_sha256")
        if not (self.seed.isascii() and self.seed.isdecimal()):
            raise ValueError("record.seed: expected a string of decimal digits")
        done = self.status == "written"
        if done and not (self.outputs and self.geometry):
            raise ValueError("record: a written unit needs its outputs and its geometry")
        if done == bool(self.code):
            raise ValueError(f"record: a {self.status} unit {'takes no' if done else 'needs a'} code")

    @property
    def folder(self) -> str:
        """The unit's folder, relative to OUTPUT."""
        return unit_folder(self.unit)

    @property
    def images(self) -> tuple[Output, ...]:
        """The outputs that hold the image itself: DICOM files in slice order, or one file of another format."""
        files = (f"{self.folder}/{IMAGE}/", f"{self.folder}/{IMAGE}.")
        return tuple(output for output in self.outputs if output.path.startswith(files))

    @property
    def source_boxes(self) -> tuple[Box, ...]:
        """The labels where they lie in the source."""
        if self.transplant:
            return self.transplant.boxes
        return self.moved.boxes if self.moved else self.boxes

    @property
    def shown(self) -> tuple[RecordedSource, ...]:
        """All sources whose patients the outputs show: the host's, and the donor's where there is one."""
        return (self.source, self.transplant.donor) if self.transplant else (self.source,)

    @property
    def planar(self) -> bool:
        """Whether loaders give its image two axes: one slice, in a format that needs no third."""
        flat = self.geometry is not None and self.geometry.shape[0] == 1
        return flat and self.images[0].path.endswith((".dcm", ".png", ".tif"))

    @property
    def slice_frames(self) -> tuple[tuple[int, int], ...]:
        """Where each slice of the image lies: (position in `images`, 0-based frame of that file).

        A derived DICOM file holds the slices of one source file, in slice order; any other file holds all of them.
        """
        images = self.images
        if not (images and images[0].path.endswith(".dcm")):
            return tuple((0, k) for k in range(self.geometry.shape[0] if self.geometry else 0))
        files = {uid: n for n, uid in enumerate(dict.fromkeys(self.source.instance_uids))}
        held: Counter[str] = Counter()
        places = []
        for uid in self.source.instance_uids:
            places.append((files[uid], held[uid]))
            held[uid] += 1
        return tuple(places)

    def to_json(self) -> str:
        """The record's one spelling: canonical JSON, every key present, no line break.

        Raises:
            ValueError: a figure is not finite, or the recipe holds what JSON can't.
        """
        return canonical(to_data(self)).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Record:
        """Read a record back.

        Raises:
            ValueError: not JSON, a missing or unknown key, or a wrong type; the message names the place.
        """
        record: Record = decode(cls, text, "record")
        return record


def to_data(record: Record) -> dict[str, Any]:
    """The record as plain JSON data."""
    data = {**asdict(record), "boxes": [plain(box) for box in record.boxes]}
    for optional in ("labels", "converted", "kind"):
        if not data[optional]:
            del data[optional]
    if record.moved is None:
        del data["moved"]
    else:
        if record.moved.motions.beyond == "mirrored":  # as before there was a choice
            del data["moved"]["motions"]["beyond"]
        data["moved"]["boxes"] = [plain(box) for box in record.moved.boxes]
    if record.transplant is None:
        del data["transplant"]
    else:
        own, lesion = record.transplant.boxes, record.transplant.lesion
        data["transplant"] |= {"boxes": [plain(box) for box in own], "lesion": plain(lesion)}
    return data


def _check_hex(text: str, where: str) -> None:
    if not HEX64.fullmatch(text):
        raise ValueError(f"{where}: expected 64 lower-case hex digits, found {len(text)} characters")
