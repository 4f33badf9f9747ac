"""The process in which codecs run: ``python -m … MEMORY``. Tasks come on standard input, cells go to standard output.

What it is asked and answers, see `processes.serving`: facts and a codestream or file, facts and cells.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array

from medaug.dicom.read import jpeg12
from medaug.processes.quiet import quiet
from medaug.processes.serving import limit_memory, serve


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
    ds.Rows, ds.Columns, ds.SamplesPerPixel = facts["rows"], facts["columns"], facts["samples"]
    colour = facts["samples"] > 1
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = facts["allocated"], facts["stored"], facts["stored"] - 1
    ds.PixelRepresentation, ds.PhotometricInterpretation = facts["signed"], facts["photometric"]
    ds.PixelData = encapsulate([codestream], has_bot=False)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    with quiet():
        cells = pixel_array(ds, raw=not colour, index=0, decoding_plugin=facts["plugin"])  # colour: to RGB
    if cells.shape != (ds.Rows, ds.Columns, *((3,) if colour else ())):
        raise ValueError("shape")
    return cells.astype(np.dtype(f"u{ds.BitsAllocated // 8}"), copy=False).tobytes()


TASKS = {"frame": _frame, "raster": _raster, "segmentation": _segmentation}


def main(memory: int) -> None:
    """Answer until there is nothing more to answer."""
    limit_memory(memory)
    serve(TASKS)


if __name__ == "__main__":
    main(int(sys.argv[1]))
