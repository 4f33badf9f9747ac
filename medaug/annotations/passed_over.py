"""Files below a folder of annotations that its reader does not take: what they may mark is withheld."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from medaug.annotations.dicom_objects import CLASSES, is_dicom, objects, sop_class
from medaug.annotations.folder_files import files_below
from medaug.annotations.matching.by_name import match_by_name
from medaug.annotations.matching.label_map_names import ImageNames
from medaug.annotations.model import Entry, Images, ReaderResult, joined, withheld
from medaug.annotations.parsing import beside, json_files
from medaug.annotations.readers import labelmap, slicer, voc, yolo
from medaug.errors import ReadError
from medaug.formats.registry import format_of
from medaug.imaging.volume import Volume
from medaug.storage.plain_files import open_plain

# The files that a reader takes from a folder, where not those of a SOP class.
TAKEN: dict[str, Callable[[Path, Images], list[Path]]] = {
    "labelmap": labelmap.map_files,
    "labelme": lambda path, _: json_files(path),
    "slicer": lambda path, _: json_files(path, slicer.SUFFIX),
    "voc": lambda path, _: voc.xml_files(path),
    "yolo": lambda path, _: yolo.label_files(path),
}
NO_ANNOTATIONS = re.compile(  # by name: notes, lists, programs, and what systems leave behind
    r"(\..*|thumbs\.db|desktop\.ini|dicomdir|.*\.(txt|md|rst|html?|pdf|log|csv|tsv|json|xml|ya?ml|toml|py|sh|m|r|"
    r"sha\d*|md5|xlsx?|docx?|npy|npz|pt|pth|ckpt|mp4|gif|svg|bmp|webp))",
    re.IGNORECASE,
)
PACKED = re.compile(r"\.(gz|zip|bz2|xz|7z|xml|json|txt)", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
HEAD = 4096  # bytes


def passed_over(folder: Path, kind: str, images: Images) -> ReaderResult:
    """What the files that a reader of a folder passes over may mark.

    Images, other DICOM objects, and files that are text or called like no annotation mark nothing. Any other, such as
    an empty, zeroed or packed one, and whatever can't be opened, may be an annotation. It is taken to mark the image
    that it is named like, where a format goes by names; else it may mark any.

    Args:
        folder: that was read.
        kind: a name of `registry.READERS`.
        images: everything that may be annotated.
    """
    below = files_below(folder)
    doubtful = [file for file in below.files if file.resolve() not in _taken(folder, kind, images)]
    doubtful = [file for file in doubtful if not _harmless(file)]
    parts = []
    for n, file in enumerate((*below.closed, *doubtful)):
        meant = _named_like(file, folder, kind, images) or images.volumes
        parts.append(withheld(meant, "not-read", f"file {n}, {_state(file)}"))
    return joined(tuple(parts))


def _taken(folder: Path, kind: str, images: Images) -> frozenset[Path]:
    """Resolved paths of what the reader takes, and of the files of images with the archives that hold them."""
    takes = TAKEN.get(kind)
    taken = {file.resolve() for file in (takes(folder, images) if takes else objects(folder, kind))}
    pictures = {file.resolve() for volume in images.volumes for file in volume.source.files}
    return frozenset(taken | pictures | {file.parent for file in pictures})


def _named_like(file: Path, folder: Path, kind: str, images: Images) -> Sequence[Volume]:
    """The volumes whose image a file is named like, where the format goes by names."""
    bare = PACKED.sub("", file.name)
    if kind == "labelmap":
        meant = ImageNames.of(images, ()).match(file.with_name(bare)).files
        return [volume for volume in images.volumes if str(volume.source.files[0]) in meant]
    if kind not in TAKEN:
        return ()
    named = match_by_name([Entry((), name=beside(file, bare, folder), faults=("it",))], images).unsure
    return [volume for volume in images.volumes if volume.source.key in named]


def _harmless(file: Path) -> bool:
    """Whether a file that no reader took is certainly no annotation."""
    if NO_ANNOTATIONS.fullmatch(file.name):
        return True
    try:
        head = _head(file)
        dicom = is_dicom(head) and sop_class(file) not in (b"", *CLASSES)
        return dicom or _is_text(head) or format_of(file.resolve()) is not None
    except (OSError, ReadError):
        return False


def _state(file: Path) -> str:
    try:
        head = _head(file) if file.is_file() else None
    except OSError:
        head = None
    if head is None:
        return "which can't be opened"
    packed = {b"\x1f\x8b": "which is packed", b"PK": "which is packed", b"": "which is empty"}
    return packed.get(head[:2], "of no kind that is known")


def _head(file: Path) -> bytes:
    with open_plain(file) as stream:
        return stream.read(HEAD)


def _is_text(head: bytes) -> bool:
    """Whether it begins as UTF-8 without control characters; the last character may be cut."""
    try:
        text = head.decode("utf-8") if len(head) < HEAD else head[:-4].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return False
    return bool(head) and "\ufffd" not in text and not CONTROL.search(text)
