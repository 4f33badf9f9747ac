"""Reading files that may be malformed or hostile: bounded, and with errors that hold no content."""

from __future__ import annotations

import math
from pathlib import Path

from medaug.errors import AnnotationError

MAX_TEXT = 512 << 20  # bytes; a COCO file of a million boxes has some 200 MiB
IMAGE_SUFFIXES = (
    ".gz", ".nii", ".nrrd", ".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp",
)  # fmt: skip


def read_text(path: Path, where: str, limit: int = MAX_TEXT) -> str:
    """A whole UTF-8 file, with or without a byte order mark.

    Args:
        path: a regular file.
        where: how messages name it.
        limit: bytes.

    Raises:
        AnnotationError: too large, or not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise AnnotationError(f"{where}: expected at most {limit >> 20} MiB, found more; split it", code="too-large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{where}: expected UTF-8, byte {error.start} isn't; save it as UTF-8") from None


def number(value: object, where: str, what: str) -> float:
    """A finite number from JSON, or from text.

    Raises:
        AnnotationError: anything else. The message holds no text of the file, which could be a name.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise AnnotationError(f"{where}: expected a number for {what}, found other text") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AnnotationError(f"{where}: expected a number for {what}, found {_kind(value)}")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise AnnotationError(f"{where}: expected a finite number for {what}, found NaN or infinity")
    return result


def whole(value: object, where: str, what: str) -> int:
    """A whole number, likewise."""
    result = number(value, where, what)
    if not result.is_integer():
        raise AnnotationError(f"{where}: expected a whole number for {what}, found {result:g}")
    return int(result)


def text(value: object, where: str, what: str) -> str:
    """A string that isn't empty, without surrounding blanks."""
    if not isinstance(value, str) or not value.strip():
        raise AnnotationError(f"{where}: expected text for {what}, found {_kind(value)}")
    return value.strip()


def corners(
    low: tuple[float, float], high: tuple[float, float], where: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both corners, when the rectangle between them has an area.

    Raises:
        AnnotationError: it has none, or is turned inside out.
    """
    width, height = high[0] - low[0], high[1] - low[1]
    if not (width > 0 and height > 0):
        raise AnnotationError(f"{where}: expected a width and a height above 0, found {width:g} × {height:g}")
    return low, high


def base_name(name: str) -> str:
    """The last part of a path of either kind, folded so that case doesn't matter."""
    return name.replace("\\", "/").rsplit("/", 1)[-1].casefold()


def stem(name: str) -> str:
    """A file name without its folders and image suffixes; the dots of a UID stay."""
    result = base_name(name)
    while suffix := next((s for s in IMAGE_SUFFIXES if result.endswith(s) and result != s), ""):
        result = result.removesuffix(suffix)
    return result


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", type(None): "nothing", str: "empty text"}
    return names.get(type(value), "a number")
