from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from medaug.errors import OutputError
from medaug.execution.planning.units import Queue, units_of
from medaug.storage.disk_map import DiskMap, Reiterable, among
from tests.support import null
from tests.support.paths import ROOT

GROWTH = """
import os
from pathlib import Path
from medaug.storage import disk_map
from medaug.execution.output.lists import listing_of
from medaug.execution.planning.units import Queue, units_of
from tests.support import null

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

def once(count, keep):
    units = units_of(null.unit(number) for number in range(count))
    listing, queue = listing_of(units), Queue(units)
    assert len(listing.units) == count
    if keep:
        held.append(list(units))
    while queue:
        queue.take(16)

def grown(few, many, keep):
    once(few, keep)
    before = peak()
    once(many, keep)
    print((peak() - before) / (many - few), flush=True)

held = []
disk_map.CACHE_KIB = 64  # of a fixed size, and so full after a few thousand
if not os.fork():  # its peak is its own
    grown(500, 2000, keep=True)
    os._exit(0)
os.wait()
grown(5000, 13000, keep=False)
"""


def test_a_shelf_is_a_dictionary_in_the_order_of_its_keys() -> None:
    held = DiskMap([("b", (1, "x")), ("a", (2, "y"))])
    held["c"] = (3, "z")
    held["b"] = (4, "ä")
    assert list(held) == ["a", "b", "c"]
    assert list(held.items()) == [("a", (2, "y")), ("b", (4, "ä")), ("c", (3, "z"))]
    assert list(held.values()) == [value for _, value in held.items()]
    assert (held.get("b"), held.get("d"), "a" in held, "d" in held, len(held)) == ((4, "ä"), None, True, False, 3)
    assert list(DiskMap.of(["ä", "z", "b", "z"])) == sorted({"ä", "z", "b"}, key=str.encode)


def test_two_can_go_through_a_shelf_at_once() -> None:
    held = DiskMap.of(map(str, range(3)))
    assert [(a, b) for a in held for b in held] == [(a, b) for a in "012" for b in "012"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_the_file_of_a_shelf_is_gone_with_it() -> None:
    """Without waiting for the collector of cycles, which may not come for hours."""

    def filled() -> DiskMap[bytes]:
        return DiskMap((f"{number:06}", bytes(1000)) for number in range(5000))  # more than its cache holds

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    gc.disable()
    try:
        held = filled()
        assert open_files() == before + 1
        del held
        assert open_files() == before
        assert sum(map(len, filled().values())) == 5_000_000  # an iteration keeps it that long
        assert open_files() == before
    finally:
        gc.enable()


def test_a_full_disk_of_temporary_files_is_one_sentence() -> None:
    held: DiskMap[bytes] = DiskMap()
    held._file.execute("PRAGMA max_page_count = 8")  # as little as a full disk has
    with pytest.raises(OutputError, match=r"TMPDIR: .* make room there"):
        held["key"] = bytes(1 << 20)


def test_again_is_a_sequence_that_is_made_anew() -> None:
    made = []

    def make() -> object:
        made.append(1)
        return iter("abcd")

    again = Reiterable(make)  # type: ignore[arg-type]
    assert (list(again), again[0], again[-1], again[1:3], len(again)) == (["a", "b", "c", "d"], "a", "d", ("b", "c"), 4)
    assert again == tuple("abcd")
    assert again != tuple("abce")
    assert len(made) > 2
    assert again
    assert not Reiterable(lambda: iter(()))
    for index in (4, -5):
        with pytest.raises(IndexError):
            again[index]
    assert list(among(again, str.upper, {"A", "D"})) == ["a", "d"]


def test_units_are_derived_from_their_sources_in_order() -> None:
    units = units_of((null.unit(number) for number in (3, 1)), variants=3)
    assert [(unit.recipe.source, unit.recipe.variant) for unit in units] == [
        (null.unit(number).recipe.source, variant) for number in (3, 1) for variant in range(3)
    ]
    assert len(units) == 6
    assert len({unit.recipe.id for unit in units}) == 6
    assert units[3] == null.unit(1)


def test_what_comes_back_into_a_queue_is_given_out_last_and_nothing_is_lost() -> None:
    units = [null.unit(number) for number in range(5)]
    queue = Queue(units)
    first = queue.take(2)
    queue.back(first)
    assert len(queue) == 5
    assert [*queue.take(4), *queue.take(4)] == [*units[2:], *first]
    assert not queue
    assert queue.take(1) == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_units_take_no_memory_each() -> None:
    """The twin that keeps them in a list shows that the figure can be seen."""
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True, cwd=ROOT)
    kept, streamed = map(float, done.stdout.split())
    assert streamed < 64 < kept
