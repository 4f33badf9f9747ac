"""Whether a record agrees with itself: key, recipe, boxes, outputs, checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from medaug.audit.record import CheckResult, Record
from medaug.audit.recorded_source import RecordedSource
from medaug.augmentation.recipe import boxes_digest, donor_digest
from medaug.errors import counted
from medaug.imaging.graft import Graft
from medaug.imaging.motion import moved_boxes
from medaug.quality.checks import DEFAULT_LIMITS, Limits, judged
from medaug.verification.faults import Fault


def check_record(record: Record, profile_sha256: str | None) -> Iterator[Fault]:
    """What a record says against what else it says.

    Args:
        record: the decisive one of a unit.
        profile_sha256: of profile.yaml; None where that isn't readable.
    """
    yield from _key(record)
    if profile_sha256 not in {None, record.profile_sha256}:
        yield _fault(record, "profile-differs", "it was made with another profile than profile.yaml")
    if record.status not in {"written", "rejected"}:
        return
    yield from _recipe(record)
    yield from _moved(record)
    yield from _transplanted(record)
    if record.status == "written":
        yield from _grid(record)
        yield from _outputs(record)
        failed = sorted(check.name for check in record.checks if not (check.passed and _within(check)))
        if failed:
            yield _fault(record, "gate", f"written although checks failed: {', '.join(failed)}")


def check_moved(record: Record, *, moves: bool) -> Iterator[Fault]:
    """A record holds a map exactly where the profile's law moves what it is shown.

    Args:
        record: of a unit.
        moves: what the law says.
    """
    if record.status == "written" and moves != (record.moved is not None):
        found = "none" if moves else "one, by a law that moves nothing"
        yield _fault(record, "moved-differs", f"expected {'a' if moves else 'no'} map of its motion, found {found}")


def check_kind(record: Record, *, generates: bool) -> Iterator[Fault]:
    """A record is of a classic copy exactly where the profile's law generates nothing; then no prior made it.

    Args:
        record: of a unit.
        generates: what the law says.
    """
    copied = record.kind == "classic"
    if record.status == "written" and (generates == copied or (copied and record.prior is not None)):
        wanted = "a variant, and a prior" if generates else "a classic copy, and no prior"
        yield _fault(record, "copy-differs", f"by the profile's law it is {wanted}, and it says otherwise")


def check_transplanted(record: Record, *, transplants: bool) -> Iterator[Fault]:
    """A record says what was set in exactly where the profile's law sets a lesion in.

    Args:
        record: of a unit.
        transplants: what the law says.
    """
    if record.status == "written" and transplants != (record.transplant is not None):
        found = "none" if transplants else "one, by a law that sets none in"
        wanted = "a" if transplants else "no"
        yield _fault(record, "transplant-differs", f"expected {wanted} lesion of another source, found {found}")


def check_gate(record: Record, limits: Mapping[str, Limits]) -> Iterator[Fault]:
    """A written unit passed every check of the gate, within the limits of its profile.

    Args:
        record: of a unit.
        limits: by name, where the profile sets some.
    """
    if record.status != "written":
        return
    wanted = {} if record.kind == "classic" else {**DEFAULT_LIMITS, **limits}  # what was generated is what is checked
    there = {check.name: check for check in record.checks}
    absent = sorted(wanted.keys() - there.keys())
    if absent:
        yield _fault(record, "gate", f"written without checks: {', '.join(absent)}")
    other = sorted(name for name, check in there.items() if name in wanted and check.limit != tuple(wanted[name]))
    if other:
        yield _fault(record, "gate", f"checked with other limits than the profile's: {', '.join(other)}")


def check_labels(record: Record, *, keeps_boxes: bool) -> Iterator[Fault]:
    """A record says that labels are kept by their boxes alone exactly where the law generates what is in them.

    Args:
        record: of a unit.
        keeps_boxes: what the law says.
    """
    if record.status == "written" and keeps_boxes == (record.labels == "box-alone"):
        said = "are generated, and it doesn't say so" if record.labels == "" else "are kept, and it says otherwise"
        yield _fault(record, "label-differs", f"by the profile's law the pixels in boxes {said}")


def _key(record: Record) -> Iterator[Fault]:
    text = json.dumps(dict(record.recipe), sort_keys=True, separators=(",", ":"))
    if record.recipe and hashlib.sha256(text.encode()).hexdigest() != record.unit:
        yield _fault(record, "unit-key", "the unit key isn't the digest of the recipe")
    if not all(_fits(source) and source.format is not None for source in record.shown):
        yield _fault(record, "unit-key", "the source key isn't the digest of the source's digests and frames")


def _fits(source: RecordedSource) -> bool:
    frames = source.frames or (0,) * len(source.sha256)
    lengths = {len(source.instance_uids), len(source.sha256), len(frames)}
    once = len(set(zip(source.instance_uids, frames, strict=False))) == len(frames)
    return len(lengths) == 1 and all(frame >= 0 for frame in frames) and once


def _recipe(record: Record) -> Iterator[Fault]:
    said = {
        "source": record.source.key,
        "boxes": boxes_digest(record.source_boxes),
        "variant": str(record.variant),
        "seed": record.seed,
        "profile_sha256": record.profile_sha256,
        "prior_sha256": record.prior.sha256 if record.prior else "",
    }
    if record.transplant or "donor" in record.recipe:
        made = record.transplant
        said["donor"] = donor_digest(made.donor.key, made.lesion) if made else ""
    wrong = [name for name, value in said.items() if str(record.recipe.get(name)) != value]
    if wrong:
        yield _fault(record, "recipe-differs", f"record and recipe differ in: {', '.join(wrong)}")


def _moved(record: Record) -> Iterator[Fault]:
    """The boxes of a moved image are the source's, moved by the recorded map."""
    if record.moved is None:
        return
    shape = record.geometry.shape if record.geometry else (0, 0, 0)
    there = moved_boxes(record.moved.boxes, record.moved.motions, shape[1:]) if shape[0] == 1 else None
    if there != record.boxes:
        yield _fault(record, "moved-differs", "its boxes are not the source's, moved as it says")


