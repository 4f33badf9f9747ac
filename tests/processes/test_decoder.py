"""The process in which codecs run: what it may take, and that its death is one image's refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame
from pydicom.uid import RLELossless

from medaug.dicom.read.decode import CodedFrame, decoded
from medaug.errors import ReadError
from medaug.processes import asking, decoder
from tests.support import make

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are Linux's")


@pytest.fixture
def compressed(tmp_path: Path) -> tuple[CodedFrame, bytes, np.ndarray]:
    """A frame, its codestream and its cells."""
    ds = pydicom.dcmread(make.radiograph(tmp_path, rows=40, columns=48))
    cells = ds.pixel_array
    ds.compress(RLELossless, generate_instance_uid=False)
    frame = CodedFrame(str(RLELossless), "pydicom", 40, 48, 16, 12, 0, "MONOCHROME2")
    return frame, get_frame(ds.PixelData, 0, number_of_frames=1), cells


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[asking.Kept]:
    """A child whose codec does what the codestream says; the next test goes on with the one that the last left."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "broken_child.py").write_text(
        "import os, signal, sys, time\n"
        "from medaug.children import decode as child\n"
        "def cells(facts, code):\n"
        "    if code == b'segfault': os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if code == b'spin':\n"
        "        while True: pass\n"
        "    if code == b'memory': bytearray(2 * child_memory)\n"
        "    if code == b'exit': os._exit(3)\n"
        "    if code == b'sleep': time.sleep(60)\n"
        "    if code == b'print': os.write(1, b'x' * 99); print('y'); sys.stderr.write('z')\n"
        "    if code == b'file': open(__file__ + '.left', 'wb', buffering=0).write(b'x')\n"
        "    return plain(facts, facts_code)\n"
        "plain, child._cells, child_memory = child._cells, cells, int(sys.argv[1])\n"
        "facts_code = bytes.fromhex(os.environ['GOOD'])\n"
        "child.main(child_memory)\n"
    )
    child = asking.Kept("broken_child", str(decoder.MEMORY))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield child
    child.drop()


@pytest.fixture
def broken_child(
    kept: asking.Kept, compressed: tuple[CodedFrame, bytes, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, good, _ = compressed
    monkeypatch.setenv("GOOD", good.hex())
    monkeypatch.setattr(decoder, "_CHILD", kept)
    monkeypatch.setattr(decoder, "SECONDS", 0.5)


@pytest.mark.usefixtures("broken_child")
@pytest.mark.parametrize(
    ("codestream", "code"),
    [
        (b"segfault", "decoder-died"),
        (b"exit", "decoder-died"),
        pytest.param(b"spin", "decoder-limits", marks=LINUX),
        pytest.param(b"memory", "decoder-limits", marks=LINUX),
        pytest.param(b"file", "pixels", marks=LINUX),
        (b"sleep", "decoder-limits"),
    ],
)
def test_what_becomes_of_the_child_is_one_refusal(
    compressed: tuple[CodedFrame, bytes, np.ndarray], codestream: bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, good, cells = compressed
    with monkeypatch.context() as patch:
        patch.setattr(asking, "PATIENCE", 2 if codestream == b"sleep" else asking.PATIENCE)
        with pytest.raises(ReadError) as caught:
            decoded(frame, codestream)
    assert caught.value.code == code
    np.testing.assert_array_equal(decoded(frame, good), cells)


@pytest.mark.usefixtures("broken_child")
def test_what_a_codec_prints_is_no_answer_and_reaches_no_console(
    compressed: tuple[CodedFrame, bytes, np.ndarray], capfd: pytest.CaptureFixture[str]
) -> None:
    frame, _, cells = compressed
    np.testing.assert_array_equal(decoded(frame, b"print"), cells)
    assert capfd.readouterr() == ("", "")


def test_the_cells_are_the_decoders_and_can_be_written(compressed: tuple[CodedFrame, bytes, np.ndarray]) -> None:
    frame, good, cells = compressed
    found = decoded(frame, good)
    np.testing.assert_array_equal(found, cells)
    assert found.dtype == np.uint16
    found[0, 0] += 1


def test_a_refusal_leaves_the_child_and_a_death_between_two_images_costs_nothing(
    compressed: tuple[CodedFrame, bytes, np.ndarray],
) -> None:
    frame, good, cells = compressed
    decoded(frame, good)
    child = decoder._running().process
    with pytest.raises(ReadError) as caught:
        decoded(frame, good[: len(good) // 2])
    assert (caught.value.code, decoder._running().process) == ("pixels", child)
    child.send_signal(signal.SIGKILL)
    child.wait()
    np.testing.assert_array_equal(decoded(frame, good), cells)


def test_an_interrupt_leaves_no_half_answer(
    compressed: tuple[CodedFrame, bytes, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, good, cells = compressed
    decoded(frame, good)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(asking, "exactly", interrupted)
        with pytest.raises(KeyboardInterrupt):
            decoded(frame, good)
    np.testing.assert_array_equal(decoded(frame, good), cells)


def test_a_forked_process_has_a_child_of_its_own(compressed: tuple[CodedFrame, bytes, np.ndarray]) -> None:
    frame, good, cells = compressed
    decoded(frame, good)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if np.array_equal(decoded(frame, good), cells) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    np.testing.assert_array_equal(decoded(frame, good), cells)


@LINUX
def test_the_child_ends_with_its_parent() -> None:
    script = (
        "import os; from medaug.processes import decoder\n"
        "print(decoder._running().process.pid, flush=True); os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, text=True)
    pid = int(done.stdout)
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            return
        signal.sigtimedwait([], 0.05)
    raise AssertionError("the child lives on")


def test_more_bytes_may_take_more_time_and_a_small_file_never_more_than_ten_seconds() -> None:
    assert decoder.seconds(2**26, 1_000_000) < 10.5
    assert decoder.seconds(2**26, 40_000_000) > 30


def test_no_more_than_was_asked_for_is_taken(
    compressed: tuple[CodedFrame, bytes, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, good, _ = compressed
    monkeypatch.setattr(asking, "ENDING", 0.1)
    with pytest.raises(ReadError) as caught:
        decoder.ask("frame", asdict(frame), good, pixels=1, most=100)
    assert caught.value.code == "decoder-died"
