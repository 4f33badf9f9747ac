"""Rectangles on named images → boxes on volumes: by SOP Instance UID first, by file name second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medaug.annotations.model import Entry, Images, Note, ReaderResult, Rectangle, joined, withheld
from medaug.annotations.parsing import base_name, beside, common, folders, stem
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box, Misfit, enclosing
from medaug.imaging.volume import Volume

# A number written with four decimals is known to ±0.00005 of the width. An edge that lies within that of a whole pixel
# is that pixel, and would otherwise grow the box by one. Beyond a twentieth of a pixel, outward is the only safe way.
MAX_SLACK_PX = 0.05
FIRST_PIXEL = 1.01  # where the first pixel ends, and what shares that were rounded may reach

SlicePosition = tuple[int, int]  # (volume's position in the list, slice k)


@dataclass(frozen=True, eq=False)
class Hit:
    """What an entry may mean.

    Attributes:
        slices: the slices of volumes.
        files: the files that carry its name, among them such as are no volume; empty when a UID decided.
        score: how many folders the entry shares with each of them, counted from the file upwards.
    """

    slices: list[SlicePosition]
    files: tuple[str, ...] = ()
    score: int = 0


@dataclass(frozen=True, eq=False)
class Index:
    """Which slices carry an identifier.

    Attributes:
        uids: SOP Instance UID → its slices.
        names: file name, folded → the files with it, whether they are a volume or not.
        stems: the same without image suffixes.
        slices: file → its slices, where it has some.
        copies: file → the file that it is a copy of.
    """

    uids: dict[str, list[SlicePosition]]
    names: dict[str, list[str]]
    stems: dict[str, list[str]]
    slices: dict[str, list[SlicePosition]]
    copies: dict[str, str]

    @classmethod
    def of(cls, images: Images) -> Index:
        """Index every slice of every volume, and every other file by its name."""
        uids, slices, names, stems = defaultdict(list), defaultdict(list), defaultdict(list), defaultdict(list)
        for v, volume in enumerate(images.volumes):
            for k, (uid, file) in enumerate(zip(volume.source.instance_uids, volume.source.files, strict=True)):
                uids[uid.casefold()].append((v, k))
                slices[str(file)].append((v, k))
        for name in dict.fromkeys((*slices, *map(str, images.known))):
            names[base_name(name)].append(name)
            stems[stem(name)].append(name)
        copies = {str(copy): str(file) for copy, file in images.copies.items()}
        return cls(dict(uids), dict(names), dict(stems), dict(slices), copies)

    def find(self, entry: Entry) -> Hit:
        """Everything that an entry may mean; the first identifier that is known decides, then the folders."""
        bare = stem(entry.name)
        if slices := self.uids.get((entry.uid or bare).casefold()):
            return Hit(slices)
        if entry.uid:
            return Hit([])
        files = self.names.get(base_name(entry.name)) or self.stems.get(bare, [])
        stated = folders(entry.name)
        scores = [common(stated, folders(file)) if stated else 0 for file in files]
        score = max(scores, default=0)
        named = [file for file, own in zip(files, scores, strict=True) if own == score]
        best = tuple(dict.fromkeys(self.copies.get(file, file) for file in named))
        return Hit([position for file in best for position in self.slices.get(file, [])], best, score)


def match_by_name(entries: Iterable[Entry], images: Images) -> ReaderResult:
    """Put rectangles on the slices that their image names.

    A rectangle that may lie on a volume but can't be placed makes that volume ``unsure``: it has a lesion nobody can
    protect. So does one whose numbers can't be what the reader takes them for: it lies outside its image or reaches far
    beyond it, or within the first pixel, as shares of the image do where pixels are expected.

    Args:
        entries: in file order.
        images: everything that may be meant.
    """
    listed, volumes = list(entries), images.volumes
    index, shares = Index.of(images), any(_is_share(r) for entry in listed for r in entry.rectangles)
    hits = [index.find(entry) for entry in listed]
    claims = _claims(listed, hits)
    boxes: list[tuple[str, Box]] = []
    named: set[str] = set()
    unsure: set[str] = set()
    notes: list[Note] = []
    for entry, hit in zip(listed, hits, strict=True):
        code, chosen = _slice_of(entry, hit, claims, images)
        keys = {volumes[v].source.key for v, _ in hit.slices}
        marked = [rectangle.where for rectangle in entry.rectangles]
        if chosen is None:
            notes += [Note(code, where) for where in (*marked, *entry.faults)]
            unsure |= keys if (marked or entry.faults) and code != "no-image" else set()
            continue
        notes += [Note("bad-entry", fault) for fault in entry.faults]
        unsure |= keys if entry.faults else set()
        volume = volumes[chosen[0]]
        named |= keys
        for rectangle in entry.rectangles:
            box = _box(rectangle, volume, chosen[1])
            if isinstance(box, Box) and not (shares and _in_first_pixel(rectangle)):
                boxes.append((volume.source.key, box))
            else:
                notes.append(Note(box if isinstance(box, str) else "first-pixel", rectangle.where))
                unsure |= keys
    return ReaderResult(tuple(boxes), frozenset(named), frozenset(unsure), tuple(notes))


def read_each(
    files: Sequence[Path],
    root: Path,
    images: Images,
    what: str,
    entry_of: Callable[[Path, str], Entry],
    named: Callable[[Path, str, Path], str] = beside,
) -> ReaderResult:
    """Boxes of files that are about one image each.

    A folder's file that can't be read withholds the image that it is named like, where the files that can be read are
    all named like theirs. Where they aren't, it may mean any.

    Args:
        files: in order.
        root: the file or folder that was given.
        images: everything that may be meant.
        what: how messages name a file, such as ``XML file``.
        entry_of: (file, how messages name it) → the entry; its name may lack the folders.
        named: (file, name, ``root``) → the name with the folders that the file states by lying in them.

    Raises:
        AnnotationError: ``root`` is a file that can't be read.
    """
    entries: list[Entry] = []
    broken: list[tuple[Path, str]] = []
    by_own_name = True
    for n, file in enumerate(files):
        try:
            entry = entry_of(file, f"{what} {n}")
        except AnnotationError as error:
            if file == root:
                raise
            broken.append((file, str(error)))
            continue
        by_own_name &= stem(entry.name) in (stem(file.name), stem(file.stem))
        entries.append(replace(entry, name=named(file, entry.name, root)))
    if not by_own_name:
        return joined(
            (match_by_name(entries, images), *(withheld(images.volumes, "bad-entry", why) for _, why in broken))
        )
    entries += [Entry((), name=named(file, file.stem, root), faults=(why,)) for file, why in broken]
    return match_by_name(entries, images)


Claims = dict[str, tuple[int, set[tuple[str, ...]]]]


def _claims(entries: Sequence[Entry], hits: Sequence[Hit]) -> Claims:
    """File → the best score of the entries that mean it, and the folders which those entries state.

    ``a/1.png`` and ``b/1.png`` are two images; where only one file is called 1.png, one of them means another.
    """
    result: Claims = {}
    for entry, hit in zip(entries, hits, strict=True):
        stated = folders(entry.name)
        if len(hit.files) == 1 and stated:
            best, tied = result.get(hit.files[0], (-1, set()))
            if hit.score > best:
                result[hit.files[0]] = (hit.score, {stated})
            elif hit.score == best:
                tied.add(stated)
    return result


def _slice_of(entry: Entry, hit: Hit, claims: Claims, images: Images) -> tuple[str, SlicePosition | None]:
    """The one slice that is meant, or the code of why there is none."""
    code = _doubt(entry, hit, claims, images)
    if code:
        return code, None
    chosen = hit.slices[0]
    if len(hit.slices) > 1:
        stated = [p for p in hit.slices if p[1] == entry.slice]
        if not stated:
            return "slice-not-stated", None
        chosen = stated[0]
    _, rows, columns = images.volumes[chosen[0]].geometry.shape
    if entry.size is not None and entry.size != (columns, rows):
        return "size-differs", None
    return "", chosen


def _doubt(entry: Entry, hit: Hit, claims: Claims, images: Images) -> str:
    """Why it isn't certain which image is meant, as a code; "" when it is."""
    if not hit.slices:
        return "left-out" if hit.files else images.missing(entry.uid or stem(entry.name))
    if len(hit.files) > 1 or len({v for v, _ in hit.slices}) > 1:
        return "several-images"
    if hit.files and folders(entry.name):
        best, stated = claims[hit.files[0]]
        if hit.score < best:
            return "no-image"
        if len(stated) > 1:
            return "several-images"
    return ""


