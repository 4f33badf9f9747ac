"""Items of a sequence, taken apart where they lie, without a pydicom Dataset for each.

An Enhanced object has up to 20,000 items of a dozen sequences of one item each. To make a Dataset takes longer than to
find its elements, and most of them are never asked for. Here elements stay bytes until they are, and then pydicom
converts them. Whatever isn't plainly encoded is left to pydicom altogether.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, MutableSequence, Sequence
from functools import lru_cache

from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.tag import BaseTag

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
CHARACTER_SET = 0x00080005
LONG_FORM = {vr.encode(): vr for vr in "OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()}  # noqa: SIM905
SHORT_FORM = {
    vr.encode(): vr
    for vr in "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()  # noqa: SIM905
}
Encoding = str | MutableSequence[str]
Elements = Mapping[BaseTag, DataElement | RawDataElement]


@lru_cache(maxsize=4096)
def base_tag(tag: int) -> BaseTag:
    """The one object for a tag: a dictionary finds itself at once, and another that is equal by a call of Python."""
    return BaseTag(tag)


class Item(dict[BaseTag, DataElement | RawDataElement]):
    """Elements by tag: of a Dataset, what `fields` asks of one."""

    __slots__ = ("encoding",)

    def __init__(self, elements: Elements, encoding: Encoding) -> None:
        super().__init__(elements)
        self.encoding = encoding

    def __getitem__(self, tag: BaseTag) -> DataElement:
        """The element, converted when it's asked for first."""
        found = super().__getitem__(tag)
        if isinstance(found, RawDataElement):
            self[tag] = found = convert_raw_data_element(found, encoding=self.encoding)
        return found

    def get_item(self, tag: BaseTag) -> DataElement | RawDataElement:
        """The element as it is, see `Dataset.get_item`."""
        return super().__getitem__(tag)


def items_of(element: DataElement | RawDataElement, encoding: Encoding) -> Sequence[Item] | None:
    """The items of a sequence that wasn't converted, or None where that is better left to pydicom.

    Source: PS3.5 7.5 (sequences), 7.1.2 and 7.1.3 (explicit and implicit VR).
    """
    if not isinstance(element, RawDataElement) or element.VR not in {"SQ", None} or not element.value:
        return None
    try:
        walk = _ItemWalk(element.value, element.is_implicit_VR, element.is_little_endian, encoding)
        return walk.items(0, len(element.value))[0]
    except (_UnusualError, struct.error):
        return None


def items_kept(element: DataElement | RawDataElement, encoding: Encoding) -> Sequence[Item] | None:
    """`items_of`, kept until it is asked of another element: an object's frames are counted several times, and read."""
    return _kept(_Asked(element, encoding))


class _Asked:
    """An element that equals itself alone: to compare 60 MB takes time."""

    def __init__(self, element: DataElement | RawDataElement, encoding: Encoding) -> None:
        self.element, self.encoding = element, encoding

    def __hash__(self) -> int:
        return id(self.element)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and other.element is self.element


@lru_cache(maxsize=1)
def _kept(asked: _Asked) -> Sequence[Item] | None:
    return items_of(asked.element, asked.encoding)


class _UnusualError(Exception):
    """Something that pydicom may understand."""


class _ItemWalk:
    """Over the bytes of one sequence."""

    def __init__(self, data: bytes, implicit: bool, little: bool, encoding: Encoding) -> None:
        order = "<" if little else ">"
        self.data, self.implicit, self.little, self.encoding = data, implicit, little, encoding
        self.explicit_head = struct.Struct(order + "HH2sH").unpack_from
        self.implicit_head = struct.Struct(order + "HHL").unpack_from
        self.length = struct.Struct(order + "L").unpack_from

    def items(self, at: int, end: int) -> tuple[list[Item], int]:
        """The items from ``at`` on, to ``end`` or the sequence's delimiter, and where it ends."""
        items_read: list[Item] = []
        while at < end:
            group, element, length = self.implicit_head(self.data, at)
            tag, at = group << 16 | element, at + 8
            if tag == SEQUENCE_END:
                return items_read, at
            if tag != ITEM:
                raise _UnusualError
            delimited = length == UNDEFINED
            elements, at = self.elements(at, end if delimited else at + length, delimited=delimited)
            items_read.append(Item(elements, self.encoding))
        return items_read, at

    def elements(self, at: int, end: int, *, delimited: bool) -> tuple[Elements, int]:
        """The elements of an item that ends at ``end``, or before it with a delimiter; and where it ends."""
        elements_read: dict[BaseTag, DataElement | RawDataElement] = {}
        while at < end:
            tag, vr, length, at = self.head(at)
            if tag == ITEM_END and delimited:
                return elements_read, at
            after = self.after(at, vr, length)
            if after > end or tag == CHARACTER_SET or tag >> 16 == ITEM >> 16:
                raise _UnusualError
            base = base_tag(tag)
            value = self.data[at:after] or None
            elements_read[base] = RawDataElement(base, vr, after - at, value, at, self.implicit, self.little)
            at = after
        if delimited or at != end:
            raise _UnusualError
        return elements_read, at

    def head(self, at: int) -> tuple[int, str | None, int, int]:
        """Tag, VR (None where it isn't stated), length, and where the value starts."""
        group, element, code, length = self.explicit_head(self.data, at)
        if self.implicit or group == ITEM >> 16:
            return group << 16 | element, None, self.length(self.data, at + 4)[0], at + 8
        if code in LONG_FORM:
            return group << 16 | element, LONG_FORM[code], self.length(self.data, at + 8)[0], at + 12
        if code not in SHORT_FORM:
            raise _UnusualError
        return group << 16 | element, SHORT_FORM[code], length, at + 8

    def after(self, at: int, vr: str | None, length: int) -> int:
        """Where a value ends; one of undefined length is a sequence, of implicit VR where it is of unknown one."""
        if length != UNDEFINED:
            return at + length
        if vr == "UN":
            return _ItemWalk(self.data, True, True, self.encoding).sequence_end(at)  # PS3.5 6.2.2
        if vr not in {"SQ", None}:
            raise _UnusualError
        return self.sequence_end(at)

    def sequence_end(self, at: int) -> int:
        """Behind the delimiter of a sequence."""
        while True:
            group, element, length = self.implicit_head(self.data, at)
            tag, at = group << 16 | element, at + 8
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM:
                raise _UnusualError
            at = self.item_end(at) if length == UNDEFINED else at + length

    def item_end(self, at: int) -> int:
        """Behind the delimiter of an item."""
        while True:
            tag, vr, length, at = self.head(at)
            if tag == ITEM_END:
                return at
            at = self.after(at, vr, length)
