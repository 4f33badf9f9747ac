"""What YAML can hold beyond JSON is refused by its line, whatever it would have cost."""

from __future__ import annotations

import time

import pytest

from medaug.storage.strict_yaml import parse_yaml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1\nb: *x\n", "line 2: aliases"),
        ("".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9) if n else 'x'}]\n" for n in range(40)), "aliases"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "aliases"),
        ("c:\n  <<: {b: 1}\n", "line 2: merges"),
        ("a: 1\nb: 2\na: 3\n", "line 1: a key stands there twice"),
        ("x: {a: 1, a: 1}\n", "line 1: a key stands there twice"),
        ("[" * 40 + "]" * 40, "nested more than 32 deep"),
        ("[" * 200_000, "nested more than 32 deep"),
        ("a: " + "9" * 5000, "line 1: a number has more than 400 characters"),
        ("a: 0x" + "f" * 5000, "line 1: a number has more than 400 characters"),
        ("a: !!int nine\n", "line 1: expected a number"),
        ("!!python/object/apply:os.mkdir [unpickled]\n", "could not determine a constructor"),
        ("a: [1\n", "line 2"),
        ("a: 1\n---\nb: 2\n", "line 2"),
        ("a: \x07\n", "special characters are not allowed"),
        ("? [a]\n: b\n", "unhashable"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=said.replace("(", r"\(")) as caught:
        parse_yaml(text)
    assert time.process_time() - started < 2
    assert len(str(caught.value)) < 250


def test_the_time_is_that_of_the_keys_and_not_of_their_pairs() -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        assert len(parse_yaml("".join(f"k{n}: 1\n" for n in range(count)))) == count
        return time.process_time() - started

    assert seconds(16_000) < 10 * seconds(4_000)  # 16 times, were each compared with each; 4 by rights


def test_what_is_read() -> None:
    text = "a: [1, 2.5, true, null]\nd: 2026-13-45\ne: 2026-01-02\n1: x\n'1': y\n"
    assert parse_yaml(text) == {"a": [1, 2.5, True, None], "d": "2026-13-45", "e": "2026-01-02", 1: "x", "1": "y"}
    assert parse_yaml("") is None
