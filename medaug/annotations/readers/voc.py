"""Pascal VOC XML: corners of the first and the last pixel, counted from 1."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from medaug.annotations.matching.by_name import place
from medaug.annotations.model import Entry, Images, Placed, Rectangle
from medaug.annotations.parsing import beside, corners, number, read_text, text, whole
from medaug.errors import AnnotationError

MAX_XML = 16 << 20  # bytes of one file


def read(path: Path, images: Images) -> Placed:
    """Boxes of one XML file, or of every ``.xml`` below a folder.

    The image is ``filename``, or else the XML's own name; without folders of its own it takes the XML's below ``path``.
    A file without objects says that nothing was found.

    Raises:
        AnnotationError: not XML, with a document type, or an object is malformed.
    """
    return place(_entries(xml_files(path), path), images)


def xml_files(path: Path) -> list[Path]:
    """The XML files of a path, in order."""
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.suffix.lower() == ".xml" and p.is_file())


class _NoDoctype(ET.TreeBuilder):
    """Builds the tree of a document that declares no type, and so no entities."""

    def doctype(self, *_: object) -> None:
        raise ValueError


def _entries(files: list[Path], root: Path) -> Iterator[Entry]:
    for n, file in enumerate(files):
        where = f"XML file {n}"
        top = tree(read_text(file, where, MAX_XML), where, "annotation")
        name = (top.findtext("filename") or "").strip() or file.stem
        objects = top.findall("object")
        rectangles = [_rectangle(item, f"{where}, object {m}") for m, item in enumerate(objects)]
        yield Entry(tuple(rectangles), name=beside(file, name, root), size=_size(top, where))


def tree(content: str, where: str, top: str) -> ET.Element:
    """The parsed document, whose first element has that name.

    Raises:
        AnnotationError: not XML, with a document type, or another element.
    """
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - a document type is refused, so nothing can be expanded or fetched
    try:
        parser.feed(content)
        root = parser.close()
    except ET.ParseError as error:
        line, column = error.position
        raise AnnotationError(f"{where}: line {line}, column {column}: expected XML; check the file") from None
    except ValueError:
        raise AnnotationError(f"{where}: expected no DOCTYPE: annotations need no entities") from None
    if root.tag != top:
        raise AnnotationError(f"{where}: expected <{top}> at the top, found another element")
    return root


def _size(root: ET.Element, where: str) -> tuple[int, int] | None:
    """(width, height); many tools leave 0 × 0 when they didn't open the image."""
    stated = [root.findtext(f"size/{side}") for side in ("width", "height")]
    if None in stated:
        return None
    width, height = (whole(n, where, "size") for n in stated)
    return (width, height) if width and height else None


def _rectangle(item: ET.Element, where: str) -> Rectangle:
    """1-based and inclusive to half-open edges: pixel 1 reaches from 0.0 to 1.0, so only the lower corner moves."""
    label = text(item.findtext("name"), where, "name")
    edges = [number(item.findtext(f"bndbox/{n}"), where, n) for n in ("xmin", "ymin", "xmax", "ymax")]
    low, high = corners((edges[0] - 1, edges[1] - 1), (edges[2], edges[3]), where)
    return Rectangle(low, high, label, where)
