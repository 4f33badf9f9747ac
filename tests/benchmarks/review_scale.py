"""What `medaug review` takes for many variants: seconds to its address, to the first picture, a decision; memory.

    python tests/benchmarks/review_scale.py 5000

With Chromium and Playwright at hand, the first picture is that of a browser. Variants are copies of one record, 60 of
them with a picture; nothing of the figures hangs on the others' files, which are read when somebody looks at them.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from medaug.review.catalogue import catalogue
from tests.support import reviews

DECISIONS = 40


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = reviews.thousands(Path(folder) / "out", count)
        entries = catalogue(output)
        began = time.perf_counter()
        command = [sys.executable, "-u", "-m", "medaug", "review", str(output)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            place = re.search(r"http://\S+", server.stdout.readline())
            assert place
            print(f"{count} variants: address after {time.perf_counter() - began:.2f} s")
            print(f"gallery's first page and picture: {first_page(place[0], entries[0].unit):.3f} s")
            times = [decision(place[0], one) for one in entries[:DECISIONS]]
            print(f"a decision: median {1000 * statistics.median(times):.0f} ms, most {1000 * max(times):.0f} ms")
            print(f"in a browser, from address to first picture: {in_browser(place[0])}")
            print(f"memory at most: {memory(server.pid)} MB")
            server.terminate()


def first_page(place: str, unit: str) -> float:
    began = time.perf_counter()
    for path in (
        "",
        "main.js",
        "api/start?reader=Ada",
        "api/variants?reader=Ada&limit=60",
        f"preview/{unit}/result.png",
    ):
        ask(place, path)
    return time.perf_counter() - began


def decision(place: str, one: Any) -> float:
    began = time.perf_counter()
    ask(
        place,
        "api/decisions",
        {"unit": one.unit, "seen": one.seen, "verdict": "accepted", "reader": "Ada", "reason": ""},
    )
    return time.perf_counter() - began


def ask(place: str, path: str, data: object = None) -> bytes:
    request = urllib.request.Request(place + path, None if data is None else json.dumps(data).encode())
    request.add_header("Origin", place.rsplit("/", 2)[0])
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def in_browser(place: str) -> str:
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        return "not taken, no Chromium or no Playwright"
    with sync_playwright() as play:
        page = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        began = time.perf_counter()
        page.goto(place)
        page.fill("#reader", "Ada")
        page.click("text=Begin")
        page.wait_for_function(
            "() => [...document.querySelectorAll('.gallery img')].some((one) => one.naturalWidth > 0)"
        )
        return f"{time.perf_counter() - began:.2f} s"


def memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return round(int(found[1]) / 1000)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
