from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from medaug.dicom.read.interpretation import (
    padding_of,
    pixel_aspect,
    plane_spacing,
    rescale_of,
    unknown_spacing,
    unused_windows,
    windows_of,
)
from medaug.errors import ReadError
from medaug.imaging.volume import Rescale, Window
from medaug.processes.quiet import quiet


def header(*, signed: bool = False, stored: int = 16, allocated: int = 16, **values: object) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.set_original_encoding(False, True, None)
    ds.PixelRepresentation, ds.BitsStored, ds.BitsAllocated = int(signed), stored, allocated
    with quiet():
        for keyword, value in values.items():
            setattr(ds, keyword, value)
    return ds


def lut(first: int, table: list[int], vr: str = "US") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", vr, [len(table), first, 16])
    item.add_new("LUTData", "US", table)
    return item


@pytest.mark.parametrize(
    ("values", "window"),
    [
        ({}, None),
        ({"WindowCenter": 40, "WindowWidth": 400}, Window(39.5, 399)),  # LINEAR: PS3.3 C.11.2.1.2.1
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"}, Window(40, 400)),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"}, Window(40, 800)),
        ({"WindowCenter": [50, 500], "WindowWidth": [100, 1000]}, Window(49.5, 99)),  # the first
        ({"WindowCenter": 40, "WindowWidth": 1}, None),  # black and white: written where none is known
        ({"WindowCenter": [0, 40], "WindowWidth": [1, 401]}, Window(39.5, 400)),
        ({"WindowCenter": 0.5, "WindowWidth": 1, "RescaleSlope": 0.001}, Window(0.5, 1)),  # a thousand steps
        ({"WindowCenter": 40, "WindowWidth": 5, "RescaleSlope": 10}, None),
        ({"WindowCenter": 40, "WindowWidth": 0}, None),
        ({"WindowCenter": 40}, None),
        ({"VOILUTSequence": [lut(100, [0, 0, 5, 9, 9])]}, Window.spanning(101, 103)),
        ({"VOILUTSequence": [lut(100, [7, 7, 7])]}, None),
        ({"VOILUTSequence": [lut(-1000, [0, 1, 2], "SS")], "RescaleIntercept": -1024}, Window.spanning(-1000, -998)),
        (
            {"VOILUTSequence": [lut(64536, [0, 1, 2])], "RescaleIntercept": -1024, "RescaleSlope": 0.5},
            Window.spanning(-1000, -998),
        ),
        ({"VOILUTSequence": [lut(0, [0, 9])], "WindowCenter": 40, "WindowWidth": 400}, Window(39.5, 399)),
    ],
)
def test_windows(values: dict[str, object], window: Window | None) -> None:
    assert next(iter(windows_of(header(**values))), None) == window


def test_windows_without_grey_levels_are_named() -> None:
    ds = header(WindowCenter=[0, 40, 7], WindowWidth=[1, 400, 0])
    assert unused_windows(ds) == ("0/1",)
    assert unused_windows(header(WindowCenter=0, WindowWidth=1, RescaleSlope=0.01)) == ()


