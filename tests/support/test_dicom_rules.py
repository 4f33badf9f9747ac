"""What the validators miss: a derived file has none of it, and each, done to one, is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.support import make
from tests.support.annotation_objects import item
from tests.support.dicom_derived import as_volume, ring, written
from tests.support.dicom_edit import edit
from tests.support.dicom_rules import own_faults, read


def with_extremes(ds: Dataset) -> None:
    kind = "SS" if ds.PixelRepresentation else "US"
    ds.add_new("SmallestImagePixelValue", kind, int(ds.pixel_array.min()))
    ds.add_new("LargestImagePixelValue", kind, int(ds.pixel_array.max()))
    ds.IconImageSequence = [item(Rows=1)]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Dataset, Dataset, np.ndarray]:
    """A derived CT slice with padding and extremes, its source, and what may be generated."""
    (path, *_) = make.series(tmp_path / "in", slices=3, padding=-2000)
    edit(path, with_extremes)
    source = as_volume([path])
    changed = ring(source)
    (derived,) = written(source, tmp_path / "out", changed)
    return read(derived), read(path), changed


def test_a_derived_file_has_none_of_it(pair: tuple[Dataset, Dataset, np.ndarray]) -> None:
    assert list(own_faults(*pair)) == []
    assert pair[2].any()


def _maybe(ds: Dataset) -> None:
    ds.SyntheticData = "MAYBE"


def _original(ds: Dataset) -> None:
    ds.ImageType = ["ORIGINAL", *ds.ImageType[1:]]


def _itself(ds: Dataset) -> None:
    ds.SourceImageSequence[0].ReferencedSOPInstanceUID = ds.SOPInstanceUID


def _other_meaning(ds: Dataset) -> None:
    ds.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeMeaning = "Source image"


def _icon(ds: Dataset) -> None:
    ds.IconImageSequence = [Dataset()]


def _signature(ds: Dataset) -> None:
    ds.DigitalSignaturesSequence = [item(MACIDNumber=1)]


def _private(ds: Dataset) -> None:
    ds.SourceImageSequence[0].private_block(0x2005, "X", create=True).add_new(1, "LO", "x")


def _extremes(ds: Dataset) -> None:
    ds.LargestImagePixelValue = int(ds.LargestImagePixelValue) + 1


def _series_extremes(ds: Dataset) -> None:
    ds.add_new("SmallestPixelValueInSeries", "SS", 0)


def _padding(ds: Dataset) -> None:
    pixels = ds.pixel_array.copy()
    pixels[:4] = ds.PixelPaddingValue
    ds.set_pixel_data(pixels, "MONOCHROME2", ds.BitsStored, generate_instance_uid=False)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SmallestImagePixelValue, ds.LargestImagePixelValue = int(pixels.min()), int(pixels.max())


SPOILT = {
    _maybe: "synthetic",
    _original: "image-type",
    _itself: "self-reference",
    _other_meaning: "code-meaning",
    _icon: "icon",
    _signature: "signature",
    _private: "private",
    _extremes: "extremes",
    _series_extremes: "series-extremes",
    _padding: "padding",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__.strip("_"))
def test_each_done_to_a_file_is_seen(
    pair: tuple[Dataset, Dataset, np.ndarray], spoil: Callable[[Dataset], None]
) -> None:
    derived, source, changed = pair
    spoil(derived)
    assert list(own_faults(derived, source, changed)) == [SPOILT[spoil]]


def test_a_uid_of_the_source_is_seen(pair: tuple[Dataset, Dataset, np.ndarray]) -> None:
    derived, source, changed = pair
    derived.SeriesInstanceUID = source.SeriesInstanceUID
    assert list(own_faults(derived, source, changed)) == ["uid"]
