"""What somebody may do to an OUTPUT, and the faults that `verify` then finds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom

from medaug.audit import keys, ledger
from medaug.audit.record import CheckResult, Record
from medaug.audit.seal import seal
from medaug.dicom.read.parse import instance
from medaug.formats.nifti import read_nifti, write_nifti
from medaug.verification.evidence_marks import FREE, boxes_on, marks_of_segmentation
from medaug.verification.verify import Verdict, verify
from tests.support.sound_output import of, records, redigest, relog, rewrite


def codes(verdict: Verdict) -> set[str]:
    return {fault.code for fault in verdict.faults}


def judged(folder: Path) -> Verdict:
    return verify(folder / "out", source=folder / "in", public_key=folder / "keys" / keys.PUBLIC)


def image(folder: Path, modality: str = "CT", k: int = 1) -> Path:
    return folder / "out" / of(folder / "out", modality).images[k].path


def edit(path: Path, change: Callable[[pydicom.Dataset], None]) -> None:
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path, enforce_file_format=True)


def paint(path: Path, row: int, column: int) -> None:
    def change(ds: pydicom.Dataset) -> None:
        pixels = ds.pixel_array.copy()
        pixels[row, column] += 1
        ds.PixelData = pixels.tobytes()

    edit(path, change)


def substitute(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def segment(folder: Path) -> Path:
    (path,) = (folder / "out" / "ledger").glob("*.jsonl")
    return path


def lines(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = segment(folder)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def _pixel_in_a_box(folder: Path) -> None:
    paint(image(folder), 25, 30)


def _pixel_outside(folder: Path) -> None:
    paint(image(folder, k=0), 0, 0)


def _byte_of_a_preview(folder: Path) -> None:
    path = next((folder / "out" / "variants").rglob("*.png"))
    path.write_bytes(path.read_bytes() + b"\0")


def _header_edited(folder: Path) -> None:
    edit(image(folder, "CR", 0), lambda ds: setattr(ds, "SyntheticData", "NO"))


def _image_dropped(folder: Path) -> None:
    image(folder).unlink()


def _unit_dropped(folder: Path) -> None:
    shutil.rmtree(folder / "out" / of(folder / "out", "CR").folder)


def _file_added(folder: Path) -> None:
    (image(folder).parent / "0099.dcm").write_bytes(image(folder).read_bytes())


def _unit_added(folder: Path) -> None:
    shutil.copytree(image(folder).parent.parent, folder / "out" / "variants" / ("0" * 16))


def _file_added_on_top(folder: Path) -> None:
    (folder / "out" / "notes.txt").write_text("mine")


def _file_replaced_by_a_link(folder: Path) -> None:
    path = image(folder, "CR", 0)
    path.rename(folder / "elsewhere.dcm")
    path.symlink_to(folder / "elsewhere.dcm")


def _box_moved_in_the_record(folder: Path) -> None:
    path = folder / "out" / of(folder / "out", "CT").folder / "record.json"
    substitute(path, b'"start":[1,20,25]', b'"start":[1,20,26]')


def _digest_edited(folder: Path) -> None:
    record = of(folder / "out", "CT")
    digest = record.images[0].sha256.encode()
    substitute(folder / "out" / record.folder / "record.json", digest, digest[::-1])


def _ledger_line_edited(folder: Path) -> None:
    substitute(segment(folder), b'"device":"cpu"', b'"device":"gpu"')


def _ledger_line_dropped(folder: Path) -> None:
    lines(folder, lambda found: [*found[:1], *found[2:]])


def _ledger_truncated(folder: Path) -> None:
    lines(folder, lambda found: found[:-1])


def _ledger_torn(folder: Path) -> None:
    segment(folder).write_bytes(segment(folder).read_bytes()[:-20])


def _ledger_lines_swapped(folder: Path) -> None:
    lines(folder, lambda found: [found[1], found[0], *found[2:]])


def _ledger_emptied(folder: Path) -> None:
    segment(folder).write_bytes(b"")


def _segment_removed(folder: Path) -> None:
    segment(folder).unlink()


def _segment_renamed(folder: Path) -> None:
    segment(folder).rename(segment(folder).with_name("another.jsonl"))


def _segment_added(folder: Path) -> None:
    record = replace(of(folder / "out", "CR"), status="failed", code="x", message="y", outputs=())
    ledger.append(folder / "out" / "ledger", "zz", record, 1.0)


def _segmentation_edited(folder: Path) -> None:
    record = of(folder / "out", "CT")
    path = folder / "out" / next(o.path for o in record.outputs if o.path.endswith("regions.dcm"))

    def change(ds: pydicom.Dataset) -> None:
        ds.PixelData = b"\xff" * len(ds.PixelData)  # everything may have been generated

    edit(path, change)


def _label_map_edited(folder: Path) -> None:
    record = of(folder / "out", "")
    path = folder / "out" / next(o.path for o in record.outputs if o.path.endswith("regions.nii.gz"))
    volume = read_nifti(path)
    write_nifti(replace(volume, stored=np.full_like(volume.stored, 3)), path)


def _list_box_moved(folder: Path) -> None:
    path = folder / "out" / "monai.json"
    data = json.loads(path.read_text())
    data["training"][0]["box"][0][0] += 1
    path.write_text(json.dumps(data))


def _list_code_changed(folder: Path) -> None:
    path = folder / "out" / "monai.json"
    data = json.loads(path.read_text())
    (codes,) = data["codes"].values()
    codes[0]["value"] = "1"
    path.write_text(json.dumps(data))


def _list_code_dropped(folder: Path) -> None:
    path = folder / "out" / "coco.json"
    data = json.loads(path.read_text())
    assert [bool(category.pop("codes", None)) for category in data["categories"]].count(True) == 1
    path.write_text(json.dumps(data))


def _list_world_box_moved(folder: Path) -> None:
    path = folder / "out" / "monai.json"
    data = json.loads(path.read_text())
    item = next(item for item in data["training"] if "box_lps" in item)
    item["box_lps"][0][0] += 0.01
    path.write_text(json.dumps(data))


def _list_fold_changed(folder: Path) -> None:
    path = folder / "out" / "monai.json"
    data = json.loads(path.read_text())
    data["training"][0]["fold"] += 1
    path.write_text(json.dumps(data))


def _list_item_dropped(folder: Path) -> None:
    path = folder / "out" / "coco.json"
    data = json.loads(path.read_text())
    data["annotations"].pop()
    path.write_text(json.dumps(data))


def _list_patient_changed(folder: Path) -> None:
    path = folder / "out" / "monai.json"
    data = json.loads(path.read_text())
    data["training"][0]["medaug"]["patient"] = "0" * 16
    path.write_text(json.dumps(data))


def _description_edited(folder: Path) -> None:
    path = folder / "out" / "croissant.json"
    data = json.loads(path.read_text())
    data["distribution"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(data))


def _description_removed(folder: Path) -> None:
    (folder / "out" / "croissant.json").unlink()


def _profile_edited(folder: Path) -> None:
    substitute(folder / "out" / "profile.yaml", b"steps: 2", b"steps: 9")


def _format_of_the_future(folder: Path) -> None:
    substitute(folder / "out" / "FORMAT.json", b'"version": 2', b'"version": 9')


def _date_edited(folder: Path) -> None:
    path = folder / "out" / "FORMAT.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"created": "1999-01-01T00:00:00+00:00"}))


def _page_edited(folder: Path) -> None:
    path = folder / "out" / "index.html"
    path.write_text(path.read_text() + "<p>all is well</p>")


def _seal_removed(folder: Path) -> None:
    (folder / "out" / "seal.json").unlink()


def _seal_garbled(folder: Path) -> None:
    (folder / "out" / "seal.json").write_text("{}")


def _seal_made_again_unsigned(folder: Path) -> None:
    seal(folder / "out")


def _seal_made_again_with_another_key(folder: Path) -> None:
    private, public = keys.new_keys(folder / "forged")
    seal(folder / "out", key=private)
    shutil.copy(public, folder / "out")  # a key beside the data proves nothing


def _source_changed(folder: Path) -> None:
    paint(next((folder / "in").rglob("x1.dcm")), 5, 5)


PLAIN = {
    _pixel_in_a_box: {"file-changed", "pixels-differ", "protected-changed", "seal-root"},
    _pixel_outside: {"file-changed", "pixels-differ", "seal-root"},
    _byte_of_a_preview: {"file-changed", "seal-root"},
    _header_edited: {"file-changed", "not-synthetic", "seal-root"},
    _image_dropped: {"file-missing", "seal-root"},
    _unit_dropped: {"file-missing", "seal-root"},
    _file_added: {"file-unknown", "seal-root"},
    _unit_added: {"unit-unlogged", "seal-root"},
    _file_added_on_top: {"file-unknown", "seal-root"},
    _file_replaced_by_a_link: {"file-unknown", "file-missing", "seal-root"},
    _box_moved_in_the_record: {"record-differs", "seal-root"},
    _digest_edited: {"record-differs", "seal-root"},
    _ledger_line_edited: {"ledger-chain", "record-differs"},
    _ledger_line_dropped: {"ledger-chain", "seal-ledger", "unit-unlogged", "list-differs"},
    _ledger_truncated: {"seal-ledger", "unit-unlogged", "list-differs"},
    _ledger_torn: {"ledger-chain", "seal-ledger", "unit-unlogged"},
    _ledger_lines_swapped: {"ledger-chain"},
    _ledger_emptied: {"seal-ledger", "unit-unlogged"},
    _segment_removed: {"seal-ledger", "unit-unlogged"},
    _segment_renamed: {"seal-ledger"},
    _segment_added: {"seal-ledger"},
    _segmentation_edited: {"file-changed", "regions-differ", "seal-root"},
    _label_map_edited: {"file-changed", "regions-differ", "seal-root"},
    _list_box_moved: {"list-differs", "file-changed", "seal-root"},
    _list_world_box_moved: {"list-differs", "file-changed", "seal-root"},
    _list_fold_changed: {"list-differs", "file-changed", "seal-root"},
    _list_item_dropped: {"list-differs", "file-changed", "seal-root"},
    _list_code_changed: {"list-differs", "file-changed", "seal-root"},
    _list_code_dropped: {"list-differs", "file-changed", "seal-root"},
    _list_patient_changed: {"list-differs", "file-changed", "seal-root"},
    _description_edited: {"list-differs", "file-changed", "seal-root"},
    _description_removed: {"file-missing", "seal-root"},
    _profile_edited: {"profile-differs", "file-changed", "seal-root"},
    _format_of_the_future: {"format"},
    _date_edited: {"file-changed", "seal-root"},
    _page_edited: {"file-changed", "seal-root"},
    _seal_removed: {"seal-missing"},
    _seal_garbled: {"seal-malformed"},
    _seal_made_again_unsigned: {"seal-unsigned"},
    _seal_made_again_with_another_key: {"seal-signature"},
    _source_changed: {"source-missing"},
}


def cover(folder: Path, modality: str, change: Callable[[Record], Record] | None = None, *, lists: bool = True) -> None:
    root = folder / "out"
    rewrite(root, of(root, modality).unit, lambda r: redigest(root, change(r) if change else r), lists=lists)


def _covered_file_added_on_top(folder: Path) -> None:
    _file_added_on_top(folder)
    seal(folder / "out")


def _covered_file_in_a_folder_of_its_own(folder: Path) -> None:
    (folder / "out" / "variants-2").mkdir()
    (folder / "out" / "variants-2" / "image.dcm").write_bytes(image(folder).read_bytes())
    seal(folder / "out")


def _covered_pixel_in_a_box(folder: Path) -> None:
    _pixel_in_a_box(folder)
    cover(folder, "CT")


def _covered_voxel_of_a_nifti(folder: Path) -> None:
    path = image(folder, "", 0)
    volume = read_nifti(path)
    stored = volume.stored.copy()
    stored[1, 15, 15] += 1
    write_nifti(replace(volume, stored=stored), path)
    cover(folder, "")


def _covered_protected_pixel_outside_boxes(folder: Path) -> None:
    record = of(folder / "out", "CR")
    evidence = next(o.path for o in record.outputs if o.path.endswith("regions.dcm"))
    free = marks_of_segmentation(instance(folder / "out" / evidence), record)(FREE, 0)
    row, column = np.argwhere(~free & ~boxes_on(record, 0))[0]
    paint(folder / "out" / record.images[0].path, row, column)
    cover(folder, "CR")


def _covered_segmentation(folder: Path) -> None:
    _segmentation_edited(folder)
    cover(folder, "CT")


def _covered_box_moved(folder: Path) -> None:
    cover(folder, "CT", lambda r: replace(r, boxes=(replace(r.boxes[0], start=(1, 21, 25)), *r.boxes[1:])))


def _covered_box_outside(folder: Path) -> None:
    cover(folder, "CT", lambda r: replace(r, boxes=(replace(r.boxes[0], stop=(3, 65, 40)), *r.boxes[1:])), lists=False)


def _covered_box_relabelled(folder: Path) -> None:
    cover(folder, "CT", lambda r: replace(r, boxes=(replace(r.boxes[0], label="harmless"), *r.boxes[1:])))


def _covered_seed(folder: Path) -> None:
    cover(folder, "CR", lambda r: replace(r, seed="8"))


def _covered_recipe(folder: Path) -> None:
    cover(folder, "CR", lambda r: replace(r, seed="8", recipe={**r.recipe, "seed": "8"}))


def _covered_other_source(folder: Path) -> None:
    cover(folder, "CR", lambda r: replace(r, source=replace(r.source, sha256=("0" * 64,))))


def _covered_failed_check(folder: Path) -> None:
    cover(folder, "CR", lambda r: replace(r, checks=(*r.checks, CheckResult("seam", 9.0, (None, 1.0), False))))


def _covered_synthetic(folder: Path) -> None:
    edit(image(folder), lambda ds: setattr(ds, "SyntheticData", "NO"))
    cover(folder, "CT")


def _covered_not_derived(folder: Path) -> None:
    edit(image(folder), lambda ds: setattr(ds, "ImageType", ["ORIGINAL", *ds.ImageType[1:]]))
    cover(folder, "CT")


def _covered_said_to_be_carried_over(folder: Path) -> None:
    edit(image(folder), lambda ds: setattr(ds.DerivationCodeSequence[-1], "CodeValue", "CARRIED"))
    cover(folder, "CT")


def _covered_self_reference(folder: Path) -> None:
    def change(ds: pydicom.Dataset) -> None:
        ds.SourceImageSequence[0].ReferencedSOPInstanceUID = ds.SOPInstanceUID

    edit(image(folder), change)
    cover(folder, "CT")


def _covered_repeated_uid(folder: Path) -> None:
    uid = pydicom.dcmread(image(folder, "CT", 0)).SOPInstanceUID

    def change(ds: pydicom.Dataset) -> None:
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid

    edit(image(folder, "CT", 1), change)
    record = of(folder / "out", "CT")
    outputs = tuple(replace(o, sop_instance_uid=uid) if o == record.images[1] else o for o in record.outputs)
    cover(folder, "CT", lambda r: replace(r, outputs=outputs))


def _covered_sources_uid(folder: Path) -> None:
    def change(ds: pydicom.Dataset) -> None:
        ds.SeriesInstanceUID = of(folder / "out", "CT").source.series_uid

    edit(image(folder), change)
    cover(folder, "CT")


def _covered_slices_swapped(folder: Path) -> None:
    one, two = image(folder, "CT", 0), image(folder, "CT", 1)
    keep = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(keep)
    cover(folder, "CT")


def _covered_unit_removed(folder: Path) -> None:
    root = folder / "out"
    record = of(root, "CR")
    relog(root, [r for r in records(root) if r.unit != record.unit])
    shutil.rmtree(root / record.folder)
    seal(root)


COVERED = {
    _covered_file_added_on_top: {"file-unknown"},
    _covered_file_in_a_folder_of_its_own: {"file-unknown"},
    _covered_pixel_in_a_box: {"protected-changed"},
    _covered_voxel_of_a_nifti: {"protected-changed"},
    _covered_protected_pixel_outside_boxes: {"protected-changed"},
    _covered_segmentation: {"regions-differ"},
    _covered_box_moved: {"recipe-differs", "regions-differ"},
    _covered_box_outside: {"box-outside", "recipe-differs"},
    _covered_box_relabelled: {"recipe-differs"},
    _covered_seed: {"recipe-differs"},
    _covered_recipe: {"unit-key"},
    _covered_other_source: {"unit-key", "source-missing"},
    _covered_failed_check: {"gate"},
    _covered_synthetic: {"not-synthetic"},
    _covered_not_derived: {"not-derived"},
    _covered_said_to_be_carried_over: {"carried-changed"},
    _covered_self_reference: {"reference"},
    _covered_repeated_uid: {"uid-repeated"},
    _covered_sources_uid: {"uid-differs"},
    _covered_slices_swapped: {"reference", "protected-changed"},
    _covered_unit_removed: {"list-differs"},
}


# a file's whole content replaced: by what, and which fault is found for each file

JUNK = {
    "nothing": b"",
    "a list": b"[]",
    "an object": b"{}",
    "no text": b"\xff",
    "null": b"null",
    "50,000 open lists": b"[" * 50_000,
}
UNIT_JUNK = {"nothing": b"", "4,096 zeros": b"\0" * 4096, "a sentence": b"not an image"}
TOP_LEVEL = {
    "monai.json": "list-differs",
    "coco.json": "list-differs",
    "profile.yaml": "profile-differs",
    "seal.json": "seal-malformed",
    "FORMAT.json": "format",
    "plan.json": "list-differs",
}
IN_A_UNIT = {
    "image/0001.dcm": "unreadable",
    "evidence/regions.dcm": "unreadable",
    "evidence/boxes.dcm": "unreadable",
    "record.json": "record-differs",
}
