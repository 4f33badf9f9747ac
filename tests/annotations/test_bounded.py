"""What is read in the process apart is what is read here; what takes too much ends there, with a code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medaug.annotations import bounded
from medaug.annotations.registry import read_annotations
from medaug.annotations.structures import read_structures
from medaug.errors import AnnotationError
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.annotation_cases import named
from tests.support.small_runs import boxes

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are Linux's")


@pytest.fixture
def radiograph() -> Volume:
    return named("x1.dcm", shape=(1, 120, 100))


def test_boxes_come_back_as_they_were_read(tmp_path: Path, radiograph: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes(tmp_path / "boxes.json", ("x1.dcm", "y.dcm"))
    monkeypatch.chdir(tmp_path)  # a path may be relative to where the command was given
    known = [Path("y.dcm")]
    here = read_annotations(Path("boxes.json"), [radiograph], known=known)
    there = bounded.read_annotations(Path("boxes.json"), [radiograph], known=known)
    assert there == here
    assert len(there.boxes[radiograph.source.key]) == 1
    assert there.unmatched_annotations


def test_masks_come_back_as_they_were_read(tmp_path: Path) -> None:
    from medaug.dicom.read.discover import discover
    from medaug.dicom.read.read import read_series

    files = make.series(tmp_path / "in", slices=3, rows=20, columns=30)
    (volume,) = read_series(discover(tmp_path / "in").series[0])
    mask = np.zeros((3, 20, 30), dtype=np.uint8)
    mask[1, 4:9, 5:7] = 1
    seg = make.seg(tmp_path, files, mask, ["lesion"])
    there = bounded.read_structures(seg, [volume], (), "protect")
    np.testing.assert_array_equal(there[volume.source.key], read_structures(seg, [volume])[volume.source.key])
    (marked,) = bounded.read_masks(seg, [volume], ())
    assert marked.label == "lesion"
    assert marked.mask.sum() == 10
    assert not marked.mask[0].any()


def test_a_refusal_there_is_one_here(tmp_path: Path, radiograph: Volume) -> None:
    with pytest.raises(AnnotationError, match="expected a file or a folder, found nothing there") as caught:
        bounded.read_annotations(tmp_path / "none.json", [radiograph])
    assert caught.value.code == "annotation"


@LINUX
@pytest.mark.parametrize("limit", ["memory", "time"])
def test_what_takes_too_much_is_ended_and_the_next_is_read(
    tmp_path: Path, radiograph: Volume, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [{"id": n, "file_name": f"{n}.png"} for n in range(100_000)]
    (tmp_path / "many.json").write_text(json.dumps({"images": many, "annotations": [], "categories": []}))
    with monkeypatch.context() as patch:
        if limit == "memory":
            patch.setattr(bounded, "limits", lambda *_: (40 << 20, 20.0))
        else:
            patch.setattr(bounded, "limits", lambda *_: (1 << 30, -0.9))  # whole seconds are limited: none is left
        with pytest.raises(AnnotationError, match="takes more than the") as caught:
            bounded.read_annotations(tmp_path / "many.json", [radiograph])
    assert caught.value.code == "annotation-limits"
    good = boxes(tmp_path / "boxes.json", ("x1.dcm",))
    assert bounded.read_annotations(good, [radiograph]).boxes


@LINUX
def test_limits_follow_what_is_there_and_not_what_is_promised(tmp_path: Path, radiograph: Volume) -> None:
    small, sparse = tmp_path / "a.json", tmp_path / "b.json"
    small.write_bytes(bytes(1000))
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    assert bounded.limits(small, [radiograph])[0] < 1.01 * (1 << 30)
    memory, seconds = bounded.limits(sparse, [radiograph])
    assert memory < 8 << 30
    assert seconds < 600
    assert bounded.limits(tmp_path, [radiograph])[0] == memory


def test_the_child_reads_json_without_what_decodes_images() -> None:
    """It starts in each run; with pydicom come its decoders, and take as long as all else that it loads."""
    script = "import sys, medaug.children.annotations; print({'pydicom', 'scipy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
