"""Which image an annotation means, where its box lies, and what stays unmatched."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medaug.annotations.registry import SENTENCES, Matched, detect, read_annotations
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.annotation_cases import loaded, named

BOX = Box((0, 20, 10), (1, 31, 25), "lesion")  # x 10-25, y 20-31 on 64 rows × 48 columns


def table(folder: Path, *rows: str, header: str = "image,x,y,width,height,label,slice") -> Path:
    (folder / "a.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "a.csv"


def coco(folder: Path, image: dict[str, Any], *boxes: list[float]) -> Path:
    content = {
        "images": [{"id": 1, **image}],
        "annotations": [{"id": n, "image_id": 1, "category_id": 0, "bbox": b} for n, b in enumerate(boxes)],
        "categories": [{"id": 0, "name": "lesion"}],
    }
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def only(found: Matched, volume: Volume) -> tuple[Box, ...]:
    return tuple(replace(box, id="") for box in found.boxes[volume.source.key])


@pytest.mark.parametrize("name", ["IMG7.jpg", "img7.JPG", "IMG7", "img7.png", "train\\x\\IMG7.png", "a/b/IMG7.jpg"])
def test_names_match_whatever_their_folder_case_and_suffix(tmp_path: Path, name: str) -> None:
    volume, other = named("IMG7.jpg"), named("IMG71.jpg", seed=1)
    found = read_annotations(table(tmp_path, f"{name},10,20,15,11,lesion,"), [volume, other])
    assert only(found, volume) == (BOX,)
    assert other.source.key not in found.boxes


def test_a_uid_in_a_file_name_wins_over_the_name(tmp_path: Path) -> None:
    volume, decoy = named("scan.dcm"), named("x", seed=1)
    uid = volume.source.instance_uids[0]
    decoy = replace(decoy, source=replace(decoy.source, files=(Path(f"{uid}.dcm"),)))
    found = read_annotations(coco(tmp_path, {"file_name": f"{uid}.dcm"}, [10, 20, 15, 11]), [decoy, volume])
    assert only(found, volume) == (BOX,)
    assert decoy.source.key not in found.boxes


def test_a_stated_uid_is_never_overruled_by_a_name(tmp_path: Path) -> None:
    volume = named("scan.dcm")
    path = coco(tmp_path, {"file_name": "scan.dcm", "sop_instance_uid": "2.25.1"}, [10, 20, 15, 11])
    found = read_annotations(path, [volume])
    assert found.boxes == {}
    assert found.unmatched_annotations[0].startswith("no-image: 1 (annotation 0)")


def test_a_name_that_fits_two_series_places_nothing_and_withholds_both(tmp_path: Path) -> None:
    a, b, c = named("IM1"), named("IM1", seed=1), named("IM2", seed=2)
    found = read_annotations(table(tmp_path, "IM1,10,20,15,11,lesion,", "IM2,10,20,15,11,lesion,"), [a, b, c])
    assert list(found.boxes) == [c.source.key]
    assert found.withheld == {a.source.key, b.source.key}
    assert found.unmatched_annotations[0].startswith("several-images: 1 (line 2)")


def at(path: str, seed: int) -> Volume:
    return named(path, seed=seed)


def test_folders_tell_namesakes_apart_whatever_their_case_and_slash(tmp_path: Path) -> None:
    a, b = at("/in/patientA/0001.dcm", 0), at("/in/patientB/0001.dcm", 1)
    rows = ["patienta\\0001.DCM,10,20,15,11,lesion,", "D:\\x\\patientB\\0001.dcm,1,1,5,5,other,"]
    found = read_annotations(table(tmp_path, *rows), [a, b])
    assert only(found, a) == (BOX,)
    assert [box.label for box in found.boxes[b.source.key]] == ["other"]
    assert not found.withheld


def test_a_box_of_a_refused_file_never_lands_on_its_namesake(tmp_path: Path) -> None:
    """patientB/0001.dcm was found in INPUT but is no volume: its lesion is not patientA's."""
    a, refused = at("/in/patientA/0001.dcm", 0), Path("/in/patientB/0001.dcm")
    for name in ("patientB/0001.dcm", "patientB/0001.png"):
        found = read_annotations(table(tmp_path, f"{name},10,20,15,11,lesion,"), [a], known=[*a.source.files, refused])
        assert found.boxes == {}
        assert found.unmatched_annotations[0].startswith("left-out: 1")
    mine = read_annotations(table(tmp_path, "patientA/0001.dcm,10,20,15,11,lesion,"), [a], known=[refused])
    assert only(mine, a) == (BOX,)
    for name in ("0001.dcm", "elsewhere/0001.dcm", "0001"):
        found = read_annotations(table(tmp_path, f"{name},10,20,15,11,lesion,"), [a], known=[refused])
        assert found.boxes == {}
        assert found.withheld == {a.source.key}
        assert found.unmatched_annotations[0].startswith("several-images: 1 (line 2)")


