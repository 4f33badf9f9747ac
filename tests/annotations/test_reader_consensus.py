"""Several readers of one image, as in VinDr: union, majority, or one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medaug.annotations.model import Rectangle
from medaug.annotations.reader_consensus import OVERLAP, overlap
from medaug.annotations.registry import read_annotations
from medaug.errors import AnnotationError
from medaug.imaging.volume import Volume
from tests.support.annotation_cases import named

HEADER = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n"
# a: all three agree on a nodule, roughly. b: R8 alone, R9 and R10 found nothing. c: two labels on one place.
ROWS = """a,nodule,1,R8,10,10,20,20
a,nodule,1,R9,11,10,21,20
a,nodule,1,R10,10,12,20,21
a,nodule,1,R10,30,30,40,40
b,nodule,1,R8,5,5,9,9
b,No finding,14,R9,,,,
b,No finding,14,R10,,,,
c,nodule,1,R8,10,10,20,20
c,mass,2,R9,10,10,20,20
c,mass,2,R10,10,10,20,20
d,No finding,14,R8,,,,
"""
Found = dict[str, list[tuple[str, tuple[int, int, int, int]]]]


@pytest.fixture
def volumes() -> list[Volume]:
    return [named(f"{name}.dcm", seed=n) for n, name in enumerate("abcd")]


def read(folder: Path, volumes: list[Volume], readers: str, text: str = HEADER + ROWS) -> Found:
    path = folder / "train.csv"
    path.write_text(text)
    found = read_annotations(path, volumes, readers=readers)
    assert found.unmatched_annotations == ()
    keys = {volume.source.key: volume.source.files[0].stem for volume in volumes}
    return {
        keys[key]: [(b.label, (b.start[2], b.start[1], b.stop[2], b.stop[1])) for b in boxes]
        for key, boxes in found.boxes.items()
    }


def test_union_keeps_every_box_and_is_the_default(tmp_path: Path, volumes: list[Volume]) -> None:
    found = read(tmp_path, volumes, "union")
    assert {name: len(boxes) for name, boxes in found.items()} == {"a": 4, "b": 1, "c": 3, "d": 0}
    assert read_annotations(tmp_path / "train.csv", volumes) == read_annotations(
        tmp_path / "train.csv", volumes, readers="union"
    )


def test_majority_keeps_what_more_than_half_of_an_image_s_readers_drew(tmp_path: Path, volumes: list[Volume]) -> None:
    assert read(tmp_path, volumes, "majority") == {
        "a": [("nodule", (10, 10, 21, 21))],  # holds all three, so that nobody's edge is cut
        "b": [],
        "c": [("mass", (10, 10, 20, 20))],
        "d": [],
    }


def test_one_reader_is_that_reader_alone_and_images_of_others_are_not_looked_at(
    tmp_path: Path, volumes: list[Volume]
) -> None:
    assert read(tmp_path, volumes, "R9") == {
        "a": [("nodule", (11, 10, 21, 20))],
        "b": [],
        "c": [("mass", (10, 10, 20, 20))],
    }


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        ("10,10,20,20", 1),
        ("10,10,20,15", 1),  # 50 of 100 px
        ("10,10,20,14", 0),
        ("30,30,40,40", 0),
    ],
)
def test_two_readers_must_overlap_by_half(tmp_path: Path, volumes: list[Volume], second: str, kept: int) -> None:
    text = HEADER + f"a,nodule,1,R8,10,10,20,20\na,nodule,1,R9,{second}\n"
    assert len(read(tmp_path, volumes, "majority", text)["a"]) == kept


def test_two_boxes_of_one_reader_are_one_vote(tmp_path: Path, volumes: list[Volume]) -> None:
    rows = "a,nodule,1,R8,10,10,20,20\na,nodule,1,R8,10,10,20,19\na,No finding,14,R9,,,,\n"
    assert read(tmp_path, volumes, "majority", HEADER + rows) == {"a": []}


def test_the_order_of_rows_does_not_matter(tmp_path: Path, volumes: list[Volume]) -> None:
    lines = ROWS.splitlines()
    turned = HEADER + "\n".join(lines[::-1]) + "\n"
    assert read(tmp_path, volumes, "majority", turned) == read(tmp_path, volumes, "majority")


def test_overlap_is_intersection_over_union() -> None:
    one = Rectangle((0, 0), (4, 2), "a", "")
    assert overlap(one, one) == 1
    assert overlap(one, replace(one, low=(2, 0), high=(6, 2))) == pytest.approx(4 / 12)
    assert overlap(one, replace(one, low=(4, 0), high=(6, 2))) == 0
    assert OVERLAP == 0.5


@pytest.mark.parametrize(
    ("text", "readers", "message"),
    [
        (HEADER + ROWS, "R77", "one of the 3 readers in the file"),
        ("image_id,label,x,y,w,h\na,nodule,1,1,5,5\n", "majority", "a column of readers"),
        (HEADER + "a,nodule,1,,10,10,20,20\n", "majority", "line 2: expected the reader"),
    ],
)
def test_what_can_t_be_settled_is_refused(
    tmp_path: Path, volumes: list[Volume], text: str, readers: str, message: str
) -> None:
    with pytest.raises(AnnotationError, match=message) as caught:
        read(tmp_path, volumes, readers, text)
    assert "R77" not in str(caught.value)


def test_only_a_table_says_who_drew_what(tmp_path: Path, volumes: list[Volume]) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(AnnotationError, match="coco doesn't say who drew what"):
        read_annotations(path, volumes, readers="majority")
