"""What people see: a word, then a bar or lines; a resumed run counts from what is done; no name anywhere."""

from __future__ import annotations

import io
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medaug.cli.progress import Bar, Lines, Log, Silent, Voice, bars, duration, files_in, following
from medaug.errors import OutputError
from medaug.execution.execute import execute
from medaug.execution.summary import Progress, Stage
from tests.support import null
from tests.support.records import record


@pytest.fixture
def terminal() -> Iterator[io.StringIO]:
    """rich draws numbers for the links of its styles from `random`, which nothing of medaug looks at."""
    before = random.getstate()
    yield io.StringIO()
    random.setstate(before)


def unit_done(number: int, **fields: object) -> Progress:
    made = record(unit=null.unit(number).recipe.id, **fields)
    return Progress(1, 4, made, 200.0, before=8)


def test_lines_count_from_what_earlier_calls_did() -> None:
    out = io.StringIO()
    voice = Voice((Lines(out),))
    voice.stage(Stage("prior"))
    voice.stage(Stage("units", 8, 12))
    voice.progress(unit_done(1))
    loading, begun, done = out.getvalue().splitlines()
    assert loading == "loading the prior…"
    assert begun == "12 units, 8 of them done before"
    assert re.fullmatch(r"\[9/12\] [0-9a-f]{12} written, 3 min 20 s left", done)


def test_a_resumed_run_tells_what_was_done_before(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1, 2)
    told: list[Progress] = []
    stages: list[Stage] = []
    options = {"on_progress": told.append, "on_stage": stages.append}
    execute(null.plan(1, 2, 3, extend=True), tmp_path / "out", work=null.work, **options)  # type: ignore[arg-type]
    assert stages == [Stage("prior"), Stage("units", 2, 3)]
    assert [(one.before, one.done, one.total) for one in told] == [(2, 1, 1)]


def test_a_bar_shows_done_of_total_and_steps_inside_a_unit(terminal: io.StringIO) -> None:
    with bars(terminal) as shown:
        voice = Voice((Bar(shown, verbose=False),), steps=True)
        voice.reading(3, 40)
        shown.refresh()
        assert "reading" in terminal.getvalue()
        assert "3/40" in terminal.getvalue()
        voice.stage(Stage("units", 8, 12))
        voice.step(null.unit(1), 20, 40)
        (task,) = shown.tasks
        assert (task.description, task.completed, task.total) == ("solving", 8.5, 12)
        voice.progress(unit_done(1))
        assert task.completed == 9  # the half unit isn't counted twice
        voice.progress(unit_done(2, status="failed", code="colour", message="why", outputs=()))
        shown.refresh()
    said = terminal.getvalue()
    assert "9/12" in said
    assert "written" not in said  # the bar tells it
    assert "failed (colour): why" in said


def test_what_begins_has_no_time_left_of_what_ended(terminal: io.StringIO) -> None:
    with bars(terminal) as shown:
        voice = Voice((Bar(shown, verbose=False),), steps=True)
        voice.reading(8, 8)
        shown.refresh()
        assert "0:00:00" in terminal.getvalue()
        terminal.truncate(0)
        voice.stage(Stage("units", 0, 12))
        shown.refresh()
        assert "solving" in terminal.getvalue()
        assert "0:00:00" not in terminal.getvalue()


def test_a_verbose_bar_has_a_line_for_each_unit(terminal: io.StringIO) -> None:
    with bars(terminal) as shown:
        Voice((Bar(shown, verbose=True),)).progress(unit_done(1))
    assert "[9/12]" in terminal.getvalue()


def test_a_quiet_run_keeps_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # a second call adds to it
        with following(quiet=True, log_file=tmp_path / "log") as voice:
            voice.say("reading 2 files…")
    assert isinstance(voice.displays[0], Silent)
    assert isinstance(voice.displays[1], Log)
    assert capsys.readouterr() == ("", "")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\dT[\d:]{8}[+-]\d{4} ", "", line) for line in lines] == ["reading 2 files…"] * 2
    with pytest.raises(OutputError, match="log file") as caught, following(log_file=tmp_path / "no" / "log"):
        pass
    assert str(tmp_path) not in str(caught.value)


def test_what_ends_a_run_stands_in_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def ended() -> None:
        with following(log_file=tmp_path / "log") as voice:
            voice.keep("reading")
            raise OutputError("output: it is another run's")

    with pytest.raises(OutputError):
        ended()
    assert capsys.readouterr() == ("", ""), "whoever catches it says it"
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == ["reading", "output: it is another run's [output]"]


def test_the_first_word_needs_nothing_that_is_slow(tmp_path: Path) -> None:
    """It is said before torch, pydicom and yaml are imported; what comes then may be an error."""
    (tmp_path / "a").write_bytes(b"")
    script = (
        "import sys, typer\n"
        "real = typer.echo\n"
        "def heard(text, **how):\n"
        "    real(text, **how); real(str({'torch', 'pydicom', 'yaml', 'rich.progress'} & set(sys.modules)))\n"
        "    raise SystemExit(0)\n"
        "typer.echo = heard\n"
        f"sys.argv = ['medaug', 'plan', {str(tmp_path)!r}, '-a', 'none']\n"
        "from medaug.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stderr, done.stdout) == ("reading 1 file…\n", "set()\n")


def test_files_are_counted_and_times_have_two_units(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a", "b", "deep/c"):
        (tmp_path / name).write_bytes(b"")
    assert files_in(tmp_path) == "3 files"
    assert files_in(tmp_path / "a") == "1 file"
    assert [duration(x) for x in (59.4, 200, 7300)] == ["59 s", "3 min 20 s", "2 h 1 min"]
