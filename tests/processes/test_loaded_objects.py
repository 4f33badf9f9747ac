"""What a process has loaded stays, and what it drops later is still found."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, weakref
from medaug.processes.loaded_objects import keep_loaded_objects

class Ring:
    def __init__(self):
        self.me = self

gc.disable()
before = weakref.ref(Ring())
assert before() and not gc.get_freeze_count()
keep_loaded_objects()
assert before() is None, "what was garbage then is gone"
assert gc.get_freeze_count() > 1000 > len(gc.get_objects())
after = weakref.ref(Ring())
gc.collect()
assert after() is None
"""


def test_what_is_loaded_is_looked_at_no_more_and_garbage_is_found() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