def _transplanted(record: Record) -> Iterator[Fault]:
    """The labels are the host's and the donor's lesion in its new place; host and donor are two, of one slice each."""
    made = record.transplant
    if made is None:
        return
    try:
        there = (*made.boxes, made.graft.placed(made.lesion))
    except ValueError:
        there = ()
    if there != record.boxes or record.moved is not None:
        yield _fault(record, "transplant-differs", "its boxes are not the host's and the lesion's, set in as it says")
    if made.donor.key == record.source.key or not _inside(record, made.graft):
        yield _fault(record, "transplant-differs", "host and donor don't fit each other")
    if bool(made.sop_class) != (made.donor.format == "dicom"):
        yield _fault(record, "transplant-differs", "the donor's SOP class doesn't fit its format")


def _inside(record: Record, graft: Graft) -> bool:
    shape = record.geometry.shape if record.geometry else (0, 0, 0)
    return shape[0] == 1 and graft.window[1] <= shape[1] and graft.window[3] <= shape[2]


def _grid(record: Record) -> Iterator[Fault]:
    assert record.geometry is not None
    shape = record.geometry.shape
    for number, box in enumerate(record.boxes, 1):
        if any(stop > size for stop, size in zip(box.stop, shape, strict=True)):
            yield _fault(record, "box-outside", f"box {number} ends at {box.stop}, the grid at {shape} (k, i, j)")
    counts = {len(record.source.instance_uids), len(record.source.sha256), shape[0]}
    if len(counts) > 1:
        yield _fault(
            record, "record-outputs", f"{counted(shape[0], 'slice')}, and another number of source instances or digests"
        )


def _within(check: CheckResult) -> bool:
    return check.value is not None and judged(check.name, check.value, check.limit).passed


def _outputs(record: Record) -> Iterator[Fault]:
    assert record.geometry is not None
    paths = [output.path for output in record.outputs]
    strays = sum(not path.startswith(f"{record.folder}/") for path in paths) + len(paths) - len(set(paths))
    if strays:
        yield _fault(record, "record-outputs", f"{strays} outputs lie outside the unit's folder or are listed twice")
    images = record.images
    wanted = 1 + max((n for n, _ in record.slice_frames), default=-1)
    if len(images) != wanted:
        found = (
            f"{counted(len(images), 'image file')} for {counted(record.geometry.shape[0], 'slice')}, expected {wanted}"
        )
        yield _fault(record, "record-outputs", found)


def _fault(record: Record, code: str, message: str) -> Fault:
    return Fault(code, message, "", record.unit)
