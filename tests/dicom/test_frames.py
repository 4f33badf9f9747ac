from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    LegacyConvertedEnhancedCTImageStorage,
    RLELossless,
)

from medaug.dicom import fields
from medaug.dicom.frames import PER_FRAME
from medaug.dicom.read import interpretation, parse
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.errors import ReadError
from medaug.imaging.volume import Rescale, Window
from tests.support.dicom_edit import load, only
from tests.support.dicom_multiframe import delimit, enhanced, placed, values
from tests.support.rotations import rotation

OBLIQUE = [tuple(np.concatenate([rotation(seed)[:, 0], rotation(seed)[:, 1]])) for seed in range(3)]


def refused(path: Path) -> str:
    found = discover(path)
    if found.skipped:
        return found.skipped[0].code
    with pytest.raises(ReadError) as caught:
        read_series(found.series[0])
    return caught.value.code


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), *OBLIQUE])
def test_frames_are_sorted_along_the_normal(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    normal = np.cross(orientation[:3], orientation[3:])
    depths = [6.0, 0.0, 9.0, 3.0]
    path = enhanced(tmp_path, [placed(d, normal=normal) for d in depths], orientation=orientation)
    volume = load(tmp_path)
    order = np.argsort(depths)
    np.testing.assert_array_equal(volume.stored, values(4)[order])
    assert volume.source.frames == tuple(order)
    assert volume.source.files == (path,) * 4
    assert len(set(volume.source.instance_uids)) == len(set(volume.source.sha256)) == 1
    np.testing.assert_allclose(volume.geometry.spacing, (3.0, 0.8, 0.9), atol=1e-6)
    np.testing.assert_allclose(volume.geometry.to_world((0, 0, 0)), (-30, -25, -100), atol=1e-6)
    np.testing.assert_allclose(volume.geometry.to_world((3, 0, 0)), [-30, -25, -100] + 9 * normal, atol=1e-6)
    assert only(tmp_path).file_count == 1


def test_rescale_is_per_frame_and_the_window_is_the_middle_frames(tmp_path: Path) -> None:
    own = [
        {
            "PixelValueTransformationSequence": {"RescaleSlope": n + 1, "RescaleIntercept": -n, "RescaleType": "US"},
            "FrameVOILUTSequence": {"WindowCenter": 100 + n, "WindowWidth": 51, "VOILUTFunction": "LINEAR"},
        }
        for n in range(3)
    ]
    enhanced(tmp_path, [placed(3.0 * n, **own[n]) for n in range(3)])
    volume = load(tmp_path)
    assert volume.rescale == tuple(Rescale(n + 1, -n, "US") for n in range(3))
    assert volume.window == Window(100.5, 50)
    np.testing.assert_array_equal(volume.modality[2], values(3)[2] * 3.0 - 2)


def test_what_a_frame_states_wins_over_what_all_share(tmp_path: Path) -> None:
    thin = {"PixelMeasuresSequence": {"PixelSpacing": [0.5, 0.5], "SliceThickness": 1}}
    enhanced(tmp_path, [placed(3.0 * n, **thin) for n in range(2)])
    assert load(tmp_path).geometry.spacing[1:] == (0.5, 0.5)


REPEATS: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    (
        "echoes",
        [{"MREchoSequence": {"EffectiveEchoTime": float(t)}} for t in (15, 90)],
        ["EchoTime 15", "EchoTime 90"],
    ),
    (
        "b",
        [{"MRDiffusionSequence": {"DiffusionBValue": float(b)}} for b in (0, 800)],
        ["DiffusionBValue 0", "DiffusionBValue 800"],
    ),
    (
        "times",
        [{"FrameContentSequence": {"TemporalPositionIndex": t}} for t in (1, 2)],
        ["TemporalPositionIndex 1", "TemporalPositionIndex 2"],
    ),
    (
        "phases",
        [{"CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": float(t)}} for t in (0, 40)],
        ["TriggerTime 0", "TriggerTime 40"],
    ),
]


@pytest.mark.parametrize(("_name", "repeats", "parts"), REPEATS, ids=[r[0] for r in REPEATS])
def test_repeats_become_named_volumes(
    tmp_path: Path, _name: str, repeats: list[dict[str, Any]], parts: list[str]
) -> None:
    enhanced(tmp_path, [placed(3.0 * k, **own) for k in range(3) for own in repeats])
    found = discover(tmp_path)
    assert [series.part for series in found.series] == parts
    volumes = [read_series(series)[0] for series in found.series]
    for n, volume in enumerate(volumes):
        np.testing.assert_array_equal(volume.stored, values(6)[n::2])
        assert volume.source.frames == tuple(range(n, 6, 2))
    assert len({volume.source.key for volume in volumes}) == 2


