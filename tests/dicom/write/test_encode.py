from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medaug.dicom.write import encode
from medaug.dicom.write.encode import CODECS, OutputSyntax
from medaug.errors import WriteError
from medaug.profile.load import profile_schema
from tests.support import make
from tests.support.dicom_derived import as_volume, ring, variant_of, written
from tests.support.dicom_validators import dciodvfy, errors

SYNTAXES = {
    "jpeg2000-lossless": JPEG2000Lossless,
    "jpeg-ls-lossless": JPEGLSLossless,
    "rle-lossless": RLELossless,
}
SOURCES: dict[str, Callable[[Path], tuple[Path, ...]]] = {
    "8 bit, odd size, MONOCHROME1": lambda folder: (
        make.radiograph(folder, rows=47, columns=33, bits=8, photometric="MONOCHROME1"),
    ),
    "10 bit": lambda folder: (make.radiograph(folder, bits=10),),
    "16 bit": lambda folder: (make.radiograph(folder, bits=16),),
    "signed 16 bit with padding": lambda folder: make.series(folder, slices=2, padding=-2000),
}


def test_a_profile_offers_what_can_be_written() -> None:
    assert set(get_args(OutputSyntax)) == set(CODECS)
    assert set(profile_schema()["properties"]["output_syntax"]["enum"]) == set(CODECS)
    assert not any(codec.syntax.name.endswith("Near-Lossless") for codec in CODECS.values())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_nothing_is_lost(tmp_path: Path, source: str, syntax: OutputSyntax) -> None:
    volume = as_volume(SOURCES[source](tmp_path / "in"))
    variant = variant_of(volume, ring(volume))
    for k, path in enumerate(written(volume, tmp_path / "out", syntax=syntax)):
        ds = pydicom.dcmread(path)
        assert ds.file_meta.TransferSyntaxUID == SYNTAXES[syntax]
        np.testing.assert_array_equal(ds.pixel_array, variant.stored[k])
        assert ds.get("LossyImageCompression", "00") == "00"
        assert errors(dciodvfy(path)) - errors(dciodvfy(volume.source.files[k])) == set()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, syntax: OutputSyntax) -> None:
    volume = as_volume(SOURCES["10 bit"](tmp_path / "in"))
    first, second = (written(volume, tmp_path / name, syntax=syntax)[0].read_bytes() for name in "ab")
    assert first == second


def test_a_missing_encoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = as_volume(SOURCES["10 bit"](tmp_path / "in"))
    monkeypatch.setitem(CODECS, "rle-lossless", replace(CODECS["rle-lossless"], plugin="absent", package="PACKAGE"))
    with pytest.raises(WriteError, match="install PACKAGE") as caught:
        written(volume, tmp_path / "out", syntax="rle-lossless")
    assert caught.value.code == "codec"
    assert list((tmp_path / "out").iterdir()) == []


def test_an_image_too_small_for_jpeg_2000_is_refused(tmp_path: Path) -> None:
    volume = as_volume([make.radiograph(tmp_path / "in", rows=33, columns=21)])
    with pytest.raises(WriteError, match="choose explicit-le") as caught:
        written(volume, tmp_path / "out", syntax="jpeg2000-lossless")
    assert caught.value.code == "codec"


def test_an_encoder_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise RuntimeError("CANARY")

    volume = as_volume(SOURCES["10 bit"](tmp_path / "in"))
    monkeypatch.setattr(Dataset, "compress", stumble)
    with pytest.raises(WriteError, match=r"rle-lossless \(RuntimeError\)") as caught:
        written(volume, tmp_path / "out", syntax="rle-lossless")
    assert caught.value.code == "codec"


def test_an_encoder_that_loses_something_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = as_volume(SOURCES["10 bit"](tmp_path / "in"))
    honest = encode.put_pixels

    def careless(ds: Dataset, stored: np.ndarray) -> None:
        honest(ds, stored ^ 1)

    monkeypatch.setattr(encode, "put_pixels", careless)
    with pytest.raises(WriteError) as caught:
        written(volume, tmp_path / "out")
    assert caught.value.code == "not-read-back"
    assert list((tmp_path / "out").iterdir()) == []