def test_two_images_of_an_annotation_file_are_never_one_image_of_input(tmp_path: Path) -> None:
    """Only patientB's image was exported: the annotations themselves say that there are two of that name."""
    b = at("/in/patientB/0001.dcm", 0)
    rows = ("patientA/0001.dcm,1,1,5,5,other,", "patientB/0001.dcm,10,20,15,11,lesion,")
    found = read_annotations(table(tmp_path, *rows), [b])
    assert only(found, b) == (BOX,)
    assert found.unmatched_annotations[0].startswith("no-image: 1 (line 2)")
    flat = at("/in/0001.dcm", 0)
    found = read_annotations(table(tmp_path, *rows), [flat])
    assert found.boxes == {}
    assert found.withheld == {flat.source.key}
    assert found.unmatched_annotations[0].startswith("several-images: 2 (line 2, line 3)")


def test_folders_of_label_files_count_as_folders_of_their_images(tmp_path: Path) -> None:
    a, b = at("/in/train/images/0001.png", 0), at("/in/val/images/0001.png", 1)
    content = {"train": "0 0.5 0.5 0.5 0.5", "val": "1 0.5 0.5 0.5 0.5"}
    for split, line in content.items():
        (tmp_path / split / "labels").mkdir(parents=True)
        (tmp_path / split / "labels" / "0001.txt").write_text(line)
    found = read_annotations(tmp_path, [a, b])
    assert [box.label for v in (a, b) for box in found.boxes[v.source.key]] == ["class-0", "class-1"]
    assert not found.withheld
    alone = read_annotations(tmp_path, [a], known=b.source.files)
    assert [box.label for box in alone.boxes[a.source.key]] == ["class-0"]


def test_a_hundred_thousand_files_are_indexed_fast(tmp_path: Path) -> None:
    volume = at("/in/p7/0001.dcm", 0)
    known = [Path(f"/in/p{n // 100}/{n % 100:04}.dcm") for n in range(100_000)]
    rows = [f"p{n // 10}/{n % 10:04}.dcm,10,20,15,11,lesion," for n in range(200)]
    started = time.process_time()
    found = read_annotations(table(tmp_path, *rows), [volume], known=known)
    assert time.process_time() - started < 5
    assert only(found, volume) == (BOX,)


def test_one_file_with_several_slices_needs_the_slice(tmp_path: Path) -> None:
    volume = named("case.nii.gz", shape=(4, 64, 48))
    good = read_annotations(table(tmp_path, "case.nii.gz,10,20,15,11,lesion,3"), [volume])
    assert only(good, volume) == (Box((3, 20, 10), (4, 31, 25), "lesion"),)
    for stated in ("", "4", "-1"):
        bad = read_annotations(table(tmp_path, "case,10,20,15,11,lesion,1", f"case,1,2,5,5,lesion,{stated}"), [volume])
        assert bad.boxes == {}, "a volume with a lesion that nobody can place must not be augmented"
        assert bad.withheld == {volume.source.key}
        assert bad.unmatched_annotations[0].startswith("slice-not-stated: 1 (line 3)")


def test_a_2d_box_lies_on_the_slice_with_its_uid(tmp_path: Path) -> None:
    volume = loaded(make.series(tmp_path / "ct"))
    for k, uid in enumerate(volume.source.instance_uids):
        found = read_annotations(coco(tmp_path, {"sop_instance_uid": uid}, [10, 20, 15, 11]), [volume])
        assert only(found, volume) == (Box((k, 20, 10), (k + 1, 31, 25), "lesion"),)


