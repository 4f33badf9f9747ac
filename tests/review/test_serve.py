"""`medaug review` as a process: it says its address, answers there, and ends with Ctrl-C and with its lists written."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from medaug.audit.decisions import seen_digest
from medaug.cli import app
from medaug.review.serve import HOST, listening
from tests.support import reviews
from tests.support.reviews import variant


def asked(address: str, data: object = None, origin: str = "") -> Any:
    request = urllib.request.Request(address, None if data is None else json.dumps(data).encode())
    if origin:
        request.add_header("Origin", origin)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_page_is_served_until_it_is_stopped_and_then_the_lists_are_written(tmp_path: Path, number: int) -> None:
    records = [variant(n) for n in range(3)]
    output = reviews.many(tmp_path / "out", records)
    command = [sys.executable, "-u", "-m", "medaug", "review", str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        first = process.stdout.readline()
        address = re.fullmatch(r"3 variants at (http://127\.0\.0\.1:\d+/([\w-]{32,})/)\n", first)
        assert address, first
        origin, place = address[1].rsplit("/", 2)[0], address[1]
        assert b"medaug review" in asked(place)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            asked(f"{origin}/")
        said = {"unit": records[0].unit, "seen": seen_digest(records[0]), "verdict": "rejected", "reader": "Ada"}
        asked(f"{place}api/decisions", {**said, "reason": "label"}, origin)
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(30) == 0, rest
    assert rest.splitlines()[-1] == "1 decision; lists and seal hold them"
    assert address[2] not in rest  # the token stands in no log
    listed = {item["medaug"]["unit"] for item in json.loads((output / "monai.json").read_text())["training"]}
    assert listed == {records[1].unit, records[2].unit}
    assert (output / "seal.json").is_file()


def test_only_this_machine_can_reach_it() -> None:
    with listening(0) as bound:
        assert bound.getsockname()[0] == HOST == "127.0.0.1"


def test_without_its_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "medaug.review.serve", None)
    result = CliRunner().invoke(app, ["review", str(tmp_path)])
    assert "pip install 'medaug[review]'" in str(result.exception)


def test_an_open_connection_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    """A browser keeps its connections for ever."""
    output = reviews.many(tmp_path / "out", [variant(1)])
    command = [sys.executable, "-u", "-m", "medaug", "review", str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        process.stdout.readline()
        with socket.create_connection((HOST, port)) as idle, socket.create_connection((HOST, port)) as asking:
            asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert asking.recv(100).startswith(b"HTTP/1.1 421")
            idle.sendall(b"GET / HT")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, process.stdout.read()
