from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from medaug.audit.stored_pixels import decoded
from medaug.dicom.read import jpeg12
from medaug.dicom.read.decode import PACKAGES, PLUGINS
from medaug.dicom.read.parse import instance
from medaug.errors import ReadError
from medaug.processes.quiet import quiet
from tests.support import make
from tests.support.dicom_edit import edit, load


def rewrite(path: Path, syntax: UID) -> None:
    ds = pydicom.dcmread(path)
    if syntax.is_encapsulated:
        ds.compress(syntax, generate_instance_uid=False)
        ds.save_as(path)
        return
    plain = Dataset()
    plain.update(ds)
    plain.file_meta = ds.file_meta
    plain.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:  # pydicom swaps numbers, but not the words of OW
        plain.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
    plain.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
    ],
    ids=lambda syntax: syntax.name,
)
@pytest.mark.parametrize("modality", ["CR", "CT"])
def test_every_lossless_syntax_gives_the_same_integers(tmp_path: Path, syntax: UID, modality: str) -> None:
    path = make.radiograph(tmp_path) if modality == "CR" else make.series(tmp_path, slices=1, padding=-2000)[0]
    plain = load(tmp_path)
    rewrite(path, syntax)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    coded = load(tmp_path)
    np.testing.assert_array_equal(coded.stored, plain.stored)
    assert coded.stored.dtype == plain.stored.dtype
    assert coded.stored.dtype.isnative
    assert coded.padding == plain.padding
    assert coded.source.sha256 != plain.source.sha256  # the file is another one


def cells(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Dataset], None]:
    def apply(ds: Dataset) -> None:
        ds.PixelData = change(np.frombuffer(ds.PixelData, np.uint16)).tobytes()

    return apply


def test_an_overlay_in_the_high_bits_is_masked(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path, bits=12)
    plain = load(tmp_path)
    edit(path, cells(lambda a: a | np.where(np.arange(a.size) % 3 == 0, 0xF000, 0).astype(np.uint16)))
    np.testing.assert_array_equal(load(tmp_path).stored, plain.stored)
    edit(path, cells(lambda a: a ^ 1))
    assert (load(tmp_path).stored != plain.stored).all()


@pytest.mark.parametrize("garbage", [0x0000, 0xF000, 0xA000])
def test_the_sign_is_extended_over_the_high_bits(tmp_path: Path, garbage: int) -> None:
    path = make.series(tmp_path, slices=1, rows=64, columns=64)[0]
    values = np.arange(-2048, 2048, dtype=np.int16)
    raw = (values.view(np.uint16) & 0x0FFF) | garbage
    edit(path, cells(lambda _: raw), BitsStored=12, HighBit=11)
    volume = load(tmp_path)
    assert volume.stored_range == (-2048, 2047)
    np.testing.assert_array_equal(volume.stored.ravel(), values)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (6, np.uint8), (10, np.uint16), (16, np.uint16)])
def test_the_native_type_is_kept(tmp_path: Path, bits: int, dtype: type) -> None:
    make.radiograph(tmp_path, bits=bits, rows=33, columns=31)  # an odd number of bytes is padded
    volume = load(tmp_path)
    assert volume.stored.dtype == dtype
    assert volume.stored_range == (0, 2**bits - 1)
    assert volume.stored.max() <= 2**bits - 1


def declare(syntax: UID) -> Callable[[Dataset], None]:
    def apply(ds: Dataset) -> None:
        with quiet():
            ds.file_meta.TransferSyntaxUID = syntax
            ds.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(30)])
            ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True

    return apply


@pytest.mark.parametrize("syntax", [JPEGExtended12Bit, "1.2.840.10008.1.2.4.55"])
def test_lossy_jpeg_of_12_bits_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str
) -> None:
    edit(make.radiograph(tmp_path), declare(UID(syntax)))
    with pytest.raises(ReadError) as caught:
        load(tmp_path)
    assert caught.value.code == "pixels"
    monkeypatch.setattr(jpeg12, "available", lambda: False)
    with pytest.raises(ReadError, match="install python-gdcm") as caught:
        load(tmp_path)
    assert caught.value.code == "codec"


def test_lossy_jpeg_of_12_bits_is_what_another_reader_finds() -> None:
    path = Path(pydicom.data.get_testdata_file("JPEG-lossy.dcm", download=False))
    read = instance(path)
    assert (read.dataset.file_meta.TransferSyntaxUID, read.dataset.BitsStored) == (JPEGExtended12Bit, 12)
    found = decoded(read)
    other = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
    np.testing.assert_array_equal(found, other.reshape(found.shape))
    assert found.max() > 255  # 8 bits would not do


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.52", "1.2.840.10008.1.2.4.100"])
def test_a_syntax_without_a_decoder(tmp_path: Path, syntax: str) -> None:
    edit(make.radiograph(tmp_path), declare(UID(syntax)))
    with pytest.raises(ReadError, match=f"no decoder for transfer syntax {syntax}") as caught:
        load(tmp_path)
    assert caught.value.code == "codec"


def test_a_missing_decoder_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(make.radiograph(tmp_path), declare(HTJ2KLossless))
    monkeypatch.setitem(PLUGINS, HTJ2KLossless, ("pillow",))  # Pillow can't, wherever it is installed
    with pytest.raises(ReadError, match="install pillow") as caught:
        load(tmp_path)
    assert caught.value.code == "codec"


def test_every_plugin_has_a_package_and_every_syntax_a_plugin() -> None:
    assert {plugin for plugins in PLUGINS.values() for plugin in plugins} <= set(PACKAGES)
    for syntax, plugins in PLUGINS.items():
        decoder = pydicom.pixels.get_decoder(UID(syntax))
        known = {*decoder.available_plugins, *(text.split(" ")[0] for text in decoder.missing_dependencies)}
        assert known >= set(plugins), UID(syntax).name


def test_jpeg_2000_is_read(tmp_path: Path) -> None:
    source = pydicom.data.get_testdata_file("JPEG2000.dcm", read=True)
    assert source.file_meta.TransferSyntaxUID.startswith(JPEG2000Lossless[:-1])
    source.save_as(tmp_path / "a")
    with quiet():
        edit(tmp_path / "a", SOPClassUID=make.SOP_CLASSES["CR"], Modality="CR")
    assert load(tmp_path).stored.shape == (1, source.Rows, source.Columns)


@pytest.mark.parametrize("at", [0, 4, 8, 70])
def test_damaged_run_lengths_are_refused(tmp_path: Path, at: int) -> None:
    path = make.radiograph(tmp_path, rows=16, columns=16)
    rewrite(path, RLELossless)

    def damage(ds: Dataset) -> None:
        frame = bytearray(next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1)))
        frame[at : at + 4] = b"\xff" * 4
        ds.PixelData = pydicom.encaps.encapsulate([bytes(frame)])

    plain = load(tmp_path).stored
    edit(path, damage)
    try:
        assert (load(tmp_path).stored != plain).any()  # damage inside a run can't be seen
    except ReadError as error:
        assert error.code == "pixels"  # noqa: PT017 - either way it does not crash
