"""Numbers with their nouns, and a message that names a series once."""

from __future__ import annotations

import pytest

from medaug.cli.messages import show_left_out
from medaug.errors import counted
from medaug.execution.planning.sources import Skip

UID = "2.25.98571955726149617987525473385266350123"


def test_one_is_one() -> None:
    assert [counted(n, "box", "boxes") for n in (0, 1, 2)] == ["0 boxes", "1 box", "2 boxes"]
    assert [counted(n, "file") for n in (1, 7)] == ["1 file", "7 files"]


def test_a_series_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    show_left_out((Skip("missing-slice", f"series {UID} (CT): slice 4 is missing", 7, True, UID),), ())
    show_left_out((Skip("no-boxes", "nothing to keep", 1, False, UID),), ())
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"  refused [missing-slice] 7 files: series {UID} (CT): slice 4 is missing"
    assert second == f"  skipped [no-boxes] 1 file: nothing to keep; series {UID}"
