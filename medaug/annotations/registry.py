"""Every annotation format that is read, in one table; nothing registers itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import get_args

from medaug.annotations import dicom_objects, reader_consensus
from medaug.annotations.folder_files import files_below
from medaug.annotations.label_choice import ALL, LabelChoice, Role
from medaug.annotations.matching.label_map_names import SUFFIXES
from medaug.annotations.model import ClassMask, Images, Note, ReaderResult, joined, withheld
from medaug.annotations.passed_over import passed_over
from medaug.annotations.readers import (
    coco,
    csv,
    cvat,
    dicom_seg,
    dicom_sr,
    gsps,
    labelmap,
    labelme,
    labelstudio,
    luna,
    monai,
    rtstruct,
    slicer,
    voc,
    yolo,
)
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume
from medaug.storage.archive import is_archive
from medaug.storage.plain_files import open_plain

Reader = Callable[[Path, Images], ReaderResult]

READERS: dict[str, Reader] = {
    "coco": coco.read,
    "csv": csv.read,
    "cvat": cvat.read,
    "gsps": gsps.read,
    "labelmap": labelmap.read,
    "labelme": labelme.read,
    "labelstudio": labelstudio.read,
    "luna": luna.read,
    "monai": monai.read,
    "rtstruct": rtstruct.read,
    "seg": dicom_seg.read,
    "slicer": slicer.read,
    "sr": dicom_sr.read,
    "voc": voc.read,
    "yolo": yolo.read,
}

SENTENCES: dict[str, str] = {
    "no-image": "the image is not among the series that are used",
    "left-out": "the image is among the series given, but refused or skipped; the reason stands there",
    "several-images": "several files have that image name, or several series that grid, and are left out; name SOP "
    "Instance UIDs, or the folders too",
    "several-maps": "several label maps may belong to one series, which is left out; name each map like its image, "
    "or give their folders one by one",
    "slice-not-stated": "the file holds several slices and none is stated, so it is left out; state the slice from 0",
    "size-differs": "the stated image size is not the image's, so it is left out; check which image was annotated",
    "grid-differs": "the mask doesn't share the voxels of a series; resample it onto its image",
    "nothing-drawn": "the object holds no coordinates; a report may name a Segmentation instead: give that",
    "no-extent": "a point, or something drawn on the screen, doesn't say how far it reaches, so its series is left "
    "out; draw a box",
    "no-lesion": "the patient's outline, a support, a mark of the treatment or an organ without a name: no label",
    "point": "single points beside outlines mark no lesion: no label",
    "outside": "nothing of the box lies inside its image, which is left out: it stands in another frame or unit",
    "beyond": "the box reaches far beyond its image, which is left out: it stands in another frame or unit, or two "
    "corners are given as a corner and a size",
    "first-pixel": "the box lies within the first pixel, and its image is left out: are these shares of the image? "
    "Convert them to pixels",
    "other-frame": "a box of this list lies far outside its image, so all images of the list are left out: state what "
    "its numbers are (box_mode, box_space)",
    "bad-entry": "what is annotated there can't be used, so the image that it may mark is left out; correct it",
    "not-read": "files below the annotations that can't be read as such, so what they may mark is left out; unpack, "
    "repair or remove them",
}
LISTS = ("coco", "csv", "cvat", "labelstudio", "luna", "monai")  # one file for many images
SHOWN = 5  # places a sentence names; the rest is a count


@dataclass(frozen=True)
class Matched:
    """Boxes by volume, and what stayed unmatched.

    Attributes:
        boxes: volume key → its boxes, sorted. An empty tuple means "looked at, nothing found".
        unmatched_annotations: one sentence per reason, with a frozen code, a count and places in the file; no names.
        withheld: keys of volumes without an entry in ``boxes``, on which something is annotated that could not be
            placed, a lesion that nobody can protect. They must not be augmented, even when another file has boxes for
            them.
        context: volume key → boxes that are no labels and must be kept.
        names: every label that was read, and the types that are stated for them.
    """

    boxes: dict[str, tuple[Box, ...]]
    unmatched_annotations: tuple[str, ...]
    withheld: frozenset[str]
    context: dict[str, tuple[Box, ...]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


def read_annotations(  # noqa: PLR0913 - one parameter for each thing that decides what a file means
    path: Path,
    volumes: Sequence[Volume],
    *,
    known: Sequence[Path] = (),
    format: str | None = None,  # noqa: A002 - the word the documentation uses
    readers: str = reader_consensus.UNION,
    copies: Mapping[Path, Path] = MappingProxyType({}),
    left_out: frozenset[str] = frozenset(),
    choice: LabelChoice = ALL,
) -> Matched:
    """Read one annotation file or folder and match it with volumes; their pixels are not looked at.

    Args:
        path: a file, or a folder of YOLO, VOC, SEG or label map files.
        volumes: everything that may be annotated.
        known: every file found where the volumes were, spelt as in ``SourceRef.files``; a name that one of those has
            in common with a volume doesn't say which of the two is meant.
        format: a name of `READERS`, or None to tell by content and suffix.
        copies: which known file is a copy of a volume's file, byte by byte: its name means that volume.
        left_out: UIDs of images and series that are not among the volumes although they were found.
        choice: which labels are lesions, which are context, which are ignored.
        readers: where several people read an image: ``union``, ``majority`` or one of them, see `agreement.settled`.

    Raises:
        AnnotationError: unknown format, malformed, or a format that doesn't say who drew what.
    """
    try:
        name = detect(path, image_files(volumes, known)) if format is None else format
        if name not in READERS:
            raise AnnotationError(f"annotations: expected one of {', '.join(READERS)}, found an unknown format name")
        if readers != reader_consensus.UNION and name != "csv":
            raise AnnotationError(f"readers: {name} doesn't say who drew what, a csv with a column rad_id does")
        images = Images(volumes, known, readers, copies, left_out, choice)
        placed = READERS[name](path, images)
        if path.is_dir():
            placed = joined((placed, passed_over(path, name, images), _other_lists(path, placed, images)))
    except OSError as error:
        raise AnnotationError(f"annotations: can't be read ({error.strerror}); check the path") from None
    keys = list(dict.fromkeys(volume.source.key for volume in volumes))
    drawn = _by_role(placed, choice)
    sure = placed.named - placed.unsure
    boxes = {key: tuple(sorted(drawn["lesion"][key])) for key in keys if key in sure}
    context = {key: tuple(sorted(drawn["context"][key])) for key in keys if key in sure and drawn["context"][key]}
    names = frozenset(box.label for _, box in placed.boxes) | {name for pair in placed.types for name in pair}
    return Matched(boxes, tuple(_sentences(placed.notes)), placed.unsure, context, names)


def _by_role(placed: ReaderResult, choice: LabelChoice) -> dict[Role, dict[str, list[Box]]]:
    types: dict[str, list[str]] = defaultdict(list)
    for label, kind in placed.types:
        types[label].append(kind)
    drawn: dict[Role, dict[str, list[Box]]] = {role: defaultdict(list) for role in get_args(Role)}
    for key, box in placed.boxes:
        drawn[choice.role(box.label, types[box.label])][key].append(box)
    return drawn


def _other_lists(folder: Path, placed: ReaderResult, images: Images) -> ReaderResult:
    """Lists of another format below a folder: nobody knows whether what they mark beyond its boxes counts."""
    known = {(key, box.start, box.stop) for key, box in placed.boxes}
    parts = []
    for n, file in enumerate(files_below(folder).files):
        kind = _kind(file)
        if kind in LISTS:
            try:
                read = READERS[kind](file, images)
            except AnnotationError:
                continue  # such as names of classes beside a label map
            more = {key for key, box in read.boxes if (key, box.start, box.stop) not in known} | read.unsure
            meant = [volume for volume in images.volumes if volume.source.key in more]
            parts += [withheld(meant, "not-read", f"file {n}, of the format {kind}")] if meant else []
    return joined(tuple(parts))


def read_masks(path: Path, volumes: Sequence[Volume], known: Sequence[Path] = ()) -> tuple[ClassMask, ...]:
    """The masks of an annotation file or folder on their volumes; none where its format has boxes and outlines only.

    Args:
        path: as for `read_annotations`.
        volumes: likewise.
        known: likewise.

    Raises:
        AnnotationError: malformed.
    """
    readers = {"seg": dicom_seg.masks, "labelmap": labelmap.masks}
    kind = detect(path, image_files(volumes, known))
    return tuple(readers[kind](path, Images(volumes, known))) if kind in readers else ()


def image_files(volumes: Sequence[Volume], known: Sequence[Path]) -> frozenset[Path]:
    """Resolved paths of all image files: those of the volumes, and every other NIfTI and NRRD image of INPUT."""
    others = (file for file in known if file.name.lower().endswith(SUFFIXES))
    return frozenset(file.resolve() for file in (*others, *(f for v in volumes for f in v.source.files)))


def detect(path: Path, images: frozenset[Path] = frozenset()) -> str:
    """The format of a file or a folder, as a name of `READERS`.

    Args:
        path: a file or folder.
        images: resolved paths of image files, which may lie in the folder and are no annotations.

    Raises:
        AnnotationError: none fits, or several do.
    """
    if in_archive(path):
        raise AnnotationError(
            "annotations: a zip archive's content isn't read as annotations; unpack it, give the files"
        )
    if path.is_dir():
        files = (file for file in files_below(path).files if file.resolve() not in images)
        found = {name for file in files if (name := _in_folder(file))}
    elif path.is_file():
        found = {name for name in (_kind(path),) if name}
    else:
        raise AnnotationError("annotations: expected a file or a folder, found nothing there; check the path")
    if len(found) != 1:
        what = f"several formats ({', '.join(sorted(found))})" if found else "none of them"
        raise AnnotationError(
            f"annotations: expected one of {', '.join(READERS)}, found {what}; state the format (--format)",
            code="annotation-format",
        )
    return found.pop()


def in_archive(path: Path) -> bool:
    """Whether it is a zip archive, or would lie in one."""
    return any(each.is_file() and is_archive(each.resolve()) for each in (path, *path.parents))


def _kind(file: Path) -> str | None:
    name = file.name.lower()
    if name.endswith(SUFFIXES):
        return "labelmap"
    if name.endswith(slicer.SUFFIX):
        return "slicer"
    by_suffix = {".json": "coco", ".csv": "csv", ".tsv": "csv", ".xml": "voc", ".txt": "yolo"}
    kind = by_suffix.get(file.suffix.lower())
    return _dialect(file, kind) if kind else dicom_objects.kind_of(file)


# Where one suffix has several formats: what the first kilobytes hold, and then which it is.
DIALECTS: dict[str, tuple[tuple[re.Pattern[bytes], str], ...]] = {
    "coco": (
        (re.compile(rb"^\s*\[\s*\{"), "labelstudio"),
        (re.compile(rb'"shapes"\s*:'), "labelme"),
        (re.compile(rb'"(training|validation|testing|test)"\s*:\s*\['), "monai"),
    ),
    "csv": ((re.compile(rb"^[^\n]*seriesuid[^\n]*coordx", re.IGNORECASE), "luna"),),
    "voc": ((re.compile(rb"<annotations[\s>]"), "cvat"),),
}
HEAD = 64 << 10  # bytes


def _dialect(file: Path, kind: str) -> str:
    with open_plain(file) as stream:
        head = stream.read(HEAD).removeprefix(b"\xef\xbb\xbf")
    return next((name for pattern, name in DIALECTS.get(kind, ()) if pattern.search(head)), kind)


def _in_folder(file: Path) -> str | None:
    """A folder is read as many small files; its tables, lists and notes don't decide what it is."""
    kind = None if file.name.lower() in yolo.NOT_LABELS else _kind(file)
    return None if kind in LISTS else kind


def is_annotation(file: Path) -> bool:
    """Whether some reader takes such a file; a file that can't be opened is none."""
    try:
        return file.name.lower() in yolo.NOT_LABELS or _kind(file) is not None
    except OSError:
        return False


def _sentences(notes: Sequence[Note]) -> Iterator[str]:
    places: dict[str, list[str]] = defaultdict(list)
    for note in notes:
        places[note.code].append(note.where)
    for code, sentence in SENTENCES.items():
        if found := places[code]:
            more = ", …" if len(found) > SHOWN else ""
            yield f"{code}: {len(found)} ({', '.join(found[:SHOWN])}{more}): {sentence}"
