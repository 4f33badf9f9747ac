from __future__ import annotations

import re
from pathlib import Path

import pytest

from medaug.verification import faults
from medaug.verification.faults import CODES, Fault
from tests.support.paths import ROOT
from tests.support.tables import write_table
from tests.support.tampering import COVERED, IN_A_UNIT, JUNK, PLAIN, TOP_LEVEL, UNIT_JUNK
from tests.support.tampering_files import IN_FILES
from tests.support.tampering_headers import REMADE
from tests.verification import test_frames


def test_every_code_is_documented_with_its_meaning() -> None:
    text = (ROOT / "docs" / "how-to" / "verify.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|$", text, re.MULTILINE)) == CODES


def test_an_unknown_code_is_a_defect() -> None:
    with pytest.raises(ValueError, match="not one of the codes"):
        Fault("fishy", "something")


def test_every_code_is_raised_somewhere_and_most_are_seen_in_the_tables() -> None:
    package = "\n".join(
        path.read_text() for path in [*(ROOT / "medaug").rglob("*.py")] if path != Path(faults.__file__)
    )
    assert not [code for code in CODES if f'"{code}"' not in package]
    seen = {
        code for expected in (*PLAIN.values(), *COVERED.values(), *test_frames.COVERED.values()) for code in expected
    } | {code for _, code, _ in REMADE.values()}
    rest = {
        "copy-differs",
        "decision-differs",
        "label-differs",
        "moved-differs",
        "record-outputs",
        "unreadable",
        "source-unreadable",
        "pixels-unknown",
        "replay-differs",
        "seal-anchor",
        "transplant-differs",
    }
    assert CODES.keys() - seen == rest  # shown in tests of their own: test_decide, test_inside, …


def test_the_documents_table_of_tamperings_is_what_the_tests_find() -> None:
    """Write it anew with ``MEDAUG_WRITE_DOCS=1 pytest tests/verification/test_docs.py``."""
    groups = (
        ("nothing else", PLAIN),
        ("digests, chain, lists and seal made to fit", COVERED),
        ("the same, in a multi-frame object", test_frames.COVERED),
    )
    lines = ["| what was done | and then | found as |", "|---|---|---|"]
    for then, table in groups:
        for attack, found in table.items():
            what = attack.__name__.strip("_").removeprefix("covered_").replace("_", " ")
            lines.append(f"| {what} | {then} | {', '.join(f'`{code}`' for code in sorted(found))} |")
    for where, table, junk in (("", TOP_LEVEL, JUNK), ("variants/UNIT/", IN_A_UNIT, UNIT_JUNK)):
        for name, code in table.items():
            lines.append(f"| `{where}{name}` replaced by {', by '.join(junk)} | nothing else | `{code}` |")
    write_table("docs/how-to/verify.md", "tamperings", "\n".join(lines))


def test_the_documents_count_them_right() -> None:
    replaced = len(TOP_LEVEL) * len(JUNK) + len(IN_A_UNIT) * len(UNIT_JUNK)
    count = len(PLAIN) + len(COVERED) + len(test_frames.COVERED) + len(REMADE) + len(IN_FILES) + replaced
    assert f"\n{count} tamperings, each a test" in (ROOT / "docs" / "how-to" / "verify.md").read_text()


def test_the_documents_table_of_what_is_made_again_is_what_the_tests_find() -> None:
    lines = ["| what was done | found as | needs |", "|---|---|---|"]
    lines += [f"| {what} | `{code}` | {needed} |" for what, (_, code, needed) in (REMADE | IN_FILES).items()]
    write_table("docs/how-to/verify.md", "remade", "\n".join(lines))
