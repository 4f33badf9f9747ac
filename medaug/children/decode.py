"""The process in which codecs run: ``python -m … MEMORY``. Tasks come on standard input, cells go to standard output.

Asked: two lengths, facts as JSON, a codestream or file. Answered: two lengths, facts as JSON, the cells; the facts are
``error``, the name of what was raised, or ``refused``, a code and its sentence, where there are no cells. It ends when
its input ends.
"""

from __future__ import annotations

import io
import json
import signal
import struct
import sys
from typing import IO, Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array

from medaug.dicom.read import jpeg12
from medaug.errors import ReadError
from medaug.processes.child import exactly, silenced
from medaug.processes.quiet import quiet

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]


def main(memory: int) -> None:
    """Answer until there is nothing more to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    answers = silenced()
    _limit_memory(memory)
    asked = sys.stdin.buffer
    while head := asked.read(12):
        lengths = struct.unpack("<IQ", head)
        facts = json.loads(exactly(asked, lengths[0]))
        data = bytes(exactly(asked, lengths[1]))
        _limit_time(facts["seconds"])
        _answer(answers, facts, data)


def _answer(answers: IO[bytes], facts: dict[str, Any], data: bytes) -> None:
    said: dict[str, Any] = {}
    cells = b""
    try:
        said, cells = TASKS[facts["task"]](facts, data)
    except ReadError as error:
        said = {"refused": [error.code, str(error)]}
    except Exception as error:  # noqa: BLE001 - decoders raise anything; the parent says it in its own words
        said = {"error": type(error).__name__}
    text = json.dumps(said).encode()
    answers.write(struct.pack("<IQ", len(text), len(cells)) + text)
    answers.write(cells)
    answers.flush()


def _raster(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    from medaug.formats.raster import taken

    stored, converted, nameless = taken(facts["kind"], data)
    said = {"shape": stored.shape, "bytes": stored.dtype.itemsize, "converted": converted, "nameless": nameless}
    return said, stored.tobytes()


def _segmentation(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    with quiet():
        pixels = dcmread(io.BytesIO(data)).pixel_array
    if pixels.dtype.kind != "u" or pixels.size != facts["voxels"]:
        raise ValueError("shape")
    return {"bytes": pixels.dtype.itemsize}, pixels.tobytes()


def _frame(facts: dict[str, Any], codestream: bytes) -> tuple[dict[str, Any], bytes]:
    return {}, _cells(facts, codestream)


def _cells(facts: dict[str, Any], codestream: bytes) -> bytes:
    if facts["plugin"] == jpeg12.PLUGIN:
        size, bits = (facts["rows"], facts["columns"]), (facts["allocated"], facts["stored"])
        return jpeg12.cells(codestream, facts["syntax"], size, bits, facts["photometric"])
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = facts["syntax"]
    ds.Rows, ds.Columns, ds.SamplesPerPixel = facts["rows"], facts["columns"], 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = facts["allocated"], facts["stored"], facts["stored"] - 1
    ds.PixelRepresentation, ds.PhotometricInterpretation = facts["signed"], facts["photometric"]
    ds.PixelData = encapsulate([codestream], has_bot=False)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    with quiet():
        cells = pixel_array(ds, raw=True, index=0, decoding_plugin=facts["plugin"])
    if cells.shape != (ds.Rows, ds.Columns):
        raise ValueError("shape")
    return cells.astype(np.dtype(f"u{ds.BitsAllocated // 8}"), copy=False).tobytes()


TASKS = {"frame": _frame, "raster": _raster, "segmentation": _segmentation}


def _limit_memory(over: int) -> None:
    """Address space over what the imports take; no file, no core."""
    if resource is None or not sys.platform.startswith("linux"):
        return
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of the input
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + over, now + over))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: float) -> None:
    """Whole seconds of this process from now on; beyond them the kernel ends it."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
