"""What takes too long is left, whatever it is in the middle of; nothing else is."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from medaug.errors import SourceError
from medaug.processes.time_limit import TIME_LIMIT, limited


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    values = np.zeros(1000)
    while time.thread_time() < until:
        with suppress(Exception):  # as readers do: the limit is no error of theirs
            values += 1


def wait(seconds: float) -> None:
    for _ in range(round(seconds * 100)):
        time.sleep(0.01)


def test_a_loop_is_left_with_a_sentence() -> None:
    started = time.thread_time()
    with (
        pytest.raises(SourceError, match="reading it takes more than the 0 s of the processor") as caught,
        limited(0.2, "reading it"),
    ):
        spin(30)
    assert caught.value.code == TIME_LIMIT
    assert 0.15 < time.thread_time() - started < 5


def test_what_swallows_the_limit_is_left_all_the_same() -> None:
    """As a library's ``__del__`` or callback would: whoever waited for what was raised would wait for ever."""
    with pytest.raises(SourceError, match="more than the 0 s"), limited(0.1, "it"), suppress(BaseException):
        spin(30)


def test_what_is_in_time_goes_on_and_nothing_comes_after_it() -> None:
    with limited(0.2, "it"):
        spin(0.02)
    spin(0.4)
    with pytest.raises(KeyError), limited(0.2, "it"):
        raise KeyError
    spin(0.4)


def test_waiting_isnt_working() -> None:
    """On a busy machine a thread waits: ten times as long is allowed."""
    with limited(0.2, "it"):
        time.sleep(0.6)
    with pytest.raises(SourceError), limited(0.05, "it"):
        wait(2.0)


def test_only_the_thread_itself_is_left() -> None:
    ended: list[str] = []

    def other() -> None:
        spin(0.5)
        ended.append("whole")

    thread = threading.Thread(target=other)
    thread.start()
    with pytest.raises(SourceError), limited(0.1, "it"):
        spin(30)
    thread.join()
    assert ended == ["whole"]
