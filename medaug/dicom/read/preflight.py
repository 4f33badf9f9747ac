"""A bounded look at a file before pydicom parses it.

pydicom trusts what a file declares: half a megabyte of deflated zeros costs it a gigabyte even for headers only, and
nested sequences end in RecursionError. Here lengths, nesting, what elements will cost in memory and the inflated size
are bounded, and nothing is kept in memory but positions.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, replace
from functools import cache
from typing import BinaryIO

from medaug.errors import ReadError

IMPLICIT, DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"  # PS3.6 A
MAX_DEPTH = 32  # sequences in sequences; real objects stay below 10, pydicom's parser fails near 200
# Bytes that pydicom holds of an element (beside its value) and of an item of a sequence. An item holds 700 and takes as
# long to parse as five elements: what a file at the limit holds takes 1 GiB, and 10 to 20 s.
HELD_ELEMENT, HELD_ITEM = 300, 1400
MAX_HELD = 2**30  # 20,000 frames of 100 elements in 15 groups need 98 % of it
MAX_FRAGMENTS = 500_000
MAX_VALUE = 2**28  # bytes of any value but pixels; the parser holds it whole, and a sparse file may promise gigabytes
MAX_INFLATED = 256 * 2**20  # bytes; pydicom holds them twice
MAX_RATIO = 100  # inflated : deflated, once beyond SMALL; a blank 16-bit image reaches 1000
SMALL = 16 * 2**20

LONG_FORM = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
SHORT_FORM = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
FRAMES = 0x52009230  # PerFrameFunctionalGroupsSequence
BREAKS = (0xFFFE, 0x7FE0)  # groups that a walk can't step over: items and pixels
TRANSFER_SYNTAX = 0x00020010
MAX_UID = 66  # bytes of a UID (PS3.5 9.1), and some that pad it
AHEAD = 16_384  # bytes read at once of what is stepped through
HEAD = 65_536  # bytes of a codestream that are enough to find its dimensions


@dataclass(frozen=True)
class Outline:
    """What a file's structure says.

    Attributes:
        transfer_syntax: the UID as stated, or ``""`` where there is no file meta group.
        preamble: whether the file starts with 128 bytes and ``DICM``.
        native_bytes: declared length of native Pixel Data; None when there is none or it is encapsulated.
        fragments: lengths of the encapsulated fragments, without the offset table; empty for native ones.
        codestream: the first bytes of the first fragment.
        open_frames: where the functional groups of frames start and end, if their length isn't stated.
    """

    transfer_syntax: str
    preamble: bool
    native_bytes: int | None = None
    fragments: tuple[int, ...] = ()
    codestream: bytes = b""
    open_frames: tuple[int, int] | None = None

    @property
    def has_pixels(self) -> bool:
        """Whether there is a Pixel Data element."""
        return self.native_bytes is not None or bool(self.fragments)


def outline(stream: BinaryIO, size: int) -> Outline:
    """Check a file's structure without keeping its values.

    Args:
        stream: the file, seekable.
        size: its length in bytes.

    Raises:
        ReadError: ``empty``, ``archive``, ``not-dicom``, ``deflate-bomb``, ``damaged``, ``truncated``, ``nesting`` or
            ``too-many-elements``.

    Source: PS3.5 section 7 (elements, sequences), A.4 (fragments), A.5 (deflate); PS3.10 section 7.1 (preamble, meta).
    """
    if size == 0:
        raise ReadError("the file is empty", code="empty")
    start = _start(stream)
    syntax, start_of_data = _meta(stream, size, start)
    found = Outline(syntax, preamble=start == 132)
    if syntax == DEFLATED:
        stream.seek(start_of_data)
        left = min(size - start_of_data, MAX_INFLATED)  # a longer one does not end, and is refused as truncated
        inflated = _inflated(stream.read(left))
        return _ElementWalk(io.BytesIO(inflated), len(inflated), found).run(0)
    return _ElementWalk(stream, size, found).run(start_of_data)


def _start(stream: BinaryIO) -> int:
    """Where the first element lies."""
    stream.seek(0)
    head = stream.read(132)
    if head[128:132] == b"DICM":
        return 132
    if head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:  # a zip archive, or one without a file in it
        raise ReadError("an archive is not opened: unpack it beside the other files", code="archive")
    if len(head) >= 8:
        group, element, vr = struct.unpack("<HH2s", head[:6])
        (length,) = struct.unpack("<I", head[4:8])
        if group in (2, 8) and element <= 0x80 and (_is_vr(vr) or length <= 128):
            return 0
    raise ReadError("not a DICOM file", code="not-dicom")


def _meta(stream: BinaryIO, size: int, position: int) -> tuple[str, int]:
    """The transfer syntax and where the data set starts. The meta group is always explicit little endian."""
    syntax = ""
    for _ in range(256):
        stream.seek(position)
        head = stream.read(12)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            return syntax, position
        group, element, vr, short = struct.unpack("<HH2sH", head[:8])
        length, header = (int.from_bytes(head[8:12], "little"), 12) if vr in LONG_FORM else (short, 8)
        if position + header + length > size:
            raise _truncated(length, size - position - header)
        if (group << 16) + element == TRANSFER_SYNTAX:
            stream.seek(position + header)
            syntax = _uid(stream.read(min(length, MAX_UID + 1)))
        position += header + length
    raise ReadError("the file meta group does not end", code="damaged")


def _uid(stated: bytes) -> str:
    """A UID as it stands. A blank before it is what this reader would take for another syntax, and the parser for none.

    Raises:
        ReadError: ``bad-value``: it holds anything else than digits and dots, or is too long.
    """
    found = stated.rstrip(b"\0 ")
    if found.strip(b"0123456789.") or len(stated) > MAX_UID:
        raise ReadError("the transfer syntax is no UID; export the file again", code="bad-value")
    return found.decode("ascii")


def _inflated(data: bytes) -> bytes:
    limit = min(MAX_INFLATED, max(SMALL, MAX_RATIO * len(data)))
    try:
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        out = engine.decompress(data, limit + 1)
    except zlib.error as error:
        raise ReadError("the deflated data set can't be inflated; export it again", code="damaged") from error
    if len(out) > limit:
        found = f"{len(data)} deflated bytes hold more than {limit} (limit: {MAX_RATIO} to 1 and {MAX_INFLATED} bytes)"
        raise ReadError(f"{found}; export it without deflate", code="deflate-bomb")
    if not engine.eof:
        raise ReadError("the deflated data set ends before its end mark; copy the file again", code="truncated")
    return out


class _ElementWalk:
    """One pass over the elements of a data set, iterative, so that nesting costs no Python stack."""

    def __init__(self, stream: BinaryIO, size: int, found: Outline) -> None:
        self.stream, self.size, self.found = stream, size, found
        order = ">" if found.transfer_syntax == BIG_ENDIAN else "<"
        self.plain = struct.Struct(order + "H2x2sH")
        self.tag, self.short, self.long = (struct.Struct(order + code) for code in ("HH", "H", "I"))
        self.implicit = found.transfer_syntax == IMPLICIT
        self.open: list[tuple[int, bool]] = []  # of each sequence and item: its end (or UNDEFINED), implicit before it
        self._from, self._bytes = 0, b""
        self._held = 0
        self._frames = 0  # where the groups of frames start, while they are open

    def run(self, position: int) -> Outline:
        """Walk from ``position`` to the end."""
        self.implicit = self._really_implicit(position)
        while self._held <= MAX_HELD:
            while self.open and self.open[-1][0] != UNDEFINED and position >= self.open[-1][0]:
                _, self.implicit = self.open.pop()
            if not self.implicit and (after := self._plain(position)) > position:
                position = after
                continue
            head = self._head(position)
            if len(head) < 8:
                if self.open:
                    raise ReadError("the file ends inside a sequence; copy it again", code="truncated")
                return self.found
            position = self._element(position, head)
        found = f"more data elements and items than {MAX_HELD / 2**30:g} GiB of memory can hold"
        raise ReadError(f"{found}; export it in parts", code="too-many-elements")

    def _plain(self, position: int) -> int:
        """Where the run of short elements that starts there ends; nearly all are, and steps are the time of a walk."""
        self._head(position)  # is in the window now, unless it is the file's last bytes
        start, inside = self._from, self.open[-1][0] - 1 if self.open else self.size
        end = min(start + len(self._bytes) - 8, inside)
        unpack, count = self.plain.unpack_from, 0
        while position <= end:
            group, vr, length = unpack(self._bytes, position - start)
            after = position + 8 + length
            if vr not in SHORT_FORM or group in BREAKS or after > self.size:
                break
            position, count = after, count + 1
        self._held += count * HELD_ELEMENT
        return position

    def _really_implicit(self, position: int) -> bool:
        """What the first element looks like; like pydicom, believe it rather than the stated syntax."""
        self.stream.seek(position + 4)
        return not _is_vr(self.stream.read(2))

    def _head(self, position: int) -> bytes:
        """The 12 bytes there, fewer at the end; a system call for each would be half of the time of many frames."""
        at = position - self._from
        if not 0 <= at <= len(self._bytes) - 12:
            self.stream.seek(position)
            self._from, self._bytes, at = position, self.stream.read(AHEAD), 0
        return self._bytes[at : at + 12]

    def _element(self, position: int, head: bytes) -> int:
        """Step over one element, or into it."""
        group, element = self.tag.unpack_from(head)
        tag = (group << 16) + element
        if group == 0xFFFE:
            self._held += HELD_ITEM if tag == ITEM else 0
            return self._delimiter(tag, position, head)
        self._held += HELD_ELEMENT
        vr, length, start = self._length(head, position)
        if tag == PIXEL_DATA and not self.open:
            return self._pixels(start, length)
        if length == UNDEFINED or vr == b"SQ" or (self.implicit and _known_sequence(tag)):
            if tag == FRAMES and length == UNDEFINED and vr != b"UN" and not self.open:
                self._frames = start
            self._enter(start, length, implicit=self.implicit or vr == b"UN")  # UN of undefined length: PS3.5 6.2.2
            return start
        self._fits(start, length)
        if length > MAX_VALUE:
            raise ReadError(f"a value has {length} bytes (limit {MAX_VALUE}); export it again", code="too-large")
        return start + length

    def _delimiter(self, tag: int, position: int, head: bytes) -> int:
        (length,) = self.long.unpack_from(head, 4)
        if tag == ITEM:
            self._enter(position + 8, length, implicit=self.implicit)
        elif self.open:
            _, self.implicit = self.open.pop()
            if self._frames and not self.open:
                self.found, self._frames = replace(self.found, open_frames=(self._frames, position + 8)), 0
        return position + 8

    def _length(self, head: bytes, position: int) -> tuple[bytes, int, int]:
        """VR (empty when implicit), length of the value, position of the value."""
        vr = head[4:6]
        if self.implicit or not _is_vr(vr):
            return b"", self.long.unpack_from(head, 4)[0], position + 8
        if vr not in LONG_FORM:
            return vr, self.short.unpack_from(head, 6)[0], position + 8
        if len(head) < 12:
            raise _truncated(12, len(head))
        return vr, self.long.unpack_from(head, 8)[0], position + 12

    def _enter(self, start: int, length: int, *, implicit: bool) -> None:
        if length != UNDEFINED:
            self._fits(start, length)
        self.open.append((UNDEFINED if length == UNDEFINED else start + length, self.implicit))
        self.implicit = implicit
        if len(self.open) > 2 * MAX_DEPTH:  # a sequence and its item are one level
            raise ReadError(f"sequences are nested more than {MAX_DEPTH} deep", code="nesting")

    def _pixels(self, start: int, length: int) -> int:
        if length != UNDEFINED:
            self._fits(start, length)
            self.found = replace(self.found, native_bytes=length)
            return start + length
        position, first = start, b""
        lengths: list[int] = []
        while len(lengths) <= MAX_FRAGMENTS:
            self.stream.seek(position)
            head = self.stream.read(8)
            if len(head) < 8:
                raise ReadError("the compressed pixel data has no end mark; copy the file again", code="truncated")
            (group, element), (size,) = self.tag.unpack_from(head), self.long.unpack_from(head, 4)
            if (group << 16) + element == SEQUENCE_END:
                self.found = replace(self.found, fragments=tuple(lengths[1:]), codestream=first)
                return position + 8
            self._fits(position + 8, size)
            if len(lengths) == 1:  # the offset table was number 0
                first = self.stream.read(min(size, HEAD))
            lengths.append(size)
            position += 8 + size
        raise ReadError(f"more than {MAX_FRAGMENTS} fragments of pixel data", code="too-many-elements")

    def _fits(self, start: int, length: int) -> None:
        if start + length > self.size:
            raise _truncated(length, self.size - start)


@cache  # of two bytes there are 65,536
def _is_vr(code: bytes) -> bool:
    return len(code) == 2 and code.isalpha() and code.isupper()


@cache
def _known_sequence(tag: int) -> bool:
    from pydicom.datadict import dictionary_VR  # here, since all its decoders come along: a child may read JSON alone

    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False


def _truncated(declared: int, left: int) -> ReadError:
    return ReadError(
        f"an element declares {declared} bytes where {max(left, 0)} are left; copy the file again", code="truncated"
    )
