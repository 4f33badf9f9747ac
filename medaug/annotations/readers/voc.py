"""Pascal VOC XML: corners of the first and the last pixel, counted from 1."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from medaug.annotations.folder_files import files_below
from medaug.annotations.matching.by_name import read_each
from medaug.annotations.model import Entry, Images, ReaderResult, Rectangle, sound
from medaug.annotations.parsing import corners, number, read_text, text, whole
from medaug.annotations.shapes import around, turned_about_centre
from medaug.errors import AnnotationError

MAX_XML = 16 << 20  # bytes of one file
MAX_DEPTH = 32  # elements in each other


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one XML file, or of every ``.xml`` below a folder.

    The image is ``filename``, or else the XML's own name; without folders of its own it takes the XML's below ``path``.
    A file without objects says that nothing was found. A box is turned by the attribute ``rotation``, clockwise about
    its centre, as CVAT means it. A malformed object withholds its image; a folder's malformed file, see `read_each`.

    Raises:
        AnnotationError: a single file that isn't XML, or has a document type.
    """
    return read_each(xml_files(path), path, images, "XML file", _entry)


def xml_files(path: Path) -> list[Path]:
    """The XML files of a path, in order."""
    if path.is_file():
        return [path]
    return [file for file in files_below(path).files if file.suffix.lower() == ".xml"]


class _PlainTree(ET.TreeBuilder):
    """Builds the tree of a document that declares no type, and so no entities, and is as deep as annotations are."""

    depth = 0

    def start(self, tag: str, attrs: dict[str, str]) -> ET.Element:
        """One deeper."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        return super().start(tag, attrs)

    def end(self, tag: str) -> ET.Element:
        """One up again."""
        self.depth -= 1
        return super().end(tag)

    def doctype(self, *_: object) -> None:
        raise ValueError


def _entry(file: Path, where: str) -> Entry:
    top = tree(read_text(file, where, MAX_XML), where, "annotation")
    objects = [(f"{where}, object {m}", item) for m, item in enumerate(top.findall("object"))]
    rectangles, faults = sound(objects, _rectangle)
    name = (top.findtext("filename") or "").strip() or file.stem
    return Entry(rectangles, name=name, size=_size(top, where), faults=faults)


def tree(content: str, where: str, top: str) -> ET.Element:
    """The parsed document, whose first element has that name.

    Raises:
        AnnotationError: not XML, with a document type, or another element.
    """
    parser = ET.XMLParser(target=_PlainTree())  # noqa: S314 - a document type is refused, so nothing can be expanded or fetched
    try:
        parser.feed(content)
        root = parser.close()
    except ET.ParseError as error:
        line, column = error.position
        raise AnnotationError(f"{where}: line {line}, column {column}: expected XML; check the file") from None
    except ValueError:
        raise AnnotationError(f"{where}: expected no DOCTYPE: annotations need no entities") from None
    except RecursionError:
        raise AnnotationError(f"{where}: expected at most {MAX_DEPTH} elements in each other, found more") from None
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


def _rectangle(one: tuple[str, ET.Element]) -> Rectangle:
    """1-based and inclusive to half-open edges: pixel 1 reaches from 0.0 to 1.0, so only the lower corner moves.

    Where a box is turned it is CVAT's, whose corners are continuous and from 0.
    """
    where, item = one
    label = text(item.findtext("name"), where, "name")
    if item.find("robndbox") is not None:
        raise AnnotationError(f"{where}: expected a bndbox, found a turned box (robndbox); export upright boxes")
    x0, y0, x1, y1 = (number(item.findtext(f"bndbox/{n}"), where, n) for n in ("xmin", "ymin", "xmax", "ymax"))
    if angle := _rotation(item, where):
        low, high = around(turned_about_centre(*corners((x0, y0), (x1, y1), where), angle), where)
    else:
        low, high = corners((x0 - 1, y0 - 1), (x1, y1), where)
    return Rectangle(low, high, label, where)


def _rotation(item: ET.Element, where: str) -> float:
    """Degrees, of ``attributes/attribute`` by name or of an element of that name; 0 where none is stated."""
    stated = [a.findtext("value") for a in item.iter("attribute") if (a.findtext("name") or "").strip() == "rotation"]
    stated += [item.findtext(name) for name in ("rotation", "angle", "bndbox/angle", "bndbox/rotation")]
    found = {number(value, where, "rotation") for value in stated if value and value.strip()}
    if len(found - {0.0}) > 1:
        raise AnnotationError(f"{where}: expected one rotation, found several")
    return max(found, key=abs, default=0.0)
