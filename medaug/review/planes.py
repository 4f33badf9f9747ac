"""What one variant shows in full: slices of stored values of result and source, and what evidence marks on them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.audit.decisions import seen_digest
from medaug.audit.layout import EVIDENCE, PROFILE
from medaug.audit.record import Record
from medaug.audit.stored_pixels import stored_of
from medaug.dicom.read.parse import instance
from medaug.errors import MedaugError, ReadError
from medaug.execution.output.store import Store
from medaug.execution.planning.recorded_sources import RecordedSources
from medaug.formats.registry import REGIONS
from medaug.imaging.boxes import plain
from medaug.imaging.volume import Volume
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile
from medaug.regions.marks import MARKS, bit
from medaug.verification.evidence_marks import Marks, marks_of_label_map, marks_of_segmentation

KEPT = 4  # volumes in memory: a variant, its source and those looked at before


@dataclass(frozen=True, eq=False)
class SliceBytes:
    """A slice as bytes: little-endian, row by row.

    Attributes:
        data: float32 of values in modality units, or uint8 of marks (1 free, 2 observed, 4 label).
        rows: how many.
        columns: how many.
    """

    data: bytes
    rows: int
    columns: int

    @classmethod
    def of(cls, plane: npt.NDArray[Any], kind: str) -> SliceBytes:
        """A two-dimensional array as this kind of number."""
        return cls(np.ascontiguousarray(plane, dtype=kind).tobytes(), *plane.shape)


class Planes:
    """Reads volumes when they are asked for, and keeps the last few.

    Args:
        store: OUTPUT.
        source: what it was made from; None where that isn't at hand.
    """

    def __init__(self, store: Store, source: Path | None) -> None:
        self._store, self._source = store, source
        self._profile: Profile = load_profile(str(store.root / PROFILE))
        self._volumes: OrderedDict[tuple[str, str], Volume] = OrderedDict()
        self._sources: RecordedSources | None = None
        self._lock = threading.Lock()

    @property
    def with_source(self) -> bool:
        """Whether the real images are at hand."""
        return self._source is not None

    @staticmethod
    def warm() -> None:
        """Load what showing an image needs, some seconds' worth, before anybody opens one."""
        from medaug import assemble  # noqa: F401
        from medaug.execution.exports import datasets  # noqa: F401

    def about(self, unit: str) -> dict[str, Any]:
        """What a viewer needs to know of a variant's image, as JSON data.

        Raises:
            MedaugError: its files aren't those of the record.
        """
        from medaug import assemble  # torch, which takes seconds, and the gallery needs none of it

        record = self._store.record_of(unit)
        volume = self.result(record)
        window, boxes = assemble.window_of(self._profile, volume), record.boxes
        largest = max(boxes, key=lambda box: float(np.prod(box.shape)), default=None)
        _, row, column = volume.geometry.spacing
        middle = (largest.start[0] + largest.stop[0] - 1) // 2 if largest else (volume.geometry.shape[0] - 1) // 2
        return {
            "seen": seen_digest(record),
            "shape": list(volume.geometry.shape),
            "pixel": [row or 1.0, column or 1.0],
            "window": [window.low, window.low + window.width],
            "inverted": volume.inverted,
            "units": volume.rescale[0].units,
            "boxes": [plain(box) for box in boxes],
            "slice": middle,
            "moved": record.moved is not None,
            "real": self.with_source,
            "marks": self._evidence(record) is not None,
            "checks": [
                {"name": one.name, "value": one.value, "limit": list(one.limit), "passed": one.passed}
                for one in record.checks
            ],
        }

    def values(self, unit: str, which: str, k: int) -> SliceBytes:
        """Slice ``k`` of the ``result`` or the ``source``, in modality units.

        Raises:
            KeyError: there is no such slice or image.
            MedaugError: it can't be read as recorded.
        """
        record = self._store.record_of(unit)
        read: dict[str, Callable[[Record], Volume]] = {"result": self.result, "source": self.source}
        volume = read[which](record)
        if not 0 <= k < len(volume.stored):
            raise KeyError(k)
        return SliceBytes.of(volume.modality_of(k, (slice(0, None), slice(0, None))), "<f4")

    def marks(self, unit: str, k: int) -> SliceBytes:
        """What evidence marks on slice ``k``, as bits.

        Raises:
            KeyError: there is no evidence, or no such slice.
            MedaugError: it can't be read.
        """
        record = self._store.record_of(unit)
        marks = self._evidence(record)
        if marks is None or record.geometry is None or not 0 <= k < record.geometry.shape[0]:
            raise KeyError(k)
        marked = np.zeros(record.geometry.shape[1:], dtype=np.uint8)
        for mark in MARKS:
            marked[marks(mark, k)] |= np.uint8(bit(mark))
        return SliceBytes.of(marked, "u1")

    def result(self, record: Record) -> Volume:
        """The variant's image, after its digests were compared with the record."""
        from medaug.execution.exports.datasets import image_of

        return self._kept(("result", record.unit), lambda: image_of(self._store.root, record))

    def source(self, record: Record) -> Volume:
        """The real image, by its content.

        Raises:
            KeyError: no source was given.
            ReadError: it isn't in there.
        """
        return self._kept(("source", record.source.key), lambda: self._found(record))

    def _found(self, record: Record) -> Volume:
        if self._source is None:
            raise KeyError("source")
        if self._sources is None:
            self._sources = RecordedSources(self._source, self._profile)
        return self._sources.find(record.source)

    def _kept(self, key: tuple[str, str], read: Callable[[], Volume]) -> Volume:
        with self._lock:
            if key not in self._volumes:
                self._volumes[key] = read()
            self._volumes.move_to_end(key)
            while len(self._volumes) > KEPT:
                self._volumes.popitem(last=False)
            return self._volumes[key]

    def _evidence(self, record: Record) -> Marks | None:
        """What reads the evidence of a unit; None where the profile asked for none."""
        begins = f"{record.folder}/{EVIDENCE}/{REGIONS}."
        path = next((self._store.root / one.path for one in record.outputs if one.path.startswith(begins)), None)
        if path is None:
            return None
        try:
            return (
                marks_of_segmentation(instance(path), record)
                if path.suffix == ".dcm"
                else marks_of_label_map(stored_of(path), record)
            )
        except (ReadError, ValueError, AttributeError, OSError, IndexError):
            raise MedaugError(f"unit {record.unit[:16]}: its evidence can't be read; verify it") from None