def test_an_image_of_another_size_is_withheld(tmp_path: Path) -> None:
    volume = named("a.png")
    right = {"file_name": "a.png", "width": 48, "height": 64}
    assert only(read_annotations(coco(tmp_path, right, [10, 20, 15, 11]), [volume]), volume) == (BOX,)
    swapped = {"file_name": "a.png", "width": 64, "height": 48}
    found = read_annotations(coco(tmp_path, swapped, [10, 20, 15, 11]), [volume])
    assert found.boxes == {}
    assert found.withheld == {volume.source.key}
    assert found.unmatched_annotations[0].startswith("size-differs")


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((-5, -5, 10, 10), ((0, 0, 0), (1, 5, 5))),
        ((40, 60, 16, 12), ((0, 60, 40), (1, 64, 48))),
        ((47.5, 63.5, 0.1, 0.1), ((0, 63, 47), (1, 64, 48))),
        ((0, 0, 48, 64), ((0, 0, 0), (1, 64, 48))),
        ((10.0000001, 20, 14.9999999, 11), ((0, 20, 10), (1, 31, 25))),
        ((10.01, 20.01, 14, 10), ((0, 20, 10), (1, 31, 25))),
    ],
)
def test_boxes_are_cut_at_the_image_and_rounded_outward(
    tmp_path: Path, box: tuple[float, ...], expected: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    volume = named("a.png")
    found = read_annotations(table(tmp_path, f"a.png,{','.join(map(str, box))},lesion,"), [volume])
    (only_box,) = found.boxes[volume.source.key]
    assert (only_box.start, only_box.stop) == expected
    assert not found.unmatched_annotations


@pytest.mark.parametrize("box", ["48,0,5,5", "0,64,5,5", "-5,-5,5,5", "1000,1000,1,1"])
def test_a_box_outside_its_image_withholds_it(tmp_path: Path, box: str) -> None:
    volume = named("a.png")
    found = read_annotations(table(tmp_path, f"a.png,{box},lesion,", "a.png,10,20,15,11,lesion,"), [volume])
    assert found.boxes == {}
    assert found.withheld == {volume.source.key}
    assert found.unmatched_annotations[0].startswith("outside: 1 (line 2)")


@pytest.mark.parametrize("box", ["40,60,100,100", "-20,5,40,10", "5,-20,10,40", "10,20,15,60"])
def test_a_box_that_reaches_far_beyond_its_image_withholds_it(tmp_path: Path, box: str) -> None:
    """Corners as a corner and a size, another resolution, another frame: what is cut off was the rest of a lesion."""
    volume, other = named("a.png"), named("b.png", seed=1)
    found = read_annotations(table(tmp_path, f"a.png,{box},lesion,", "b.png,10,20,15,11,lesion,"), [volume, other])
    assert found.withheld == {volume.source.key}
    assert only(found, other) == (BOX,)
    assert found.unmatched_annotations[0].startswith("beyond: 1 (line 2)")


def test_shares_where_pixels_are_expected_withhold_their_images(tmp_path: Path) -> None:
    volumes = [named(f"{name}.png", seed=n) for n, name in enumerate("abc")]
    rows = ["a.png,0.25,0.25,0.5,0.1,x,", "b.png,0,0,1,1,x,", "c.png,10,20,15,11,lesion,"]
    found = read_annotations(table(tmp_path, *rows), volumes)
    assert found.withheld == {volume.source.key for volume in volumes[:2]}
    assert only(found, volumes[2]) == (BOX,)
    assert found.unmatched_annotations[0].startswith("first-pixel: 2 (line 2, line 3)")
    whole = read_annotations(
        table(tmp_path, "b.png,0,0,1,1,lesion,"), volumes
    )  # the first pixel, and nothing else said
    assert only(whole, volumes[1]) == (Box((0, 0, 0), (1, 1, 1), "lesion"),)


def test_an_image_looked_at_without_a_finding_is_not_unmatched(tmp_path: Path) -> None:
    """RSNA's Target 0 and VinDr's "No finding" rows, an empty YOLO file, a COCO image without boxes."""
    volume = named("a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("\n")
    for path in (table(tmp_path, "a.png,,,,,0,"), tmp_path / "labels", coco(tmp_path, {"file_name": "a.png"})):
        found = read_annotations(path, [volume])
        assert found.boxes == {volume.source.key: ()}
        assert found.unmatched_annotations == ()


def test_many_unmatched_become_one_sentence_without_names(tmp_path: Path) -> None:
    rows = [f"jane-doe-{n}.png,1,1,5,5,lesion," for n in range(40)]
    found = read_annotations(table(tmp_path, *rows), [named("a.png")])
    (sentence,) = found.unmatched_annotations
    assert sentence == f"no-image: 40 (line 2, line 3, line 4, line 5, line 6, …): {SENTENCES['no-image']}"


def test_boxes_are_sorted_and_keep_their_own_ids(tmp_path: Path) -> None:
    volume = named("a.png")
    path = coco(tmp_path, {"file_name": "a.png"}, [30, 30, 5, 5], [10, 20, 15, 11], [10, 20, 15, 11])
    boxes = read_annotations(path, [volume]).boxes[volume.source.key]
    assert [(box.start[1], box.id) for box in boxes] == [(20, "1"), (20, "2"), (30, "0")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0.5 0.5 0.5 0.5", ((0, 16, 12), (1, 48, 36))),
        ("0 0.3646 0.3984 0.3125 0.1719", ((0, 20, 10), (1, 31, 25))),  # four decimals of x 10-25, y 20-31
        ("0 0.36 0.40 0.31 0.17", ((0, 20, 9), (1, 31, 25))),  # two decimals: 9.84 is too far off 10, so outward
    ],
)
def test_yolo_decimals_don_t_grow_a_box_that_lies_on_pixels(tmp_path: Path, line: str, expected: Any) -> None:
    volume = named("a.png")
    (tmp_path / "a.txt").write_text(line + "\n")
    (box,) = read_annotations(tmp_path / "a.txt", [volume]).boxes[volume.source.key]
    assert ((box.start, box.stop), box.label) == (expected, "class-0")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.yaml", "names: [a, b, tumour]"),
        ("data.yaml", "nc: 3\nnames:\n  0: a\n  2: tumour\n"),
        ("classes.txt", "a\nb\ntumour\n"),
    ],
)
def test_yolo_class_names_come_from_what_was_named_and_nowhere_above(tmp_path: Path, name: str, content: str) -> None:
    labels = tmp_path / "train" / "labels"
    labels.mkdir(parents=True)
    (tmp_path / name).write_text(content)
    (labels / "a.txt").write_text("2 0.5 0.5 0.5 0.5")
    volume = named("a.png")
    assert read_annotations(tmp_path, [volume]).boxes[volume.source.key][0].label == "tumour"
    for path in (labels, labels / "a.txt"):
        assert read_annotations(path, [volume]).boxes[volume.source.key][0].label == "class-2"
    (labels / name).write_text(content)
    for path in (labels, labels / "a.txt"):
        assert read_annotations(path, [volume]).boxes[volume.source.key][0].label == "tumour"