def test_a_dimension_of_another_kind_tells_frames_apart(tmp_path: Path) -> None:
    frames = [
        placed(3.0 * k, FrameContentSequence={"DimensionIndexValues": [k + 1, arm + 1]})
        for k in range(3)
        for arm in range(2)
    ]
    pointers = [
        ("ImagePositionPatient", "PlanePositionSequence"),
        ("ContrastBolusAgentNumber", "ContrastBolusUsageSequence"),
    ]
    tags = [(pydicom.datadict.tag_for_keyword(a), pydicom.datadict.tag_for_keyword(b)) for a, b in pointers]
    enhanced(tmp_path, frames, dimensions=tags)  # type: ignore[arg-type]
    parts = [series.part for series in discover(tmp_path).series]
    assert parts == ["ContrastBolusAgentNumberIndex 1", "ContrastBolusAgentNumberIndex 2"]


def test_frames_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    enhanced(tmp_path, [placed(3.0 * (n // 2)) for n in range(6)])
    assert refused(tmp_path) == "duplicate-position"


def test_stacks_stay_apart_and_their_names_hold_no_free_text(tmp_path: Path) -> None:
    frames = [
        placed(3.0 * k + 200 * s, FrameContentSequence={"StackID": f"Doe {s}"}) for s in range(2) for k in range(3)
    ]
    enhanced(tmp_path, frames)
    found = discover(tmp_path)
    assert [series.part for series in found.series] == ["StackID 1", "StackID 2"]
    assert [read_series(series)[0].geometry.shape[0] for series in found.series] == [3, 3]


def test_each_frame_alone(tmp_path: Path) -> None:
    enhanced(tmp_path, [placed(d) for d in (0.0, 3.0, 40.0)])
    assert refused(tmp_path) == "uneven-spacing"
    slices = read_series(only(tmp_path), slices=True)
    assert [(v.source.part, v.source.frames) for v in slices] == [(f"slice {n + 1}", (n,)) for n in range(3)]
    np.testing.assert_array_equal(slices[2].stored[0], values(3)[2])
    assert len({v.source.key for v in slices}) == 3


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_frames_hold_the_same_integers(tmp_path: Path, syntax: str) -> None:
    def compress(ds: Dataset) -> None:
        options = {"encoding_plugin": "pydicom"} if syntax == RLELossless else {}
        ds.compress(syntax, generate_instance_uid=False, **options)

    enhanced(tmp_path, [placed(3.0 * (3 - n)) for n in range(4)], change=compress)
    np.testing.assert_array_equal(load(tmp_path).stored, values(4)[::-1])


def test_a_later_frame_may_not_be_larger_than_the_header_says(tmp_path: Path) -> None:
    """The first fragment's size is checked by the pre-flight; a bomb may lie in any other."""

    def swap(ds: Dataset) -> None:
        ds.compress(JPEG2000Lossless, generate_instance_uid=False)
        (bomb,) = generate_frames(_large().PixelData, number_of_frames=1)
        good = list(generate_frames(ds.PixelData, number_of_frames=2))
        ds.PixelData = encapsulate([good[0], bomb])

    enhanced(tmp_path, [placed(0.0), placed(3.0)], change=swap)
    assert refused(tmp_path) == "codestream-size"


def test_a_legacy_converted_ct_states_its_echo_of_the_classic_header(tmp_path: Path) -> None:
    frames = [
        placed(
            3.0 * k,
            UnassignedPerFrameConvertedAttributesSequence={"TemporalPositionIdentifier": t},
            PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"},
        )
        for k in range(2)
        for t in (1, 2)
    ]
    enhanced(
        tmp_path,
        frames,
        modality="CT",
        change=lambda ds: setattr(ds, "SOPClassUID", LegacyConvertedEnhancedCTImageStorage),
    )
    assert [s.part for s in discover(tmp_path).series] == [f"TemporalPositionIdentifier {n}" for n in (1, 2)]
    assert {v.rescale[0].units for s in discover(tmp_path).series for v in read_series(s)} == {"HU"}


def test_localizer_frames_are_left_out_and_named(tmp_path: Path) -> None:
    overview = {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]}}
    enhanced(tmp_path, [placed(0.0), placed(3.0), placed(77.0, **overview)])
    series = only(tmp_path)
    assert [frame for _, frame in series.images] == [0, 1]
    assert series.notes == ("left out as a localizer: 1 frame",)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda ds: delattr(ds, "PerFrameFunctionalGroupsSequence"), "functional-groups"),
        (lambda ds: ds.PerFrameFunctionalGroupsSequence.pop(), "functional-groups"),
        (lambda ds: setattr(ds, "NumberOfFrames", 10**6), "multi-frame"),
        (lambda ds: setattr(ds, "NumberOfFrames", 0), "multi-frame"),
        (lambda ds: setattr(ds, "PixelData", ds.PixelData[:-40]), "truncated"),
        (lambda ds: setattr(ds, "PixelData", ds.PixelData + bytes(40)), "pixel-length"),
        (lambda ds: delattr(ds.PerFrameFunctionalGroupsSequence[0], "PlanePositionSequence"), "missing-attribute"),
    ],
)
def test_what_no_volume_can_be_made_of(tmp_path: Path, change: Any, code: str) -> None:
    enhanced(tmp_path, [placed(0.0), placed(3.0)], change=change)
    assert refused(tmp_path) == code


