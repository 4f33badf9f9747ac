"""Reading files that may be malformed or hostile: bounded, and with errors that hold no content."""

from __future__ import annotations

import json
import math
import unicodedata
from pathlib import Path

from medaug.annotations.folder_files import files_below
from medaug.errors import AnnotationError
from medaug.storage.plain_files import open_plain

MAX_TEXT = 512 << 20  # bytes; a COCO file of a million boxes has some 200 MiB
MAX_NUMBER = 1e12  # no coordinate in mm or px, no number of an image is beyond it; some identifiers come near
MAX_LABEL = 64  # characters: DICOM's long string (PS3.5 6.2), which SegmentLabel and CodeMeaning are
FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")  # Unicode categories: control, surrogate, line and paragraph separator
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
    with open_plain(path) as file:
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
    if abs(result) > MAX_NUMBER:
        raise AnnotationError(f"{where}: expected a number up to {MAX_NUMBER:g} for {what}, found {result:g}")
    return result


def whole(value: object, where: str, what: str) -> int:
    """A whole number, likewise."""
    result = number(value, where, what)
    if not result.is_integer():
        raise AnnotationError(f"{where}: expected a whole number for {what}, found {result:g}")
    return int(result)


def text(value: object, where: str, what: str, limit: int = MAX_LABEL) -> str:
    """A label: one line of 1 to `MAX_LABEL` characters, without surrounding blanks, in Unicode's composed form.

    It goes into manifests, records and DICOM, so what one of them can't hold is refused here.

    Raises:
        AnnotationError: no text, empty, too long, or with control characters or halves of a surrogate pair.
    """
    if not isinstance(value, str) or not value.strip():
        raise AnnotationError(f"{where}: expected text for {what}, found {_kind(value)}")
    result = unicodedata.normalize("NFC", value.strip())
    if any(unicodedata.category(character) in FORBIDDEN for character in result):
        raise AnnotationError(f"{where}: expected one line of text for {what}, found a control character; rename it")
    if len(result) > limit:
        raise AnnotationError(
            f"{where}: expected at most {limit} characters for {what}, found {len(result)}; shorten it"
        )
    return result


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
    return _folded(name).rsplit("/", 1)[-1]


def folders(name: str) -> tuple[str, ...]:
    """The folders of a path of either kind, outermost first, folded likewise."""
    return tuple(part for part in _folded(name).split("/")[:-1] if part not in ("", "."))


def beside(file: Path, name: str, root: Path) -> str:
    """The image that a file of annotations names, with the folders that the file lies in below ``root``."""
    inside = file.parent.relative_to(root).as_posix() if file != root else "."
    return name if folders(name) or inside == "." else f"{inside}/{name}"


def common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many of the last parts are equal: of ``a/b/c`` and ``x/b/c`` two."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count


def _folded(name: str) -> str:
    """One spelling for all systems: macOS takes letters with marks apart, Windows turns the slash."""
    path = name.replace("\\", "/")
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def stem(name: str) -> str:
    """A file name without its folders and image suffixes; the dots of a UID stay."""
    result = base_name(name)
    while suffix := next((s for s in IMAGE_SUFFIXES if result.endswith(s) and result != s), ""):
        result = result.removesuffix(suffix)
    return result


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", type(None): "nothing", str: "empty text"}
    return names.get(type(value), "a number")


def parsed(path: Path, where: str, limit: int = MAX_TEXT) -> object:
    """The content of a JSON file. NaN and infinity are no numbers, and no object has a key twice.

    Raises:
        AnnotationError: too large, not UTF-8, not JSON, or a key that stands twice, of which readers take either.
    """

    def refuse(_: str) -> float:
        raise ValueError

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise AnnotationError(f"{where}: expected each key once in an object, found one twice; remove one of them")
        return found

    try:
        return json.loads(read_text(path, where, limit), parse_constant=refuse, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise AnnotationError(f"{where}: line {error.lineno}: expected JSON; check the file") from None
    except (ValueError, RecursionError):
        raise AnnotationError(f"{where}: expected finite numbers and shallow nesting; check the file") from None


def get(entry: object, key: str, where: str) -> object:
    """``entry[key]``, when it is an object that has one."""
    if not isinstance(entry, dict) or key not in entry:
        raise AnnotationError(f"{where}: expected an object with {key!r}")
    return entry[key]


def listed(entry: object, key: str, where: str) -> list[object]:
    """The list ``entry[key]``."""
    found = get(entry, key, where)
    if not isinstance(found, list):
        raise AnnotationError(f"{where}: expected a list for {key!r}")
    return found


def numbers(value: object, count: int, where: str, what: str) -> tuple[float, ...]:
    """A list of exactly ``count`` finite numbers."""
    if not isinstance(value, list) or len(value) != count:
        raise AnnotationError(f"{where}: expected {count} numbers for {what}")
    return tuple(number(n, where, what) for n in value)


def json_files(path: Path, suffix: str = ".json") -> list[Path]:
    """The files of a path with a suffix, in order."""
    if path.is_file():
        return [path]
    return [file for file in files_below(path).files if file.name.lower().endswith(suffix)]
