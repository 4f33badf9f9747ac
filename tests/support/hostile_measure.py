"""Commands in this process, one after the other, each with its time and its peak of memory: python -m … SPECIFICATION.

The specification is a JSON list of argument lists; the answer, on standard output, a JSON list of `Measured`. The
peak is this process's over what it held before, and the sum of its children's.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 1024
HELD = 200 * MIB  # KiB that the process of codecs may hold at the start; where the last file left it with more, another


@dataclass(frozen=True)
class Measured:
    """What a command did.

    Attributes:
        code: exit code.
        console: everything that it said.
        wall: seconds.
        cpu: seconds of this process, and of the one that reads annotations.
        peak: MiB over the baseline, children included.
    """

    code: int
    console: str
    wall: float
    cpu: float
    peak: float


def measured(arguments: Sequence[str]) -> Measured:
    """Run one command of medaug."""
    from medaug.annotations import bounded
    from medaug.cli import main
    from medaug.processes import decoder

    if _kib(str(decoder._running().process.pid), "VmRSS") > HELD:
        decoder._drop()
    reader, codecs = (str(kept.running().process.pid) for kept in (bounded._CHILD, decoder._CHILD))
    held, spent = _kib(reader, "VmRSS") + _kib(codecs, "VmRSS"), _seconds(reader)
    for kept in (reader, codecs):  # it is over what they hold already that they are measured
        Path(f"/proc/{kept}/clear_refs").write_text("5")
    console, code = io.StringIO(), 0
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    before, wall, cpu = _kib("self", "VmRSS"), time.perf_counter(), time.process_time()
    with _watched() as children, contextlib.redirect_stdout(console), contextlib.redirect_stderr(console):
        sys.argv = ["medaug", *arguments]
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = _kib("self", "VmHWM") - before + sum(children.values())
    left = _seconds(reader)  # none where it was ended
    return Measured(code, console.getvalue(), wall, cpu + max(0.0, left - spent), max(0, peak - held) / MIB)


@contextlib.contextmanager
def _watched() -> Iterator[dict[str, int]]:
    """The peak of every child that lives long enough to be seen, by its number."""
    peaks: dict[str, int] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            look()

    def look() -> None:
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):
                for child in (task / "children").read_text().split():
                    peaks[child] = max(peaks.get(child, 0), _kib(child, "VmHWM"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()
        look()


def _seconds(process: str) -> float:
    """Of processor time."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _kib(process: str, field: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0


if __name__ == "__main__":
    from tests.support.command_line import commands_built_once

    specification, answer = map(Path, sys.argv[1:])
    with commands_built_once():
        found = [asdict(measured(arguments)) for arguments in json.loads(specification.read_text())]
    answer.write_text(json.dumps(found))
