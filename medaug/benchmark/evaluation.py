"""What a detector's predictions are worth: pycocotools' own average precision, F1 at a fixed threshold, FROC.

Boxes are (x0, y0, x1, y1) in px of the detector's square; x counts columns, y rows.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.errors import RunError

Float64 = npt.NDArray[np.float64]
IOU = 0.5
MOST = 100  # detections of an image that count, COCO's own
RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false positives an image
ROOM = 1 << 19  # numbers that are worked on at once
RECALLS = np.linspace(0, 1, 101)
SIZES = ("small", "medium", "large")  # under 32² px, under 96² px, above: COCO's areas, on the detector's square


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of one image, labelled or found.

    Attributes:
        corners: (N, 4) float.
        classes: (N,) int, from 0.
        scores: (N,) float in [0, 1]; ones for labels.
    """

    corners: Float64
    classes: npt.NDArray[np.int64]
    scores: Float64

    @classmethod
    def labelled(cls, corners: Float64, classes: npt.NDArray[np.int64]) -> Boxes:
        """Boxes that are given, not found."""
        return cls(corners, classes, np.ones(len(corners)))


@dataclass(frozen=True, eq=False)
class Matches:
    """The detections of one class at `IOU`, best first, as pycocotools matched them.

    Attributes:
        scores: (D,).
        hits: (D,) True where a detection found a box.
        images: (D,) which image, by its place.
        boxes: (images,) how many boxes each holds.
    """

    scores: Float64
    hits: npt.NDArray[np.bool_]
    images: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]

    def precision(self, weights: Float64) -> Float64:
        """AP at `IOU` with each image counted by its weight.

        Args:
            weights: (resamples, images).

        Returns:
            (resamples,); NaN where no weight lies on a box.
        """
        rows = max(1, ROOM // max(1, len(self.scores)))
        return np.concatenate([self._precision(weights[n : n + rows]) for n in range(0, len(weights), rows)])

    def _precision(self, weights: Float64) -> Float64:
        of_detections = weights[:, self.images]
        hits = np.cumsum(of_detections * self.hits, axis=1)
        false = np.cumsum(of_detections * ~self.hits, axis=1)
        total = weights @ self.boxes
        with np.errstate(divide="ignore", invalid="ignore"):
            recall = hits / total[:, None]
            precision = np.nan_to_num(hits / (hits + false))
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return np.array([_interpolated(r, p) if n else np.nan for r, p, n in zip(recall, best, total, strict=True)])


def _interpolated(recall: Float64, precision: Float64) -> float:
    """Mean over COCO's 101 recalls of the precision that is reached there, 0 beyond the last."""
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].mean())


@dataclass(frozen=True)
class Figures:
    """What one training reached on one set of images.

    Attributes:
        ap50: average precision at an overlap of .5, mean over classes.
        ap: mean over overlaps from .5 to .95.
        by_size: `ap` of small, medium and large boxes; None where there is none.
        threshold: the score that is best on validation.
        f1: at that score.
        froc: sensitivity at each of `RATES`, normal images included.
    """

    ap50: float
    ap: float
    by_size: tuple[float | None, ...]
    threshold: float
    f1: float
    froc: tuple[float, ...]


def matched(labels: Sequence[Boxes], found: Sequence[Boxes], classes: int) -> tuple[Matches, ...]:
    """The matches of each class that has boxes, image by image in the given order.

    Raises:
        RunError: pycocotools isn't installed.
    """
    coco = _evaluated(labels, found, classes)
    each = len(coco.params.areaRng) * len(labels)
    return tuple(
        _matches(coco.evalImgs[number * each : number * each + len(labels)], labels, category)
        for number, category in enumerate(coco.params.catIds)
        if any((one.classes == category - 1).any() for one in labels)
    )


def ap50(matches: Sequence[Matches], weights: Float64) -> Float64:
    """Mean over classes of the AP at `IOU`; (resamples,)."""
    return np.asarray(np.nan_to_num(np.nanmean([one.precision(weights) for one in matches], axis=0)))


def average_precision(labels: Sequence[Boxes], found: Sequence[Boxes], classes: int) -> tuple[float, ...]:
    """By pycocotools: AP50, AP50-95, and AP50-95 of small, medium and large boxes; NaN where there is none of a size.

    Raises:
        RunError: pycocotools isn't installed.
    """
    coco = _evaluated(labels, found, classes)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.accumulate()
        coco.summarize()
    return tuple(float(value) if value >= 0 else float("nan") for value in coco.stats[[1, 0, 3, 4, 5]])


def best_threshold(matches: Sequence[Matches]) -> float:
    """The score from which on F1 over all classes is greatest; 1 where nothing was found."""
    scores, hits, boxes = _together(matches)
    if not hits.any():
        return 1.0
    f1 = 2 * np.cumsum(hits) / (np.arange(1, len(hits) + 1) + boxes)
    return float(scores[len(f1) - 1 - int(np.argmax(f1[::-1]))])


def f1_at(matches: Sequence[Matches], threshold: float) -> float:
    """F1 of the detections that reach a score."""
    scores, hits, boxes = _together(matches)
    kept = scores >= threshold
    return float(2 * hits[kept].sum() / max(1, kept.sum() + boxes))