def test_voc_is_counted_from_one_and_holds_its_last_pixel(tmp_path: Path) -> None:
    """Read as 0-based, or as half-open, the same numbers would give another box."""
    part = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>25</xmax><ymax>31</ymax></bndbox>"
    whole = f"<annotation><filename>a.png</filename><object><name>lesion</name>{part}</object></annotation>"
    (tmp_path / "a.xml").write_text(whole)
    volume = named("a.png")
    boxes = only(read_annotations(tmp_path / "a.xml", [volume]), volume)
    assert boxes == (BOX,)
    assert boxes != (Box((0, 21, 11), (1, 31, 25), "lesion"),)


def test_a_folder_of_one_format_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "README.txt").write_text("hello")
    assert detect(tmp_path) == "yolo"
    (tmp_path / "a.xml").write_text("<annotation/>")
    with pytest.raises(AnnotationError, match="several formats"):
        detect(tmp_path)


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.dcm"])
def test_what_no_reader_knows_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"%PDF")
    for path in (tmp_path / name, tmp_path, tmp_path / "missing"):
        with pytest.raises(AnnotationError, match="annotations: expected"):
            read_annotations(path, [named("a.png")])
    with pytest.raises(AnnotationError, match="unknown format name"):
        read_annotations(tmp_path / name, [], format="pdf")
