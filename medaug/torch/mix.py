"""`real_and_synthetic`: training and validation from real images and a run's variants, with the rules of both kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, get_args

from medaug.audit.layout import PROFILE
from medaug.audit.output_files import sha256_of
from medaug.errors import ManifestError, OutputError, counted
from medaug.manifests.coco import COCO
from medaug.manifests.splits import FOLDS, fold_of
from medaug.profile.load import load_profile
from medaug.torch.coco_items import CocoImage, read_coco
from medaug.torch.detection_dataset import Pictures, Transform
from medaug.torch.sampler import RatioSampler, Schedule


class Mix(NamedTuple):
    """What a training loop takes.

    Attributes:
        training: real images and variants.
        sampler: for the DataLoader of ``training``.
        validation: real images of other patients.
        classes: their names; the first is label 1.
    """

    training: Pictures
    sampler: RatioSampler
    validation: Pictures
    classes: tuple[str, ...]


def real_and_synthetic(  # noqa: PLR0913 - what a training set is made of
    *,
    real: str | Path,
    output: str | Path,
    images: str | Path | None = None,
    validation: str | Path | None = None,
    folds: Collection[int] = (),
    ratio: float = 1.0,
    schedule: Schedule = "mix",
    transform: Transform | None = None,
) -> Mix:
    """Real images beside a run's variants, ready for a detector.

    Who judges is real and was never trained on: give ``validation``, or ``folds``. Variants never stand there, and no
    patient stands on both sides; variants of the patients of ``folds`` are left out.

    Args:
        real: a COCO file of the real images; an image may state its ``patient``, else each is one of its own.
        output: OUTPUT of `medaug run`.
        images: the folder that file names are relative to; that of the COCO file if left out.
        validation: a COCO file of real images for validation.
        folds: of 0 to 4, those whose real images validate: a fifth of the patients each.
        ratio: variants for each real image in an epoch.
        schedule: ``mix``, or ``pretrain``: variants alone in the first epoch, then real images alone. See
            `RatioSampler`, whose ``pretrain_epochs`` can be set.
        transform: of training, called with image and target.

    Raises:
        ManifestError: a list can't be read; both or an impossible fold were given; a patient would stand on both
            sides; variants have a class that no real image has; folds were given, and no real image is a source.
    """
    _check(ratio, schedule, folds, both=validation is not None and bool(folds))
    variants = read_coco(Path(output) / COCO, Path(output))
    known, judges = _digested(real, images), [] if validation is None else _digested(validation, images)
    _refuse_strangers(known, variants, folds)
    _refuse_other_classes(known, variants)
    patient_of = _patients(known + judges, variants)
    known, judges, variants = ([_of(item, patient_of) for item in part] for part in (known, judges, variants))
    if validation is None:
        judges = [item for item in known if fold_of(item.patient) in folds]
        known, variants = ([i for i in part if not _in_folds(i, folds)] for part in (known, variants))
    _refuse_shared(known, variants, judges)
    classes = tuple(sorted({label for item in (*known, *variants, *judges) for label in item.labels}))
    profile = load_profile(str(Path(output) / PROFILE))
    training = Pictures((*known, *variants), classes, profile, transform)
    sampler = RatioSampler([item.synthetic for item in training.items], ratio, schedule)
    return Mix(training, sampler, Pictures(judges, classes, profile), classes)


def _check(ratio: float, schedule: str, folds: Collection[int], *, both: bool) -> None:
    if both:
        raise ManifestError("real_and_synthetic: expected validation or folds, found both")
    if not set(folds) < set(range(FOLDS)):
        raise ManifestError(f"real_and_synthetic: expected folds of 0 to {FOLDS - 1}, not all of them")
    if not 0 <= ratio < float("inf") or schedule not in get_args(Schedule):
        raise ManifestError(f"real_and_synthetic: expected a ratio from 0, and {' or '.join(get_args(Schedule))}")


def _digested(path: str | Path, images: str | Path | None) -> list[CocoImage]:
    """The real images of a COCO file, each by its file's digest."""
    items = read_coco(Path(path), Path(images or Path(path).parent))
    try:
        return [replace(item, sha256=sha256_of(item.path.resolve()), synthetic=False) for item in items]
    except (OSError, OutputError):
        raise ManifestError(
            "real_and_synthetic: an image of a COCO file can't be read; say where with images"
        ) from None


def _patients(real: Iterable[CocoImage], variants: Iterable[CocoImage]) -> Mapping[str, str]:
    """Digest of a real image → its patient: as the user's list states it, or else as OUTPUT's does."""
    stated = {item.sha256: item.patient for item in real if item.patient}
    known = list(variants)
    donors = {item.donor_sha256: item.donor for item in known if item.donor_sha256}
    return donors | {item.sha256: item.patient for item in known} | stated


def _of(item: CocoImage, patient_of: Mapping[str, str]) -> CocoImage:
    donor = patient_of.get(item.donor_sha256, item.donor_sha256)
    return replace(item, patient=patient_of.get(item.sha256, item.sha256), donor=donor)


def _in_folds(item: CocoImage, folds: Collection[int]) -> bool:
    """Whether any patient whom an image shows is judged on."""
    return any(fold_of(patient) in folds for patient in item.patients)


def _refuse_strangers(real: Sequence[CocoImage], variants: Sequence[CocoImage], folds: Collection[int]) -> None:
    """Refuse folds where no real image is one that OUTPUT was made of: its variants would show who is judged on."""
    if folds and variants and not {item.sha256 for item in real} & {item.sha256 for item in variants}:
        raise ManifestError(
            "real_and_synthetic: expected real images that OUTPUT was made of, byte by byte, found none; written anew "
            "they are others, and folds can't keep their variants out: give the files that the run read"
        )


def _refuse_other_classes(real: Sequence[CocoImage], variants: Sequence[CocoImage]) -> None:
    """Refuse variants with a class that none of the real images has: one finding would be two classes."""
    ours = {label for item in real for label in item.labels}
    others = sorted({label for item in variants for label in item.labels} - ours)
    if ours and others:
        raise ManifestError(
            f"real_and_synthetic: expected variants of {', '.join(sorted(ours))}, as the real images have, found "
            f"{', '.join(others)}, too; run with the list that you train on, or rename its categories"
        )


def _refuse_shared(real: Sequence[CocoImage], variants: Sequence[CocoImage], judges: Sequence[CocoImage]) -> None:
    """Refuse a patient in training and in validation."""
    judging = {item.patient for item in judges}
    shown = len([item for item in variants if item.patients & judging])
    if shown:
        raise ManifestError(
            f"real_and_synthetic: {counted(shown, 'picture')} of variants in OUTPUT show patients of the validation; a "
            "synthetic image shows its sources' patients: augment training images only, or give folds"
        )
    both = len({item.patient for item in real} & judging)
    if both:
        raise ManifestError(
            f"real_and_synthetic: {counted(both, 'patient')} would stand in training and in validation; put all of a "
            "patient's images into one of them"
        )
