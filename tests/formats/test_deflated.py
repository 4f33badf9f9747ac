from __future__ import annotations

import gzip
import io
import zlib

import pytest

from medaug.formats.deflated import GZIP, ZLIB, inflated_size
from medaug.formats.gzip_member import says_nothing

CONTENT = bytes(range(256)) * 2000 + bytes(1 << 20)


@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
def test_one_whole_stream_has_a_size(content: bytes) -> None:
    assert inflated_size(io.BytesIO(zlib.compress(content)), ZLIB) == len(content)
    assert inflated_size(io.BytesIO(gzip.compress(content, mtime=0)), GZIP) == len(content)


@pytest.mark.parametrize("behind", [b"\0", b"name", gzip.compress(b"", mtime=0)])
def test_what_follows_is_seen(behind: bytes) -> None:
    """Zeros, too, which Python's gzip passes over."""
    packed = gzip.compress(CONTENT, mtime=0)
    assert inflated_size(io.BytesIO(packed + behind), GZIP) is None
    assert says_nothing(io.BytesIO(packed))
    assert not says_nothing(io.BytesIO(packed + behind))


@pytest.mark.parametrize("cut", [0, 5, -1])
def test_a_stream_that_is_cut_or_damaged_has_none(cut: int) -> None:
    packed = zlib.compress(CONTENT)
    assert inflated_size(io.BytesIO(packed[:cut]), ZLIB) is None
    assert inflated_size(io.BytesIO(packed[:20] + b"\xff" * 20 + packed[40:]), ZLIB) is None


def test_what_is_no_gzip_says_nothing_by_it() -> None:
    assert says_nothing(io.BytesIO(CONTENT))
