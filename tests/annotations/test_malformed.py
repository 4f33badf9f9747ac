"""Broken and hostile files: an error that says where, and holds nothing of the file."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from medaug.annotations import parsing
from medaug.annotations.readers import labelmap
from medaug.annotations.registry import read_annotations
from medaug.annotations.structures import on_volumes
from medaug.errors import AnnotationError
from tests.support import make
from tests.support.annotation_cases import WRITERS, loaded, named, refusal

CSV = "image,x,y,width,height,label\n"


def coco(**parts: Any) -> str:
    image = {"id": 1, "file_name": "doe.png"}
    annotation = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [1, 2, 3, 4]}
    content: dict[str, Any] = {
        "images": [{**image, **parts.pop("image", {})}],
        "annotations": [{**annotation, **parts.pop("annotation", {})}],
        "categories": [{"id": 0, "name": "lesion"}],
        **parts,
    }
    return json.dumps(content)


def voc(
    bndbox: str = "<xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>", name: str = "<name>doe</name>"
) -> str:
    return f"<annotation><filename>doe.png</filename><object>{name}<bndbox>{bndbox}</bndbox></object></annotation>"


CASES: list[tuple[str, str, str]] = [
    ("doe.json", "{", "COCO file: line 1"),
    ("doe.json", "[]", "COCO file"),
    ("doe.json", "[" * 200_000, "COCO file"),
    ("doe.json", '{"images": [], "annotations": []}', "COCO file"),
    ("doe.json", coco(annotation={"bbox": [1, 2, 3]}), "annotation 0"),
    ("doe.json", coco(annotation={"bbox": [1, 2, -3, 4]}), "annotation 0"),
    ("doe.json", coco(annotation={"bbox": [1, 2, 0, 4]}), "annotation 0"),
    ("doe.json", coco(annotation={"bbox": [1, 2, float("nan"), 4]}), "COCO file"),
    ("doe.json", coco(annotation={"bbox": [1, 2, "Jane Doe", 4]}), "annotation 0"),
    ("doe.json", coco(annotation={"bbox": [1, 2, True, 4]}), "annotation 0"),
    ("doe.json", coco().replace("3, 4]", "1e999, 4]"), "annotation 0"),
    ("doe.json", coco().replace("3, 4]", "9" * 400 + ", 4]"), "annotation 0"),
    ("doe.json", coco().replace("3, 4]", "9" * 5000 + ", 4]"), "COCO file"),
    ("doe.json", coco(annotation={"bbox": None}), "annotation 0"),
    ("doe.json", coco(annotation={"bbox": None, "segmentation": {"counts": [1, 2], "size": [2, 2]}}), "annotation 0"),
    ("doe.json", coco(annotation={"bbox": None, "segmentation": [[1, 2, 3, 4, 5]]}), "annotation 0"),
    ("doe.json", coco(annotation={"image_id": 2}), "annotation 0: expected "),
    ("doe.json", coco(annotation={"category_id": 2}), "annotation 0"),
    ("doe.json", coco(annotations=["Jane Doe"]), "annotation 0: expected "),
    ("doe.json", coco(image={"file_name": ""}), "image 0"),
    ("doe.json", coco(image={"width": 1.5, "height": 2}), "image 0"),
    ("doe.json", coco(images=[{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]), "image 1"),
    ("doe.json", coco(categories=[{"id": 0}]), "category 0"),
    ("doe.csv", "", "line 1"),
    ("doe.csv", "Jane,Doe\n1,2\n", "line 1"),
    ("doe.csv", "image,x,y,width,label\n", "line 1"),
    ("doe.csv", CSV + "doe.png,1,2,3,4,a\ndoe.png,1,2,3,,a\n", "line 3"),
    ("doe.csv", CSV + "doe.png,1,2,-3,4,a\n", "line 2"),
    ("doe.csv", CSV + "doe.png,1,2,nan,4,a\n", "line 2"),
    ("doe.csv", CSV + "doe.png,1,2,Jane Doe,4,a\n", "line 2"),
    ("doe.csv", CSV + ",1,2,3,4,a\n", "line 2: expected the image"),
    ("doe.csv", CSV + "doe.png,1,2,3,4,\n", "line 2"),
    ("doe.csv", CSV + 'doe.png,1,2,3,4,"a\n', "line 2: expected CSV"),
    ("doe.csv", CSV + "doe.png,1,2,3,4," + "a" * 200_000 + "\n", "line 2: expected CSV"),
    ("doe.csv", "image,x_min,y_min,x_max,y_max,label\ndoe.png,5,5,4,6,a\n", "line 2"),
    ("doe.txt", "0 0.5 0.5 0.5\n", "label file 0, line 1"),
    ("doe.txt", "\n0 0.5 0.5 0.5 1.5\n", "label file 0, line 2"),
    ("doe.txt", "0 0.5 0.5 -0.5 0.5\n", "label file 0, line 1"),
    ("doe.txt", "0 0.5 0.5 0 0.5\n", "label file 0, line 1"),
    ("doe.txt", "0 0.5 0.5 nan 0.5\n", "label file 0, line 1"),
    ("doe.txt", "0 0.5 0.5 0.5 0.5 0.9\n", "label file 0, line 1"),
    ("doe.txt", "doe 0.5 0.5 0.5 0.5\n", "label file 0, line 1"),
    ("doe.txt", "0.5 0.5 0.5 0.5 0.5\n", "label file 0, line 1"),
    ("doe.txt", "0 220 250 30 15\n", "label file 0, line 1"),
    ("doe.xml", "<annotation>", "XML file 0: line 1"),
    ("doe.xml", "<html></html>", "XML file 0"),
    ("doe.xml", voc("<xmin>5</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>"), "XML file 0, object 0"),
    ("doe.xml", voc("<xmin>Doe</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>"), "XML file 0, object 0"),
    ("doe.xml", voc("<xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>"), "XML file 0, object 0"),
    ("doe.xml", voc(name=""), "XML file 0, object 0"),
    ("doe.xml", '<!DOCTYPE a [<!ENTITY x "doe">]>' + voc(name="<name>&x;</name>"), "XML file 0: expected no DOCTYPE"),
    ("doe.xml", '<!DOCTYPE a SYSTEM "file:///etc/passwd">' + voc(), "XML file 0: expected no DOCTYPE"),
    ("doe.nii", "doe", "label map"),
    ("doe.nrrd", "doe", "label map"),
    (
        "doe.nrrd",
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 1 1 1\ndata file: /etc/passwd\n\n",
        "label map: NRRD file: expected",
    ),
    (
        "doe.nrrd",
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 1 1 1\nencoding: raw\n\nab",
        "label map: NRRD file: expected",
    ),
]


@pytest.mark.parametrize(("name", "content", "where"), CASES)
def test_the_error_says_where_and_holds_no_content(tmp_path: Path, name: str, content: str, where: str) -> None:
    (tmp_path / name).write_text(content)
    sentence = refusal(
        tmp_path / name, named("doe.png"), whole=where in WHOLE or where.startswith(("COCO", "label map"))
    )
    assert sentence.startswith(where)
    assert "expected" in sentence
    assert "doe" not in sentence.lower()


# Where it isn't certain which image is meant, or nothing of the file can be read, all of it is refused. Any other fault
# withholds its image and costs no other.
WHOLE = (
    "annotation 0: expected ",
    "line 2: expected the image",
    "line 2: expected CSV",
    "image 0",
    "image 1",
    "category 0",
    "line 1",
    "XML file 0",
    "XML file 0: line 1",
    "XML file 0: expected no DOCTYPE",
)


def test_the_same_files_without_the_fault_are_read(tmp_path: Path) -> None:
    """Else the cases above could fail for another reason than theirs."""
    for name, content in [
        ("doe.json", coco()),
        ("doe.csv", CSV + "doe.png,1,2,3,4,a\n"),
        ("doe.txt", "0 0.5 0.5 0.5 0.5\n"),
        ("doe.xml", voc()),
    ]:
        (tmp_path / name).write_text(content)
        assert read_annotations(tmp_path / name, [named("doe.png")]).boxes


@pytest.mark.parametrize("content", ["names: doe", "[", "names: {0: 1}", "names: {doe: a}", "names: []", "&a [*a, *a]"])
def test_class_lists_are_checked(tmp_path: Path, content: str) -> None:
    (tmp_path / "doe.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(AnnotationError, match=r"^data\.yaml"):
        read_annotations(tmp_path / "doe.txt", [named("doe.png")])


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "doe.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "data.yaml").write_text("names: !!python/object/apply:os.getcwd []")
    with pytest.raises(AnnotationError, match="expected YAML"):
        read_annotations(tmp_path / "doe.txt", [named("doe.png")])


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "doe.txt").write_text("1 0.5 0.5 0.5 0.5")
    (tmp_path / "classes.txt").write_text("fracture\n")
    sentence = refusal(tmp_path / "doe.txt", named("doe.png"), whole=False)
    assert "line 1: expected one of the classes listed (1), found 1" in sentence


@pytest.mark.parametrize("content", ["[]", "{", '{"1": 2}', '{"1": ""}'])
def test_names_beside_a_label_map_are_checked(tmp_path: Path, content: str) -> None:
    (tmp_path / "doe.json").write_text(content)
    with pytest.raises(AnnotationError, match=r"^label map, names: (line 1: )?expected"):
        labelmap._names(tmp_path / "doe.nii.gz", "label map")


def test_a_file_larger_than_its_limit_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(parsing.MAX_TEXT * 8)  # sparse
    with pytest.raises(AnnotationError) as caught:
        parsing.read_text(tmp_path / "a.json", "COCO file", limit=1 << 20)
    assert caught.value.code == "too-large"


def test_text_that_is_not_utf8_is_refused_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV.encode() + "doe.png,1,2,3,4,Läsion\n".encode("latin-1"))
    with pytest.raises(AnnotationError, match="expected UTF-8"):
        read_annotations(tmp_path / "a.csv", [named("doe.png")])
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + CSV.encode() + b"doe.png,1,2,3,4,a\r\n")
    assert read_annotations(tmp_path / "a.csv", [named("doe.png")]).boxes


@pytest.mark.parametrize("label", ["a\tb", "a\nb", "a\x00b", "\ud800", "a\u2028b", "a\x7f", "a" * 65])
def test_a_label_that_no_output_can_hold_is_refused_in_every_format(tmp_path: Path, label: str) -> None:
    content = json.dumps(
        {
            "images": [{"id": 1, "file_name": "doe.png"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "bbox": [1, 2, 3, 4]}],
            "categories": [{"id": 0, "name": label}],
        }
    )
    (tmp_path / "a.json").write_text(content)
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "doe.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "yolo" / "data.yaml").write_text(f"names: {json.dumps([label])}")
    for path in (tmp_path / "a.json", tmp_path / "yolo"):
        with pytest.raises(AnnotationError) as caught:
            read_annotations(path, [named("doe.png")])
        assert caught.value.code == "annotation"
        str(caught.value).encode()
    (tmp_path / "m.json").write_text(json.dumps({"1": label}))
    with pytest.raises(AnnotationError, match="label map, names: expected"):
        labelmap._names(tmp_path / "m.nii", "label map")


def test_labels_are_composed_and_may_have_64_characters() -> None:
    assert parsing.text(" La\u0308sion ", "x", "label") == "L\u00e4sion"
    assert parsing.text("\u00e4" * 64, "x", "label") == "\u00e4" * 64


def test_readers_of_others_write_nothing_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """ITK warns about an affine of two meanings, and quotes the path."""
    folder = tmp_path / "JaneDoe"
    folder.mkdir()
    header = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    header.header["qform_code"], header.header["sform_code"] = 1, 1
    header.header["srow_x"] = [1, 0.2, 0, 0]
    nib.save(header, folder / "a.nii")
    data = bytearray((folder / "a.nii").read_bytes())
    data[280:296] = np.array([1, 0.2, 0, 0], "<f4").tobytes()
    data[252:256] = np.array([1, 1], "<i2").tobytes()
    (folder / "a.nii").write_bytes(bytes(data))
    with pytest.raises(AnnotationError):
        read_annotations(folder / "a.nii", [named("doe.png")])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("inside", ["", "boxes.csv"])
def test_annotations_in_an_archive_are_to_be_unpacked(tmp_path: Path, inside: str) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("boxes.csv", "image,x,y,w,h,label\n")
    with pytest.raises(AnnotationError, match=r"zip archive.*unpack it"):
        read_annotations(tmp_path / "export.zip" / inside, [named("doe.png")])
    with pytest.raises(AnnotationError, match=r"^protect: .*zip archive.*unpack it"):
        on_volumes([tmp_path / "export.zip" / inside], [named("doe.png")], what="protect")


@pytest.mark.parametrize("kind", ["seg", "rtstruct", "sr polyline", "sr 3d", "gsps"])
def test_a_value_of_an_unknown_kind_anywhere_in_an_object_is_a_sentence(kind: str, tmp_path: Path) -> None:
    """pydicom parses a value when it is looked at, and raised NotImplementedError out of the reader of reports."""
    volume = loaded(make.series(tmp_path / "in", slices=4, rows=40, columns=48))
    path = WRITERS[kind](tmp_path, volume)
    file = next(each for each in (path, *path.rglob("*")) if each.is_file())
    data = file.read_bytes()
    kinds = re.finditer(rb"[\x06\x08\x20\x40\x62\x70][\x00\x30].{2}(CS|DS|IS|SH|UI|US|FL)", data, re.DOTALL)
    places = [found.start(1) for found in kinds]
    said = set()
    for place in places:
        file.write_bytes(data[:place] + b"ZZ" + data[place + 2 :])
        try:
            read_annotations(file, [volume])
        except AnnotationError as error:
            said.add(str(error).split(";")[0])
    assert len(places) > 10
    assert any("can't be parsed (NotImplementedError)" in sentence for sentence in said)
