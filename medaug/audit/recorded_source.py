"""What is kept of the sources of a unit, and of what was done to them before anything was generated."""

from __future__ import annotations

from dataclasses import dataclass

from medaug.formats.registry import FORMATS
from medaug.imaging.boxes import Box
from medaug.imaging.graft import Graft
from medaug.imaging.motion import Motions
from medaug.imaging.volume import SourceRef


@dataclass(frozen=True)
class RecordedSource:
    """The series a unit was made from.

    Attributes:
        key: 64 hex that name the content (`SourceRef.key`).
        series_uid: SeriesInstanceUID.
        study_uid: StudyInstanceUID.
        instance_uids: SOPInstanceUIDs in slice order.
        sha256: digests of the whole files in slice order.
        modality: (0008,0060), or ``""``.
        patient: a hash of the patient, keyed where it leaves the house; never the ID.
        part: tells apart several grids of one series; usually empty.
        frames: 0-based frame of its file per slice; empty where every file holds one image.
    """

    key: str
    series_uid: str
    study_uid: str
    instance_uids: tuple[str, ...]
    sha256: tuple[str, ...]
    modality: str
    patient: str
    part: str = ""
    frames: tuple[int, ...] = ()

    @classmethod
    def of(cls, ref: SourceRef, patient: str) -> RecordedSource:
        """What may be recorded of ``ref``, with ``patient`` as the caller hashed it."""
        return cls(
            key=ref.key,
            series_uid=ref.series_uid,
            study_uid=ref.study_uid,
            instance_uids=ref.instance_uids,
            sha256=ref.sha256,
            modality=ref.modality,
            patient=patient,
            part=ref.part,
            frames=ref.frames if any(ref.frames) else (),
        )

    @property
    def format(self) -> str | None:
        """``dicom`` or a name of `formats.FORMATS`, as the key holds it; None where the key isn't that of the rest."""
        return next((kind for kind in ("dicom", *FORMATS) if self._ref(kind).key == self.key), None)

    def _ref(self, kind: str) -> SourceRef:
        return SourceRef(
            format=kind,
            modality=self.modality,
            study_uid=self.study_uid,
            series_uid=self.series_uid,
            instance_uids=self.instance_uids,
            files=(),
            sha256=self.sha256,
            part=self.part,
            frames=self.frames,
        )


@dataclass(frozen=True)
class RecordedMotion:
    """How the source's one slice was moved before anything was generated.

    Attributes:
        motions: in whole numbers, so that the map can be followed exactly.
        boxes: the labels where they lie in the source, in the order of the record's.
    """

    motions: Motions
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Transplanted:
    """What of another source was set in before anything was generated.

    Attributes:
        donor: that source.
        sop_class: SOPClassUID of its instance; "" for other formats.
        lesion: the label as it lies in the donor.
        graft: what was set in, where, and the map of its grey levels, in whole numbers.
        boxes: the labels of the record's own source, in the order of the record's; the lesion's comes after them.
    """

    donor: RecordedSource
    sop_class: str
    lesion: Box
    graft: Graft
    boxes: tuple[Box, ...]

    def __post_init__(self) -> None:
        if not len(self.donor.instance_uids) == len(self.donor.sha256) == 1:
            raise ValueError("transplant: expected a donor of one slice")