def test_the_linear_function_of_the_standard_is_met() -> None:
    center, width = 40.0, 400.0
    (window,) = windows_of(header(WindowCenter=center, WindowWidth=width))
    x = np.arange(-300, 400, dtype=float)
    standard = np.clip((x - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
    np.testing.assert_allclose(np.clip((x - window.low) / (window.high - window.low), 0, 1), standard)
    exact = Window(center, width)
    assert np.abs(np.clip((x - exact.low) / (exact.high - exact.low), 0, 1) - standard).max() > 1e-3


@pytest.mark.parametrize(
    ("values", "rescale"),
    [
        ({}, Rescale()),
        ({"RescaleSlope": "0.5", "RescaleIntercept": "-7"}, Rescale(0.5, -7)),
        ({"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}, Rescale(1, -1024, "HU")),
        ({"Modality": "CT"}, Rescale()),
        ({"Modality": "DX", "RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "OD"}, Rescale(1, 0, "OD")),
    ],
)
def test_rescale(values: dict[str, object], rescale: Rescale) -> None:
    assert rescale_of(header(**values)) == rescale


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"ModalityLUTSequence": [lut(0, [1, 2, 1])]}, "modality-lut"),
        ({"RescaleSlope": 0}, "bad-value"),
        ({"RescaleSlope": "NaN"}, "bad-value"),
        ({"RescaleIntercept": "Infinity"}, "bad-value"),
    ],
)
def test_rescale_that_can_t_be_undone(values: dict[str, object], code: str) -> None:
    with pytest.raises(ReadError) as caught:
        rescale_of(header(**values))
    assert caught.value.code == code


def padded(value: int, limit: int | None = None, *, vr: str = "SS", **values: object) -> Dataset:
    ds = header(**values)
    ds.add_new("PixelPaddingValue", vr, value)
    if limit is not None:
        ds.add_new("PixelPaddingRangeLimit", vr, limit)
    return ds


@pytest.mark.parametrize(
    ("ds", "padding"),
    [
        (header(), None),
        (padded(-2000, signed=True), (-2000, -2000)),
        (padded(63536, vr="US", signed=True), (-2000, -2000)),  # −2000 with the wrong sign
        (padded(-1, vr="SS"), (65535, 65535)),
        (padded(0, vr="US", stored=12), (0, 0)),
        (padded(10, 0, vr="US"), (0, 10)),  # the limit may lie on either side
        (padded(-2000, -1990, signed=True), (-2000, -1990)),
    ],
)
def test_padding(ds: Dataset, padding: tuple[float, float] | None) -> None:
    assert padding_of(ds) == padding


def test_padding_beyond_the_stored_bits() -> None:
    cells = np.array([5, 63536, 9], np.uint16)
    ds = padded(63536, vr="US", stored=12, PixelData=cells.tobytes())
    with pytest.raises(ReadError, match="lies outside what BitsStored can hold") as caught:
        padding_of(ds)
    assert caught.value.code == "padding-range"
    ds.PixelData = np.array([5, 2096, 9], np.uint16).tobytes()  # 2096 is 63536 with its high bits masked: an image
    assert padding_of(ds) is None
    ds.file_meta.TransferSyntaxUID = RLELossless  # the cells can't be looked at
    with pytest.raises(ReadError):
        padding_of(ds)


@pytest.mark.parametrize(
    ("values", "spacing"),
    [
        ({}, None),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.2, 0.1], "PixelSpacing": [0.18, 0.09]}, (0.18, 0.09)),
        ({"NominalScannedPixelSpacing": [0.3, 0.3]}, (0.3, 0.3)),
    ],
)
def test_spacing_of_a_radiograph(values: dict[str, object], spacing: tuple[float, float] | None) -> None:
    assert plane_spacing(header(**values)) == spacing


@pytest.mark.parametrize("bad", [[0, 0], [0, 0.1], [0.1, -0.1], ["NaN", 0.1], [0.1]])
def test_a_radiograph_s_spacing_that_can_t_be_one_is_unknown(bad: list[object]) -> None:
    ds = header(PixelSpacing=bad)
    assert (plane_spacing(ds), pixel_aspect(ds), unknown_spacing(ds)) == (None, 1, ("PixelSpacing",))
    ds = header(PixelSpacing=bad, ImagerPixelSpacing=[0.2, 0.1])
    assert (plane_spacing(ds), unknown_spacing(ds)) == ((0.2, 0.1), ("PixelSpacing",))
    ds = header(ImagerPixelSpacing=bad, PixelAspectRatio=[2, 1])
    assert (plane_spacing(ds), pixel_aspect(ds), unknown_spacing(ds)) == (None, 2, ("ImagerPixelSpacing",))
    assert unknown_spacing(header(PixelSpacing="", PixelAspectRatio=[0, 1])) == ("PixelAspectRatio",)
