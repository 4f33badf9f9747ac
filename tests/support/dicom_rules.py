"""What the validators don't see of a derived file, written from the Standard alone: nothing here is medaug's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sr import _concepts_dict

DICTIONARY = _concepts_dict.concepts  # scheme → keyword → code → (meaning, context groups)


def own_faults(derived: Dataset, source: Dataset, changed: np.ndarray) -> Iterator[str]:
    """What is wrong with a derived instance, one word each.

    Args:
        derived: as read, its pixels decoded on demand.
        source: the instance it was made from.
        changed: (rows, columns) or (frames, rows, columns), True where a pixel may have been generated.
    """
    if derived.get("SyntheticData") != "YES":
        yield "synthetic"
    if next(iter(derived.get("ImageType") or [""])) != "DERIVED":
        yield "image-type"
    own = {derived.SOPInstanceUID, derived.SeriesInstanceUID}
    if own & {e.value for e in derived.iterall() if e.keyword == "ReferencedSOPInstanceUID"}:
        yield "self-reference"
    if own & {source.SOPInstanceUID, source.SeriesInstanceUID}:
        yield "uid"
    if [e for e in _codes(derived) if e not in list(_codes(source)) and not _known(e)]:
        yield "code-meaning"
    for keyword, word in (("IconImageSequence", "icon"), ("DigitalSignaturesSequence", "signature")):
        if keyword in derived:
            yield word
    if any(e.tag.is_private for e in derived.iterall()):
        yield "private"
    yield from _pixel_faults(derived, changed)


def _pixel_faults(derived: Dataset, changed: np.ndarray) -> Iterator[str]:
    pixels = derived.pixel_array
    for keyword, value in (("SmallestImagePixelValue", pixels.min()), ("LargestImagePixelValue", pixels.max())):
        if keyword in derived and int(derived[keyword].value) != int(value):
            yield "extremes"
    if "SmallestPixelValueInSeries" in derived or "LargestPixelValueInSeries" in derived:
        yield "series-extremes"
    if "PixelPaddingValue" in derived:
        ends = [int(derived.PixelPaddingValue), int(derived.get("PixelPaddingRangeLimit", derived.PixelPaddingValue))]
        made = pixels[changed.reshape(pixels.shape)]
        if ((made >= min(ends)) & (made <= max(ends))).any():
            yield "padding"


def _codes(ds: Dataset) -> Iterator[tuple[str, str, str]]:
    """Every code in a data set: (scheme, value, meaning)."""
    for element in ds.iterall():
        for item in element.value if element.VR == "SQ" else ():
            if "CodeValue" in item:
                found = (item.get("CodingSchemeDesignator"), item.CodeValue, item.get("CodeMeaning"))
                yield tuple(map(str, found))  # type: ignore[misc]


def _known(code: tuple[str, str, str]) -> bool:
    """Whether a code's meaning is the dictionary's; private ones need no more than a meaning."""
    scheme, value, meaning = code
    if scheme == "99MEDAUG":
        return bool(meaning) and len(meaning) <= 64
    meanings = {entry[value][0] for entry in DICTIONARY.get(scheme, {}).values() if value in entry}
    return meaning in meanings


def read(path: object) -> Dataset:
    return pydicom.dcmread(path)  # type: ignore[arg-type]