def froc(matches: Sequence[Matches], normals: Sequence[Boxes]) -> tuple[float, ...]:
    """Sensitivity at `RATES` false positives an image; every detection on a normal image is one.

    Source: Bunch et al., Proc. SPIE 127 (1977) 124; the rates are those of LUNA16 (Setio et al. 2017).
    """
    scores, hits, boxes = _together(matches)
    images = (len(matches[0].boxes) if matches else 0) + len(normals)
    scores = np.concatenate([scores, *(one.scores for one in normals)])
    hits = np.concatenate([hits, *(np.zeros(len(one.scores), dtype=np.bool_) for one in normals)])
    order = np.argsort(-scores, kind="stable")
    found, false = np.cumsum(hits[order]), np.cumsum(~hits[order])
    reached = [np.searchsorted(false, rate * images, side="right") for rate in RATES]
    return tuple(float(found[n - 1] / boxes) if n and boxes else 0.0 for n in reached)


def figures(
    test: tuple[Sequence[Boxes], Sequence[Boxes]],
    validation: tuple[Sequence[Boxes], Sequence[Boxes]],
    normals: Sequence[Boxes],
    classes: int,
) -> Figures:
    """All figures of a training; ``test`` and ``validation`` are (labels, found), ``normals`` what was found there."""
    matches = matched(*test, classes)
    threshold = best_threshold(matched(*validation, classes))
    at_half, mean, *by_size = average_precision(*test, classes)
    sizes = tuple(None if np.isnan(value) else value for value in by_size)
    return Figures(at_half, mean, sizes, threshold, f1_at(matches, threshold), froc(matches, normals))


def _together(matches: Sequence[Matches]) -> tuple[Float64, npt.NDArray[np.bool_], int]:
    """The detections of all classes, best first, and the number of boxes."""
    if not matches:
        return np.zeros(0), np.zeros(0, dtype=np.bool_), 0
    scores = np.concatenate([one.scores for one in matches])
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([one.hits for one in matches])
    return scores[order], hits[order], int(sum(one.boxes.sum() for one in matches))


def _evaluated(labels: Sequence[Boxes], found: Sequence[Boxes], classes: int) -> Any:
    """A COCOeval that has matched every image; it prints, which nobody asked for."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise RunError("benchmark: average precision is pycocotools' own; pip install 'medaug[benchmark]'") from None
    truth, results = COCO(), COCO()
    categories = [{"id": n + 1} for n in range(classes)]
    images = [{"id": n} for n in range(len(labels))]
    truth.dataset = {"images": images, "annotations": _annotations(labels), "categories": categories}
    results.dataset = {"images": images, "annotations": _annotations(found), "categories": categories}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results.createIndex()
        coco = COCOeval(truth, results, "bbox")
        coco.evaluate()
    return coco


def _annotations(images: Sequence[Boxes]) -> list[dict[str, Any]]:
    each = (
        (number, corners, category, score)
        for number, boxes in enumerate(images)
        for corners, category, score in zip(boxes.corners, boxes.classes, boxes.scores, strict=True)
    )
    return [
        {
            "id": n,
            "image_id": number,
            "category_id": int(category) + 1,
            "bbox": [float(x0), float(y0), float(x1 - x0), float(y1 - y0)],
            "area": float((x1 - x0) * (y1 - y0)),
            "score": float(score),
            "iscrowd": 0,
        }
        for n, (number, (x0, y0, x1, y1), category, score) in enumerate(each, 1)
    ]


def _matches(evaluated: Sequence[Mapping[str, Any] | None], labels: Sequence[Boxes], category: int) -> Matches:
    """Of one class, from COCOeval's images; an image without boxes and detections has None."""
    each = [(n, one) for n, one in enumerate(evaluated) if one is not None]
    scores = np.concatenate([np.zeros(0), *(one["dtScores"] for _, one in each)])
    hits = np.concatenate([np.zeros(0, dtype=np.bool_), *(one["dtMatches"][0] > 0 for _, one in each)])
    images = np.concatenate([np.zeros(0, dtype=np.int64), *(np.full(len(one["dtScores"]), n) for n, one in each)])
    order = np.argsort(-scores, kind="mergesort")
    boxes = np.array([int((one.classes == category - 1).sum()) for one in labels])
    return Matches(scores[order], hits[order].astype(np.bool_), images[order].astype(np.int64), boxes)


def as_data(found: Mapping[str, Boxes]) -> list[dict[str, Any]]:
    """Predictions as COCO results, whose ``image_id`` is the image's name here; hundredths of a pixel are kept."""
    return [
        {
            "image_id": name,
            "category_id": int(category) + 1,
            "bbox": [round(float(v), 2) for v in (x0, y0, x1 - x0, y1 - y0)],
            "score": round(float(score), 5),
        }
        for name, boxes in sorted(found.items())
        for (x0, y0, x1, y1), category, score in zip(boxes.corners, boxes.classes, boxes.scores, strict=True)
    ]


def from_data(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Boxes]:
    """COCO results by image; an image without any has none.

    Raises:
        KeyError: a result lacks what COCO wants, or names an image that isn't there.
    """
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for one in results:
        x, y, width, height = map(float, one["bbox"])
        rows[str(one["image_id"])].append((x, y, x + width, y + height, int(one["category_id"]) - 1, one["score"]))
    return {name: _boxes(np.array(some, dtype=np.float64).reshape(-1, 6)) for name, some in rows.items()}


def _boxes(rows: Float64) -> Boxes:
    rows = rows[np.argsort(-rows[:, 5], kind="stable")][:MOST]
    return Boxes(rows[:, :4], rows[:, 4].astype(np.int64), rows[:, 5])
