"""From a source's header to the header of the instance derived from it: the table in `attributes`, applied."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import datadict
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from medaug.dicom.write.attribute_values import Equipment, Facts, put
from medaug.dicom.write.attributes import DROPPED_AT_EVERY_DEPTH, Row, rows
from medaug.dicom.write.functional_groups import derivations, put_groups

_DEEP = {datadict.tag_for_keyword(keyword) for keyword in DROPPED_AT_EVERY_DEPTH}
_CURVES, _OVERLAYS = range(0x5000, 0x5100, 2), range(0x6000, 0x6100, 2)

_OUTLINES = {*range(0x1600, 0x1625), *range(0x1700, 0x1721)}  # of group 0018
_FIELD_OF_VIEW = {0x1149, 0x7030, 0x7032, 0x7034}  # dimensions in mm, origin, rotation, horizontal flip, likewise

# Elements of an overlay plane (60xx,eeee), C.9.2
_ROWS, _COLUMNS, _FRAMES, _ORIGIN, _BIT_POSITION, _DATA = 0x0010, 0x0011, 0x0015, 0x0050, 0x0102, 0x3000


def derive(facts: Facts, changed: npt.NDArray[np.bool_], *, keep_private: bool, equipment: Equipment) -> Dataset:
    """Turn ``facts.source`` into the derived header, in place, and return it.

    Every value is computed from the untouched source first and applied afterwards, so the order of the table
    doesn't matter.

    Args:
        facts: of the instance; ``facts.source`` is used up.
        changed: (rows, columns), or (frames, rows, columns) of an Enhanced source; True where the pixel is generated.
        keep_private: keep private elements, whatever they hold.
        equipment: policy for General Equipment.

    Raises:
        ValueError: a value is illegal for its representation.
    """
    ds = facts.source
    table = rows(equipment, enhanced=bool(facts.frames))
    entries = derivations(facts, changed) if facts.frames else ()
    computed = [(row, row.value(facts) if callable(row.value) else row.value) for row in table]
    strip(ds, keep_private=keep_private)
    if facts.provenance.moved:
        _drop_outlines(ds, _OUTLINES if facts.provenance.generated else _OUTLINES | _FIELD_OF_VIEW)
    if not facts.provenance.generated:
        changed = np.ones_like(changed)  # all of it lies elsewhere
    drop_overlays(ds, np.asarray(changed.reshape(-1, *changed.shape[-2:]).any(axis=0)))
    for row, value in computed:
        _apply(ds, row, value)
    if facts.frames:
        put_groups(ds, facts.frames, entries)
    return ds


def strip(ds: Dataset, *, keep_private: bool) -> None:
    """Remove private elements, group lengths, signatures and trailing padding at every depth, and curves."""
    for tag in list(ds.keys()):
        if _unwanted(tag, keep_private):
            del ds[tag]
        elif _is_sequence(ds, tag):
            for nested in ds[tag].value:
                strip(nested, keep_private=keep_private)


def drop_overlays(ds: Dataset, changed: npt.NDArray[np.bool_]) -> None:
    """Remove overlay planes that mark a generated pixel, or that lie in the pixels' unused bits.

    A plane outlines what the source showed; over a protected lesion it stays true, over new pixels it may not.

    Args:
        ds: the header, changed in place.
        changed: (rows, columns), True where the pixel is generated.
    """
    for group in sorted({tag.group for tag in ds.keys() if tag.group in _OVERLAYS}):  # noqa: SIM118 - tags, not elements
        if not _overlay_stays(ds, group, changed):
            for tag in [tag for tag in ds.keys() if tag.group == group]:  # noqa: SIM118
                del ds[tag]


def _drop_outlines(ds: Dataset, elements: set[int]) -> None:
    """Remove display shutter, collimator and the like, which say where the source's exposure lay."""
    for tag in [tag for tag in ds.keys() if tag.group == 0x0018 and tag.element in elements]:  # noqa: SIM118
        del ds[tag]


def _apply(ds: Dataset, row: Row, value: object) -> None:
    if row.rule == "drop":
        if row.keyword in ds:
            delattr(ds, row.keyword)
    elif row.rule == "append" and isinstance(value, list):
        put(ds, row.keyword, Sequence([*(ds.get(row.keyword) or []), *value]))
    elif row.rule != "copy" and value is not None:
        put(ds, row.keyword, value)


def _unwanted(tag: BaseTag, keep_private: bool) -> bool:
    if tag.is_private:
        return not keep_private
    return tag.element == 0 or tag in _DEEP or tag.group in _CURVES


def _is_sequence(ds: Dataset, tag: BaseTag) -> bool:
    # ds.get_item doesn't parse: text of the source that isn't looked at is written back byte by byte.
    vr = ds.get_item(tag).VR
    if vr in (None, "UN"):
        vr = datadict.dictionary_VR(tag) if datadict.dictionary_has_tag(tag) else ds[tag].VR
    return vr == "SQ" and ds[tag].VR == "SQ"


def _overlay_stays(ds: Dataset, group: int, changed: npt.NDArray[np.bool_]) -> bool:
    def of(element: int) -> Any:
        found = ds.get((group, element))
        return None if found is None else found.value

    height, width, frames, origin = of(_ROWS), of(_COLUMNS), of(_FRAMES), of(_ORIGIN)
    data, position = of(_DATA), of(_BIT_POSITION)
    placed = bool(height and width and origin) and frames in (None, 1) and position == 0
    if not placed or not isinstance(data, bytes) or 8 * len(data) < height * width:
        return False
    drawn = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: height * width].reshape(height, width)
    i, j = np.nonzero(drawn)
    i, j = i + int(origin[0]) - 1, j + int(origin[1]) - 1  # the origin counts from 1 and may lie outside the image
    inside = (i >= 0) & (i < changed.shape[0]) & (j >= 0) & (j < changed.shape[1])
    return not bool(changed[i[inside], j[inside]].any())