def _box(rectangle: Rectangle, volume: Volume, k: int) -> Box | Misfit:
    """The rectangle on slice k, or the code of why it can't be what it says."""
    shape = volume.geometry.shape
    x0, x1 = (_pixels(rectangle, corner[0], shape[2]) for corner in (rectangle.low, rectangle.high))
    y0, y1 = (_pixels(rectangle, corner[1], shape[1]) for corner in (rectangle.low, rectangle.high))
    return enclosing((k, y0, x0), (k + 1, y1, x1), shape, rectangle.label, rectangle.id, rectangle.code)


def _in_first_pixel(rectangle: Rectangle) -> bool:
    return not rectangle.shares and min(rectangle.low) >= 0 and max(rectangle.high) <= FIRST_PIXEL


def _is_share(rectangle: Rectangle) -> bool:
    """Within the first pixel and not all of it: as nobody draws in pixels, and as every share of an image is."""
    return _in_first_pixel(rectangle) and any(not float(n).is_integer() for n in (*rectangle.low, *rectangle.high))


def _pixels(rectangle: Rectangle, edge: float, size: int) -> float:
    scale = size if rectangle.shares else 1
    nearest = round(edge * scale)
    close = abs(edge * scale - nearest) <= min(rectangle.slack * scale, MAX_SLACK_PX)
    return float(nearest) if close else edge * scale