def test_the_same_object_twice_is_read_once_and_another_one_is_a_conflict(tmp_path: Path) -> None:
    path = enhanced(tmp_path, [placed(0.0), placed(3.0)])
    (tmp_path / "copy").write_bytes(path.read_bytes())
    found = discover(tmp_path)
    assert [(s.code, s.count) for s in found.skipped] == [("duplicate-file", 1)]
    assert [frame for _, frame in found.series[0].images] == [0, 1]
    (tmp_path / "copy").unlink()
    enhanced(tmp_path / "other", [placed(0.0), placed(5.0)])
    assert [(s.code, s.count) for s in discover(tmp_path).skipped] == [("uid-conflict", 2)]


def _large() -> Dataset:
    """64 × 64 pixels as JPEG 2000."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID, ds.SOPClassUID = ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.7"
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", 64, 64
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.add_new("PixelData", "OW", bytes(64 * 64 * 2))
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    return ds


def test_work_grows_with_the_frames_and_not_with_their_square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in items of sequences that are gone through: with twice the frames, twice as many."""
    seen: list[int] = []
    items = fields.items
    monkeypatch.setattr(fields, "items", lambda ds, name: (found := items(ds, name), seen.append(len(found)))[0])
    counts = []
    for count in (20, 40):
        enhanced(tmp_path / str(count), [placed(3.0 * k) for k in range(count)])
        seen.clear()
        assert load(tmp_path / str(count)).geometry.shape[0] == count
        counts.append(sum(seen))
    assert counts[1] < 2.2 * counts[0]


def test_a_file_of_many_series_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phases of one object; parsing it for each would take the square of its frames."""
    content = [{"FrameContentSequence": {"TemporalPositionIndex": t + 1}} for t in range(3) for _ in range(4)]
    path = enhanced(tmp_path, [placed(3.0 * (n % 4), **macros) for n, macros in enumerate(content)])
    series = discover(path).series
    alone = [read_series(one)[0] for one in series]
    parsed = []
    monkeypatch.setattr(parse, "instance", lambda file, whole=parse.instance: parsed.append(file) or whole(file))
    last = parse.LastFile()
    together = [read_series(one, last=last)[0] for one in series]
    assert parsed == [path]
    assert [volume.source.frames for volume in together] == [tuple(range(4 * t, 4 * t + 4)) for t in range(3)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.stored, other.stored)
        assert one.source.key == other.source.key


def test_groups_of_undefined_length_are_left_as_bytes_and_read_the_same(tmp_path: Path) -> None:
    frames = [placed(3.0 * n, FrameVOILUTSequence={"WindowCenter": n, "WindowWidth": 51}) for n in range(4)]
    plain = read_series(discover(enhanced(tmp_path / "plain", frames)).series[0])[0]
    path = enhanced(tmp_path / "delimited", frames, change=delimit)
    assert isinstance(parse.instance(path).dataset.get_item(PER_FRAME), RawDataElement)
    (volume,) = read_series(discover(path).series[0])
    np.testing.assert_array_equal(volume.stored, plain.stored)
    np.testing.assert_array_equal(volume.geometry.affine, plain.geometry.affine)
    assert volume.windows == plain.windows


def test_what_all_frames_share_is_interpreted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one differs from the frame before, again; each lies at its own place."""
    own = [{"FrameVOILUTSequence": {"WindowCenter": 100 + n // 3, "WindowWidth": 51}} for n in range(9)]
    path = enhanced(tmp_path, [placed(3.0 * n, **own[n]) for n in range(9)])
    asked: list[float] = []
    windows_of = interpretation.windows_of
    monkeypatch.setattr(
        interpretation,
        "windows_of",
        lambda ds: (asked.append(fields.number(ds, "WindowCenter") or 0), windows_of(ds))[1],
    )
    slices = read_series(discover(path).series[0], slices=True)
    assert asked == [100, 101, 102]
    assert [one.window and one.window.center for one in slices] == [99.5 + n // 3 for n in range(9)]
    assert [float(one.geometry.to_world((0, 0, 0))[2]) for one in slices] == [-100 + 3.0 * n for n in range(9)]
