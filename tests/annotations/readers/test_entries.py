"""One bad entry withholds its image and costs no other; numbers that mean something else are not taken for boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medaug.annotations.registry import read_annotations
from medaug.errors import AnnotationError
from medaug.imaging.volume import Volume
from tests.support.annotation_cases import named, refusal

SHAPE = (1, 200, 400)
POLYGON = [[100, 50, 150, 50, 150, 90, 100, 90]]
Span = tuple[tuple[int, ...], tuple[int, ...]]


@pytest.fixture
def ab() -> tuple[Volume, Volume]:
    return named("a.png", shape=SHAPE), named("b.png", shape=SHAPE, seed=1)


def span(path: Path, volume: Volume) -> Span:
    (box,) = read_annotations(path, [volume]).boxes[volume.source.key]
    return box.start[1:], box.stop[1:]


def coco(folder: Path, annotation: dict[str, Any], **keys: Any) -> Path:
    """One annotation of a.png, and a good one of b.png."""
    images = [{"id": n, "file_name": f"{name}.png", "width": 400, "height": 200} for n, name in enumerate("ab")]
    good = {"id": 2, "image_id": 1, "category_id": 1, "bbox": [96, 88, 20, 20], "area": 400}
    categories = [{"id": 1, "name": "x"}]
    annotations = [{"id": 1, "image_id": 0, "category_id": 1, **annotation}, good]
    content = {"images": images, "categories": categories, "annotations": annotations, **keys}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def table(folder: Path, *rows: str, header: str = "image,label,x_min,y_min,x_max,y_max") -> Path:
    (folder / "a.csv").write_text("\n".join([header, *rows, ""]))
    return folder / "a.csv"


def yolo(folder: Path, a: str, **yaml: Any) -> Path:
    (folder / "labels").mkdir()
    (folder / "labels/a.txt").write_text(a)
    (folder / "labels/b.txt").write_text("0 0.265 0.49 0.05 0.1\n")
    if yaml:
        (folder / "labels/data.yaml").write_text(json.dumps(yaml))
    return folder / "labels"


def voc(folder: Path, a: str, b: str = "", *, filename: bool = True) -> Path:
    (folder / "voc").mkdir()
    box = "<bndbox><xmin>97</xmin><ymin>89</ymin><xmax>116</xmax><ymax>108</ymax></bndbox>"
    name = "<filename>{}.png</filename>" if filename else ""
    for file, content in (("a", a), ("b", b or f"<object><name>x</name>{box}</object>")):
        text = content if content.startswith("<annotation") else name.format(file) + content
        (folder / f"voc/{file}.xml").write_text(text if text is content else f"<annotation>{text}</annotation>")
    return folder / "voc"


def xml_object(corners: tuple[float, float, float, float], more: str = "") -> str:
    sides = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>x</name><bndbox>{sides}</bndbox>{more}</object>"


TWICE = ((1, "x"), (3, "y"), (3, "z"))
ROBND = "<object><name>x</name><robndbox><cx>1</cx></robndbox></object>"
TURNED = "<attributes><attribute><name>rotation</name><value>90</value></attribute></attributes>"
BAD = {
    "coco: turned, and not as CVAT says it": lambda d: coco(d, {"bbox": [105, 45, 40, 50], "rotation": 90.0}),
    "coco: turned by an angle": lambda d: coco(d, {"bbox": [105, 45, 40, 50], "attributes": {"Angle": 1.5}}),
    "coco: no height": lambda d: coco(d, {"bbox": [96.65, 88.33, 1.03, 0.0]}),
    "coco: an unknown category": lambda d: coco(d, {"bbox": [96, 88, 20, 20], "category_id": 7}),
    "coco: one id for two categories": lambda d: coco(
        d, {"bbox": [96, 88, 20, 20], "category_id": 3}, categories=[{"id": n, "name": c} for n, c in TWICE]
    ),
    "coco: corners, by the polygon": lambda d: coco(d, {"bbox": [100, 50, 150, 90], "segmentation": POLYGON}),
    "coco: corners, by the area": lambda d: coco(d, {"bbox": [100, 50, 150, 90], "area": 2000}),
    "coco: an area larger than the box": lambda d: coco(d, {"bbox": [100, 50, 50, 40], "area": 8000}),
    "coco: another resolution": lambda d: coco(d, {"bbox": [50, 25, 25, 20], "segmentation": POLYGON}),
    "csv: no height": lambda d: table(d, "a.png,x,10,10,20,10", "b.png,x,96,88,116,108"),
    "csv: a lesion without coordinates": lambda d: table(d, "a.png,nodule,,,,", "b.png,x,96,88,116,108"),
    "csv: half a box": lambda d: table(d, "a.png,x,10,10,20,", "b.png,x,96,88,116,108"),
    "csv: turned": lambda d: table(
        d, "a.png,x,10,10,20,20,30", "b.png,x,96,88,116,108,0", header="image,label,x_min,y_min,x_max,y_max,angle"
    ),
    "yolo: pixels": lambda d: yolo(d, "0 220 150 30 15\n"),
    "yolo: a box and its certainty": lambda d: yolo(d, "0 0.5 0.5 0.1 0.1 0.9\n"),
    "yolo: zeros": lambda d: yolo(d, "\0" * 40),
    "yolo: a corner for the centre": lambda d: yolo(d, "0 0.9 0.5 0.5 0.1\n"),
    "voc: inside out": lambda d: voc(d, xml_object((150, 89, 96, 108))),
    "voc: broken": lambda d: voc(d, "<annotation><filename>a.png"),
    "voc: empty": lambda d: voc(d, "<annotation"),
    "voc: a turned box of another tool": lambda d: voc(d, ROBND),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_entry_withholds_its_image_and_no_other(tmp_path: Path, ab: tuple[Volume, Volume], kind: str) -> None:
    a, b = ab
    found = read_annotations(BAD[kind](tmp_path), [a, b])
    assert found.withheld == {a.source.key}
    (box,) = found.boxes[b.source.key]
    assert (box.start, box.stop) == ((0, 88, 96), (1, 108, 116))
    assert found.unmatched_annotations[0].startswith(("bad-entry: 1 (", "beyond: 1 ("))


def test_a_broken_file_whose_image_is_not_told_withholds_all(tmp_path: Path, ab: tuple[Volume, Volume]) -> None:
    """The sound files aren't named like their images, so neither need the broken one be."""
    path = voc(
        tmp_path, "<annotation>", f"<annotation><filename>a.png</filename>{xml_object((97, 89, 116, 108))}</annotation>"
    )
    assert read_annotations(path, ab).withheld == {volume.source.key for volume in ab}
    with pytest.raises(AnnotationError, match=r"^XML file 0: line 1"):
        read_annotations(path / "a.xml", ab)


