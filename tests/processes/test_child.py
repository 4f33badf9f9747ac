"""A child ends with what it is asked, in the middle of a task, too."""

from __future__ import annotations

import subprocess
import sys

PROMPT = 60.0  # seconds after which something that should happen at once didn't
BUSY = """
import sys
from medaug.processes.child import ending_with
asked = ending_with(sys.stdin.buffer)
print(asked.readline(), flush=True)
while True:
    pass
"""


def test_a_child_that_is_busy_ends_when_nobody_asks_any_more() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"x" * 100_000 + b"\n")  # more than a pipe holds
        child.stdin.flush()
        assert len(child.stdout.readline()) > 100_000
        assert child.poll() is None
        child.stdin.close()  # as the system does it for a caller that was killed
        try:
            assert child.wait(PROMPT) == 0
        finally:
            child.kill()
