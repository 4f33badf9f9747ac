from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from medaug.storage.canonical_json import canonical, parse


def test_the_example_of_rfc_8785() -> None:
    # RFC 8785, 3.2.2 and 3.2.4
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(value) == expected.encode()


@pytest.mark.parametrize(
    ("bits", "text"),
    [  # RFC 8785, appendix B
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("41b3de4355555553", "333333333.3333332"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_are_spelled_as_ecmascript_spells_them(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == text.encode()
    assert float(text) == number


def test_keys_are_sorted_by_utf16_code_units() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]  # RFC 8785, 3.2.3
    order = list(json.loads(canonical(dict.fromkeys(keys, 0))))
    assert order == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_numpy_scalars_are_numbers() -> None:
    assert canonical([np.int64(7), np.float32(0.5), np.float64(2.0)]) == b"[7,0.5,2]"


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), {1: 2}, {"a"}, b"a", "\ud800"])
def test_what_json_does_not_carry_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"canonical JSON|surrogates"):
        canonical({"value": value})


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', '{"a":NaN}', "[1", "", b"\xff", "[" * 100_000])
def test_ambiguous_json_is_not_parsed(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="expected JSON"):
        parse(text)


def test_equal_values_have_one_spelling() -> None:
    assert canonical({"b": 1.0, "a": (1, 2)}) == canonical({"a": [1, 2], "b": 1}) == b'{"a":[1,2],"b":1}'
    assert canonical({"b": 1.5}) != canonical({"b": 1})
