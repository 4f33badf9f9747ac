"""How a run is followed while it goes on: a bar on a terminal, plain lines elsewhere, and a log file on request.

Everything goes to standard error. Lines name units by their keys and files by their number: no name and no path of the
input is said, in a log file neither.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from medaug.cli.console import escaped, say
from medaug.errors import MedaugError, OutputError, counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from medaug.execution.planning.units import Unit
    from medaug.execution.summary import Progress, Stage

MANY_FILES = 100_000  # files after which counting stops: a word is due within a second


class Display(Protocol):
    """Where it is shown."""

    def line(self, text: str, *, detail: bool = False) -> None:
        """Say a sentence; a detail may be left out where a bar tells the same."""

    def at(self, done: float, total: int, what: str) -> None:
        """Say how far it is."""


class Lines:
    """A line for each thing that happened: for files, pipes and job logs."""

    def __init__(self, out: IO[str] | None = None) -> None:
        self._out = out

    def line(self, text: str, *, detail: bool = False) -> None:  # noqa: ARG002 - all is said
        """Say it."""
        say(text, file=self._out, err=self._out is None)

    def at(self, done: float, total: int, what: str) -> None:
        """Nothing: lines tell of units."""


class Bar:
    """A bar with done of total, rate, and a time left that stays; sentences stand above it."""

    def __init__(self, bars: Bars, *, verbose: bool) -> None:
        self._bars, self._verbose = bars, verbose
        self._task = bars.add_task("", total=None, visible=False)
        self._what = ""

    def line(self, text: str, *, detail: bool = False) -> None:
        """Say it above the bar."""
        if self._verbose or not detail:
            self._bars.console.print(escaped(text), highlight=False, markup=False, soft_wrap=True)

    def at(self, done: float, total: int, what: str) -> None:
        """Move the bar; the rate counts from where this call began."""
        if what != self._what:
            self._what = what
            self._bars.remove_task(self._task)  # a new one: of this the columns keep the time left for half a second
            self._task = self._bars.add_task(what, total=total, completed=int(done))
        self._bars.update(self._task, completed=done, total=total)


class Silent:
    """Nothing but errors and the summary."""

    def line(self, text: str, *, detail: bool = False) -> None:
        """Nothing."""

    def at(self, done: float, total: int, what: str) -> None:
        """Nothing."""


class Log:
    """Lines with their time, in a file."""

    def __init__(self, out: IO[str]) -> None:
        self._lines = Lines(out)

    def line(self, text: str, *, detail: bool = False) -> None:
        """Write it."""
        self._lines.line(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}", detail=detail)

    def at(self, done: float, total: int, what: str) -> None:
        """Nothing: lines tell of units."""


@dataclass
class Voice:
    """Tells the displays how a run goes.

    Attributes:
        displays: where it is said.
        steps: whether steps inside a unit are asked for: where there is a bar.
    """

    displays: tuple[Display, ...]
    steps: bool = False
    _done: int = field(default=0, init=False)
    _total: int = field(default=0, init=False)
    _under_way: dict[str, float] = field(default_factory=dict, init=False)

    def say(self, text: str, *, detail: bool = False) -> None:
        """A sentence on every display."""
        for display in self.displays:
            display.line(text, detail=detail)

    def keep(self, text: str) -> None:
        """A sentence for the log alone: on the screen it is said elsewhere."""
        for display in self.displays:
            if isinstance(display, Log):
                display.line(text)

    def stage(self, stage: Stage) -> None:
        """The prior is to be loaded, or units begin."""
        if stage.name == "prior":
            self.say("loading the prior…")
        else:
            self._done, self._total = stage.done, stage.total
            self.say(f"{counted(stage.total, 'unit')}, {stage.done} of them done before", detail=True)
            self._move()

    def reading(self, done: int, total: int) -> None:
        """So many of the sources are read."""
        self._at(done, total, "reading")

    def solving(self, done: int, total: int) -> None:
        """So many sources of a preview are done."""
        self._at(done, total, "solving")

    def progress(self, progress: Progress) -> None:
        """A unit is done."""
        record = progress.record
        self._under_way.pop(record.unit, None)
        self._done, self._total = progress.before + progress.done, progress.before + progress.total
        written = record.status == "written"
        what = record.status if written else f"{record.status} ({record.code}): {record.message}"
        left = f", {duration(progress.eta_seconds)} left"
        self.say(f"[{self._done}/{self._total}] {record.unit[:12]} {what}{left}", detail=written)
        self._move()

    def step(self, unit: Unit, step: int, steps: int) -> None:
        """A step of a unit is done."""
        self._under_way[unit.recipe.id] = step / steps
        self._move()

    def _move(self) -> None:
        self._at(min(self._done + sum(self._under_way.values()), self._total), self._total, "solving")

    def _at(self, done: float, total: int, what: str) -> None:
        for display in self.displays:
            display.at(done, total, what)


@contextmanager
def following(*, quiet: bool = False, verbose: bool = False, log_file: Path | None = None) -> Iterator[Voice]:
    """A voice for one run: a bar on a terminal, lines elsewhere; nothing where quiet.

    What ends the run by an error of medaug's own stands in the log, too.

    Raises:
        OutputError: the log file can't be written.
    """
    with _log(log_file) as log, ExitStack() as stack:
        logs: tuple[Display, ...] = () if log is None else (Log(log),)
        if quiet:
            voice = Voice((Silent(), *logs))
        elif not sys.stderr.isatty():
            voice = Voice((Lines(), *logs))
        else:
            shown = stack.enter_context(bars())
            voice = Voice((Bar(shown, verbose=verbose), *logs), steps=True)
        try:
            yield voice
        except MedaugError as error:
            voice.keep(f"{error} [{error.code}]")
            raise


def bars(out: IO[str] | None = None) -> Bars:
    """The bar's columns; on standard error unless another stream is given, which then counts as a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft
    from rich.text import Text

    class Count(MofNCompleteColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{int(task.completed)}/{int(task.total or 0)}")

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{60 * task.speed:.1f} a minute" if task.speed else "")

    console = Console(file=out, force_terminal=True, width=100) if out else Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), Count(), Rate(), TimeLeft(), TextColumn("left"))
    return Progress(*columns, console=console, speed_estimate_period=600, transient=True)


def files_in(folder: Path) -> str:
    """How many files there are to read, in words; counting stops at `MANY_FILES`."""
    if not folder.is_dir():
        return "1 file"
    count = 0
    for _, _, files in os.walk(folder):
        count += len(files)
        if count > MANY_FILES:
            return f"more than {MANY_FILES} files"
    return counted(count, "file")


def duration(seconds: float) -> str:
    """In the two units that matter, such as ``3 min 20 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def _log(path: Path | None) -> Iterator[IO[str] | None]:
    if path is None:
        yield None
        return
    try:
        stream = path.open("a", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"log file: it can't be written ({error.strerror}); check --log-file") from None
    with stream:
        yield stream
