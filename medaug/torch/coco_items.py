"""What COCO files list, a run's or a user's own, as labelled pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medaug.errors import ManifestError
from medaug.storage.canonical_json import parse
from medaug.storage.plain_files import read_plain

MAX_LIST = 1 << 30  # bytes
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class CocoImage:
    """One picture: a file, or one slice of it.

    Attributes:
        path: the file.
        frame: its place in the file, from 0.
        boxes: [x0, y0, x1, y1] in pixels, x the column, high end exclusive.
        labels: the class of each box, by name.
        sha256: digest of the real file: its own, or that of a variant's source.
        patient: whoever it shows, as its list states it; ``""`` where that isn't known.
        synthetic: whether medaug made it: a variant, or a classic copy.
        donor: the patient whose lesion was set in, likewise; ``""`` where none was.
        donor_sha256: digest of the real file that the lesion is from; ``""`` where there is none.
        classic: whether it is a classic copy.
    """

    path: Path
    frame: int
    boxes: tuple[Corners, ...]
    labels: tuple[str, ...]
    sha256: str
    patient: str
    synthetic: bool
    donor: str = ""
    donor_sha256: str = ""
    classic: bool = False

    @property
    def patients(self) -> frozenset[str]:
        """All whom it shows."""
        return frozenset((self.patient, self.donor)) if self.donor_sha256 else frozenset((self.patient,))


def read_coco(path: Path, images: Path) -> list[CocoImage]:
    """The pictures of a COCO file; those without an annotation are there, too, and hold nothing.

    Args:
        path: the JSON file. An image's ``patient`` is taken where it is stated.
        images: the folder that ``file_name`` is relative to.

    Raises:
        ManifestError: it can't be read, or isn't COCO with boxes.
    """
    try:
        content = parse(read_plain(path, MAX_LIST))
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        drawn: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        for annotation in content["annotations"]:
            drawn[annotation["image_id"]].append(annotation)
        return [_labelled(image, drawn[image["id"]], names, images) for image in content["images"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"real_and_synthetic: a COCO file can't be read ({type(error).__name__}); expected images with file_name, "
            "annotations with bbox, and categories"
        ) from None


def _labelled(
    image: Mapping[str, Any], drawn: list[Mapping[str, Any]], names: Mapping[Any, str], images: Path
) -> CocoImage:
    about = image.get("medaug", {})
    boxes = tuple(_corners(annotation["bbox"]) for annotation in drawn)
    return CocoImage(
        path=images / image["file_name"],
        frame=int(image.get("frame", image.get("slice", 0))),
        boxes=boxes,
        labels=tuple(names[annotation["category_id"]] for annotation in drawn),
        sha256=str(about.get("source_sha256", "")),
        patient=str(image.get("patient", about.get("patient", ""))),
        synthetic="unit" in about,
        donor=str(about.get("donor_patient", "")),
        donor_sha256=str(about.get("donor_sha256", "")),
        classic=about.get("classic") is True,
    )


def _corners(bbox: Any) -> Corners:
    x, y, width, height = map(float, bbox)
    return x, y, x + width, y + height
