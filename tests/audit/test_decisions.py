from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from medaug.audit import decisions, ledger
from medaug.audit.decisions import Decision, Words, decided, seen_digest
from medaug.errors import OutputError
from medaug.imaging.boxes import Box
from tests.support.records import digest, record

UNIT = record("a").unit


def word(verdict: str = "rejected", reader: str = "Ada", made: int = 1, **more: object) -> Decision:
    reason = "anatomy" if verdict == "rejected" else ""
    at = f"2026-01-02T03:04:{made:02}.000+00:00"
    given = {"unit": UNIT, "reason": reason, "seen": digest("seen"), "made": at, "how": "page", **more}
    return Decision(verdict=verdict, reader=reader, **given)  # type: ignore[arg-type]


def said(folder: Path, *words: Decision) -> Words:
    decisions.log(folder / "ledger", "w", words)
    found = decided(folder / "ledger").get(UNIT)
    assert found
    return found


def test_a_line_reads_back_and_holds_the_digest_of_the_one_before(tmp_path: Path) -> None:
    decisions.log(tmp_path, "w", [word(), word("accepted", "Bo")])
    first, second = decisions.history(tmp_path)
    assert (first.decision, second.decision) == (word(), word("accepted", "Bo"))
    assert (first.prev, second.prev) == ("0" * 64, digest_of(tmp_path / "decisions-w.jsonl", 0))
    assert ledger.verify_chain(tmp_path) == []
    assert ledger.segments(tmp_path) == ()  # of records


def digest_of(path: Path, line: int) -> str:
    return hashlib.sha256(path.read_bytes().splitlines()[line]).hexdigest()


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ([word()], "rejected"),
        ([word("accepted")], "accepted"),
        ([word(made=1), word("accepted", made=2)], "accepted"),  # a reader's later word replaces his earlier one
        ([word("accepted", made=2), word(made=1)], "accepted"),  # whenever it was logged
        ([word("accepted"), word(reader="Bo")], "rejected"),  # one rejection suffices
        ([word(reader="Bo"), word("accepted", made=2)], "rejected"),
        ([word(), word("withdrawn", made=2)], None),
        ([word(), word("accepted", "Bo", final=True)], "accepted"),  # but for a final word
        ([word(final=True), word("accepted", "Bo", made=2)], "rejected"),
        ([word(final=True), word("accepted", "Bo", made=2, final=True)], "accepted"),
        ([word("accepted", "select", how="rule")], None),  # a rule vouches for nothing
        ([word(reader="select", how="rule"), word("accepted", made=2)], "rejected"),
    ],
)
def test_what_stands_of_a_unit(tmp_path: Path, words: list[Decision], verdict: str | None) -> None:
    assert said(tmp_path, *words).verdict == verdict


def test_a_removal_stays_known_and_a_readers_own_word_is_found(tmp_path: Path) -> None:
    found = said(tmp_path, word(removed=True), word("withdrawn", made=2), word("accepted", "Bo"))
    assert found.removed
    assert found.of("Ada") is None
    assert found.of("Bo") == word("accepted", "Bo")


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": "a"},
        {"seen": "A" * 64},
        {"reader": ""},
        {"reader": " Ada"},
        {"reader": "a\nb"},
        {"reader": "<b>"},
        {"reader": "a" * 65},
        {"reason": ""},
        {"reason": "No Word"},
        {"verdict": "accepted"},
        {"verdict": "withdrawn", "reason": "", "removed": True},
    ],
)
def test_a_decision_that_says_nothing_sound_is_none(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="decision"):
        replace(word(), **wrong)  # type: ignore[arg-type]


def test_names_in_any_script_are_names() -> None:
    assert [replace(word(), reader=name).reader for name in ("Ömer Ç.", "读者 2", "r1@clinic")]


def test_what_was_seen_is_pixels_boxes_and_source_and_nothing_else() -> None:
    one = record("a")
    (image,) = one.outputs
    same = replace(one, device="cuda", outputs=(replace(image, sha256=digest("another header")),))
    assert seen_digest(same) == seen_digest(one)
    pixels = replace(one, outputs=(replace(image, pixels_sha256=digest("others")),))
    boxes = replace(one, boxes=(Box((0, 10, 20), (1, 14, 27), "nodule", "7"),))
    source = replace(one, source=replace(one.source, key=digest("other")))
    assert len({seen_digest(each) for each in (one, pixels, boxes, source)}) == 4


@pytest.mark.parametrize("damage", [b"{}", b'{"prev":"x"}', b"not json"])
def test_a_damaged_decision_is_an_error_and_a_torn_one_is_left_out(tmp_path: Path, damage: bytes) -> None:
    decisions.log(tmp_path, "w", [word()])
    segment = tmp_path / "decisions-w.jsonl"
    segment.write_bytes(segment.read_bytes() + damage)
    assert decided(tmp_path).get(UNIT) == Words((word(),))
    segment.write_bytes(segment.read_bytes() + b"\n")
    with pytest.raises(OutputError, match=r"line 2: .*was edited or damaged"):
        decided(tmp_path)
    assert ledger.verify_chain(tmp_path)


def test_an_edited_or_dropped_decision_breaks_the_chain(tmp_path: Path) -> None:
    decisions.log(tmp_path, "w", [word(), word("accepted", "Bo")])
    segment = tmp_path / "decisions-w.jsonl"
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b'"anatomy"', b'"source"'))
    assert ["the chain is broken" in problem for problem in ledger.verify_chain(tmp_path)] == [True]
    segment.write_bytes(whole.splitlines(keepends=True)[1])
    assert ledger.verify_chain(tmp_path)


def test_a_line_is_spelled_canonically(tmp_path: Path) -> None:
    decisions.log(tmp_path, "w", [word()])
    line = (tmp_path / "decisions-w.jsonl").read_text().strip()
    assert json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")) == line