GOOD = {
    "coco: an empty bbox beside a polygon": lambda d: coco(d, {"bbox": [], "segmentation": POLYGON}),
    "coco: a polygon a little larger than its bbox": lambda d: coco(
        d, {"bbox": [101, 51, 48, 38], "segmentation": POLYGON, "area": 2000}
    ),
    "coco: a bbox beside what is no polygon": lambda d: coco(
        d, {"bbox": [100, 50, 50, 40], "segmentation": [[100, 50, 50, 40]]}
    ),
    "coco: ids as text, no size": lambda d: coco(
        d,
        {"bbox": [100, 50, 50, 40], "image_id": "a", "category_id": "c"},
        images=[{"id": "a", "file_name": "a.png", "width": -1, "height": -1}, {"id": 1, "file_name": "b.png"}],
        categories=[{"id": "c", "name": "x"}, {"id": 1, "name": "x"}],
    ),
    "coco: turned by 90 degrees": lambda d: coco(d, {"bbox": [105, 45, 40, 50], "attributes": {"rotation": 90.0}}),
    "csv: corners filled": lambda d: table(
        d, "a.png,x,,,,,100,50,150,90", header="image,label,x,y,width,height,x_min,y_min,x_max,y_max"
    ),
    "csv: sizes filled": lambda d: table(
        d, "a.png,x,100,50,50,40,,,,", header="image,label,x,y,width,height,x_min,y_min,x_max,y_max"
    ),
    "csv: both filled": lambda d: table(
        d, "a.png,x,100,50,50,40,100,50,150,90", header="image,label,x,y,width,height,x_min,y_min,x_max,y_max"
    ),
    "yolo: a box with key points": lambda d: yolo(
        d, "0 0.3125 0.35 0.125 0.2 0.3 0.4 2 0.31 0.3 1\n", names=["x"], kpt_shape=[2, 3]
    ),
    "voc: turned by 90 degrees": lambda d: voc(
        d, xml_object((105, 45, 145, 95), TURNED)
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_what_can_be_read_is_read(tmp_path: Path, ab: tuple[Volume, Volume], kind: str) -> None:
    assert span(GOOD[kind](tmp_path), ab[0]) == ((50, 100), (90, 150))


def test_a_share_a_hair_out_of_range_is_cut(tmp_path: Path, ab: tuple[Volume, Volume]) -> None:
    assert span(yolo(tmp_path, "0 0.3040 0.5003 0.6081 1.0004374453\n"), ab[0]) == ((0, 0), (200, 244))


@pytest.mark.parametrize("row", ["a.png,No finding,NaN,NaN,NaN,NaN", "a.png,,,,,", "a.png,0,nan,nan,nan,nan"])
def test_nan_says_that_nothing_was_found(tmp_path: Path, ab: tuple[Volume, Volume], row: str) -> None:
    found = read_annotations(table(tmp_path, row), ab)
    assert found.boxes == {ab[0].source.key: ()}
    assert not found.withheld


def test_corners_and_a_size_that_differ_are_not_both_believed(tmp_path: Path, ab: tuple[Volume, Volume]) -> None:
    header = "image,label,x,y,width,height,x_min,y_min,x_max,y_max"
    path = table(tmp_path, "a.png,x,100,50,50,40,100,50,170,90", header=header)
    assert "differ by 20 px" in refusal(path, ab[0], whole=False)


@pytest.mark.parametrize(
    "row",
    [
        "0 0.3125 0.35 0.125 0.2 0.3 0.4 1 0.31 0.3 1",  # x, y, visibility
        "0 0.3125 0.35 0.125 0.2 0.3 0.4 2 0.31 0.3 0",
        "0 0.7 0.7 0.125 0.2 0.68 0.75 0.71 0.68",  # x, y alone: the size lies apart from all points
    ],
)
def test_key_points_are_not_taken_for_a_polygon(tmp_path: Path, ab: tuple[Volume, Volume], row: str) -> None:
    found = read_annotations(yolo(tmp_path, f"{row}\n"), ab)
    assert found.withheld == {ab[0].source.key}
    assert "key points" in found.unmatched_annotations[0]
    assert list(found.boxes) == [ab[1].source.key]


@pytest.mark.parametrize(
    "row",
    [
        "0 0.25 0.25 0.375 0.25 0.375 0.45 0.25 0.45",
        "0 0.5 0.5 0.51 0.49 0.52 0.5 0.51 0.52",
        "0 0.4 0.5 0.5 0.4 0.6 0.5 0.5 0.6",
        "0 0.5 0.5 0.55 0.5 0.6 0.55 0.55 0.6 0.5 0.6",
        "0 0.6 0.6 0.62 0.6 0.62 0.62 0.61 0.64 0.6 0.62 0.59 0.61",
    ],
)
def test_polygons_are_not_taken_for_key_points(tmp_path: Path, ab: tuple[Volume, Volume], row: str) -> None:
    assert len(read_annotations(yolo(tmp_path, f"{row}\n"), ab).boxes[ab[0].source.key]) == 1


@pytest.mark.parametrize("place", ["file", "annotation", "image"])
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, ab: tuple[Volume, Volume], place: str) -> None:
    """Readers of JSON take the last without a word."""
    path = coco(tmp_path, {"bbox": [96, 88, 20, 20]})
    old, new = {
        "file": ('"annotations":', '"annotations": [], "annotations":'),
        "annotation": ('"bbox":', '"bbox": [1, 1, 2, 2], "bbox":'),
        "image": ('"file_name":', '"file_name": "c.png", "file_name":'),
    }[place]
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(AnnotationError, match="each key once in an object, found one twice"):
        read_annotations(path, ab)


ADDRESSES = {
    "/data/local-files/?d=set/train/a.png": "a.png",
    "/data/local-files/?d=Users\\me\\test\\a.png": "a.png",
    "/data/local-files/?d=set/case%201.png": "case 1.png",
    "/data/upload/1/1a2b3c4d-f%C3%A4ll.png": "fäll.png",
    "https://x.example/files/a.png?token=1": "a.png",
    "s3://bucket/set/a.png": "a.png",
}


@pytest.mark.parametrize(("address", "name"), ADDRESSES.items())
def test_label_studio_s_addresses(tmp_path: Path, address: str, name: str) -> None:
    path = studio(tmp_path, {"image": address})
    assert span(path, named(name, shape=SHAPE)) == ((50, 100), (90, 140))


def test_an_image_that_label_studio_turned_is_withheld(tmp_path: Path) -> None:
    path = studio(tmp_path, {"image": "x/a.png"}, image_rotation=90)
    assert "turned for drawing" in refusal(path, named("a.png", shape=SHAPE), whole=False)


def studio(folder: Path, data: dict[str, str], **more: Any) -> Path:
    value = {"x": 25, "y": 25, "width": 10, "height": 20, "rotation": 0, "rectanglelabels": ["nodule"]}
    result = {"type": "rectanglelabels", "original_width": 400, "original_height": 200, "value": value, **more}
    (folder / "a.json").write_text(json.dumps([{"data": data, "annotations": [{"result": [result]}]}]))
    return folder / "a.json"
