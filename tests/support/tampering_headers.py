"""What headers, evidence and checks may be made to say by somebody who makes every digest, the lists and the seal fit.

Each attack stands with its code, and with what is needed to see it: nothing but OUTPUT, or the source.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image

from medaug.audit.record import Record
from medaug.audit.seal import seal
from medaug.dicom.read.parse import instance
from medaug.formats.nifti import FIELDS, HEADER
from medaug.verification.evidence_marks import FREE, boxes_on, marks_of_segmentation
from tests.support.sound_output import of, records, redigest, rewrite, run
from tests.support.tampering import cover, edit, image

Attack = Callable[[Path], None]


def _said(modality: str, keyword: str, value: object) -> Attack:
    def attack(folder: Path) -> None:
        edit(image(folder, modality, 0), lambda ds: setattr(ds, keyword, value))
        cover(folder, modality)

    return attack


def _taken_out(keyword: str) -> Attack:
    def attack(folder: Path) -> None:
        edit(image(folder), lambda ds: delattr(ds, keyword))
        cover(folder, "CT")

    return attack


def _in_evidence(name: str, change: Callable[[pydicom.Dataset], None]) -> Attack:
    def attack(folder: Path) -> None:
        outputs = of(folder / "out", "CT").outputs
        edit(folder / "out" / next(o.path for o in outputs if o.path.endswith(name)), change)
        cover(folder, "CT")

    return attack


def _in_nifti(change: Callable[[np.ndarray], None]) -> Attack:
    """Through the header's fields, both transforms alike."""

    def attack(folder: Path) -> None:
        _change_header(image(folder, "", 0), change)
        cover(folder, "")

    return attack


def _change_header(path: Path, change: Callable[[np.ndarray], None]) -> None:
    content = bytearray(gzip.decompress(path.read_bytes()))
    header = np.frombuffer(content[: HEADER.itemsize], HEADER).copy()
    change(header)
    path.write_bytes(gzip.compress(header.tobytes() + bytes(content[HEADER.itemsize :]), 6, mtime=0))


def _in_label_map(change: Callable[[np.ndarray], None]) -> Attack:
    """Of a NIfTI's evidence."""

    def attack(folder: Path) -> None:
        root = folder / "out"
        path = root / next(o.path for o in of(root, "").outputs if Path(o.path).name == "regions.nii.gz")
        _change_header(path, change)
        cover(folder, "")

    return attack


def _packed_under_a_name(folder: Path) -> None:
    path = image(folder, "", 0)
    content, packed = gzip.decompress(path.read_bytes()), io.BytesIO()
    with gzip.GzipFile("DOE_JANE.nii", "wb", 6, packed, mtime=1) as stream:
        stream.write(content)
    path.write_bytes(packed.getvalue())
    cover(folder, "")


def _member(where: int) -> Attack:
    """An empty member with a name, before (0) or behind (1) what is read."""

    def attack(folder: Path) -> None:
        path, packed = image(folder, "", 0), io.BytesIO()
        gzip.GzipFile("DOE_JANE.nii", "wb", 6, packed, mtime=1).close()
        parts = [path.read_bytes()]
        parts.insert(where, packed.getvalue())
        path.write_bytes(b"".join(parts))
        cover(folder, "")

    return attack


def _affine(factor: float) -> Callable[[np.ndarray], None]:
    def change(header: np.ndarray) -> None:
        header["qform_code"] = 0
        header["srow"][0, 0] *= factor
        header["pixdim"][0, 1] *= abs(factor)

    return change


def _field(name: str, value: object) -> Callable[[np.ndarray], None]:
    assert name in FIELDS

    def change(header: np.ndarray) -> None:
        header[name] = value

    return change


def _move(ds: pydicom.Dataset) -> None:
    for element in ds.iterall():
        if element.keyword == "GraphicData":
            element.value = [float(x) + 50 for x in element.value]


def _harmless(ds: pydicom.Dataset) -> None:
    """Every finding gets another code."""
    findings = [
        item.ConceptCodeSequence[0]
        for item in _items(ds)
        if "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeMeaning == "Finding"
    ]
    assert findings
    for code in findings:
        code.CodeValue, code.CodeMeaning = "L0", "harmless"


def _items(ds: pydicom.Dataset) -> list[pydicom.Dataset]:
    found = list(ds.get("ContentSequence") or [])
    return found + [inner for item in found for inner in _items(item)]


def _swap_labels(ds: pydicom.Dataset) -> None:
    first, second = ds.SegmentSequence[:2]
    first.SegmentLabel, second.SegmentLabel = second.SegmentLabel, first.SegmentLabel


def _margin_painted_and_marked_free(folder: Path) -> None:
    root = folder / "out"
    record = of(root, "CR")
    path = root / next(o.path for o in record.outputs if o.path.endswith("regions.dcm"))
    free = marks_of_segmentation(instance(path), record)(FREE, 0)
    box = record.boxes[0]
    row, column = box.start[1] - 1, box.start[2]
    assert not free[row, column]
    assert not boxes_on(record, 0)[row, column]

    def mark(ds: pydicom.Dataset) -> None:
        bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
        for number, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
            if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == FREE:
                bits[number * free.size + row * free.shape[1] + column] = 1
        ds.PixelData = np.packbits(bits, bitorder="little").tobytes()

    def paint(ds: pydicom.Dataset) -> None:
        pixels = ds.pixel_array.copy()
        pixels[row, column] += 1
        ds.PixelData = pixels.tobytes()

    edit(path, mark)
    edit(image(folder, "CR", 0), paint)
    cover(folder, "CR")


def _variants_swapped(part: str) -> Attack:
    def attack(folder: Path) -> None:
        root = run(folder, variants=2)
        both = [record for record in records(root) if record.source.modality == "CR"]
        one, two = (root / record.folder / part for record in both)
        one.rename(folder / "passing")
        two.rename(one)
        (folder / "passing").rename(two)
        for record in both:
            rewrite(root, record.unit, partial(redigest, root))

    return attack


def _checks(change: Callable[[tuple], tuple]) -> Attack:
    def attack(folder: Path) -> None:
        cover(folder, "CR", lambda record: replace(record, checks=change(record.checks)))

    return attack


def _record(change: Callable[[Record], Record]) -> Attack:
    return lambda folder: cover(folder, "CR", change)


def _file(name: str, change: Callable[[Any], object]) -> Attack:
    """A JSON file of OUTPUT, or one of text, and a new seal."""

    def attack(folder: Path) -> None:
        path = folder / "out" / name
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))
        else:
            path.write_text(f"{path.read_text()}{change(path)}")
        seal(folder / "out")

    return attack


def _move_a_frame(ds: pydicom.Dataset) -> None:
    ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = [9, 9, 9]


def _private(folder: Path) -> None:
    path = image(folder, "CR", 0)
    edit(path, lambda ds: ds.private_block(0x0029, "X", create=True).add_new(1, "LO", "hidden"))
    cover(folder, "CR")


def _beginning(change: Callable[[pydicom.Dataset], None]) -> Attack:
    def attack(folder: Path) -> None:
        edit(image(folder, "CR", 0), change)
        cover(folder, "CR")

    return attack


def _private_meta(ds: pydicom.Dataset) -> None:
    ds.file_meta.PrivateInformationCreatorUID, ds.file_meta.PrivateInformation = "1.2.3", b"DOE^JANE"


def _page_changed(folder: Path) -> None:
    path = folder / "out" / "index.html"
    path.write_text(f"{path.read_text()}<p>all is well</p>")
    cover(folder, "CR")


def _preview_repainted(folder: Path) -> None:
    record = of(folder / "out", "CR")
    path = folder / "out" / next(output.path for output in record.outputs if output.path.endswith(".png"))
    with Image.open(path) as picture:
        blank = Image.new(picture.mode, picture.size)
    blank.save(path)
    cover(folder, "CR")


OUTPUT, SOURCE, KEY = "OUTPUT alone", "`--source`", "`--public-key`"
NAME = b"DOE^JANE".ljust(128, b"\0")
LUT = pydicom.Dataset()
LUT.LUTDescriptor, LUT.ModalityLUTType = [2, 0, 16], "US"
LUT.add_new("LUTData", "OW", b"\1\0\0\0")

# what was done: (attack, code, what is needed)
REMADE: dict[str, tuple[Attack, str, str]] = {
    "presentation shape inverted": (_said("CT", "PresentationLUTShape", "INVERSE"), "header-differs", SOURCE),
    "modality LUT added": (_said("CR", "ModalityLUTSequence", [LUT]), "header-differs", SOURCE),
    "another pixel aspect ratio": (_said("CR", "PixelAspectRatio", [2, 1]), "header-differs", SOURCE),
    "another laterality": (_said("CR", "Laterality", "L"), "header-differs", SOURCE),
    "another modality": (_said("CR", "Modality", "DX"), "header-differs", SOURCE),
    "another patient": (_said("CR", "PatientID", "somebody"), "evidence-differs", OUTPUT),
    "another study": (_said("CR", "StudyInstanceUID", "1.2.3"), "reference", OUTPUT),
    "derivation code taken out": (_taken_out("DerivationCodeSequence"), "header-differs", OUTPUT),
    "contributing equipment taken out": (_taken_out("ContributingEquipmentSequence"), "header-differs", OUTPUT),
    "qualified as a product": (_said("CT", "ContentQualification", "PRODUCT"), "header-differs", OUTPUT),
    "variants' images swapped": (_variants_swapped("image"), "uid-differs", OUTPUT),
    "variants' folders swapped": (_variants_swapped(""), "uid-differs", OUTPUT),
    "boxes.dcm moved by 50 px": (_in_evidence("boxes.dcm", _move), "evidence-differs", OUTPUT),
    "finding's code changed": (_in_evidence("boxes.dcm", _harmless), "evidence-differs", OUTPUT),
    "segments' labels swapped": (_in_evidence("regions.dcm", _swap_labels), "evidence-differs", OUTPUT),
    "evidence not synthetic": (
        _in_evidence("regions.dcm", lambda ds: setattr(ds, "SyntheticData", "NO")), "not-synthetic", OUTPUT,
    ),
    "margin painted and marked as free": (_margin_painted_and_marked_free, "regions-differ", OUTPUT),
    "NIfTI mirrored": (_in_nifti(_affine(-1)), "grid-differs", OUTPUT),
    "NIfTI's spacing doubled": (_in_nifti(_affine(2)), "grid-differs", OUTPUT),
    "NIfTI's slope 7": (_in_nifti(_field("scl_slope", 7)), "header-differs", SOURCE),
    "SYNTHETIC taken out of NIfTI": (_in_nifti(_field("descrip", b"")), "header-differs", OUTPUT),
    "a member before NIfTI's gzip stream": (_member(0), "header-differs", OUTPUT),
    "a member behind NIfTI's gzip stream": (_member(1), "header-differs", OUTPUT),
    "a name in NIfTI's gzip stream": (_packed_under_a_name, "header-differs", OUTPUT),
    "NIfTI's label map mirrored": (_in_label_map(_affine(-1)), "evidence-differs", OUTPUT),
    "NIfTI's label map with slope 2": (_in_label_map(_field("scl_slope", 2)), "evidence-differs", OUTPUT),
    "SYNTHETIC taken out of NIfTI's label map": (_in_label_map(_field("descrip", b"")), "evidence-differs", OUTPUT),
    "check outside its limit passed": (
        _checks(lambda found: (replace(found[0], value=9.0), *found[1:])), "gate", OUTPUT,
    ),
    "a check's limit widened": (
        _checks(lambda found: (replace(found[0], limit=(None, 99.0)), *found[1:])), "gate", OUTPUT,
    ),
    "no check recorded": (_checks(lambda _: ()), "gate", OUTPUT),
    "a check renamed": (_checks(lambda found: (replace(found[0], name="other"), *found[1:])), "gate", OUTPUT),
    "METHODS.md changed": (_file("METHODS.md", lambda _: "no pixel was generated"), "list-differs", OUTPUT),
    "licence in the crate changed": (
        _file("ro-crate-metadata.json", lambda data: data["@graph"][1].update(license="mine")), "list-differs", OUTPUT,
    ),
    "croissant.json's words changed": (
        _file("croissant.json", lambda data: data.update(description="real images")), "list-differs", OUTPUT,
    ),
    "a unit taken out of plan.json": (_file("plan.json", lambda data: data["units"].pop()), "list-differs", OUTPUT),
    "another run named in FORMAT.json": (
        _file("FORMAT.json", lambda data: data.update(run="f" * 16)), "uid-differs", OUTPUT,
    ),
    "a frame of the segmentation elsewhere": (_in_evidence("regions.dcm", _move_a_frame), "regions-differ", OUTPUT),
    "report said to be verified": (
        _in_evidence("boxes.dcm", lambda ds: setattr(ds, "VerificationFlag", "VERIFIED")), "evidence-differs", OUTPUT,
    ),
    "a finding taken out of the report": (
        _in_evidence("boxes.dcm", lambda ds: ds.ContentSequence.pop()), "evidence-differs", OUTPUT,
    ),
    "a name in the preamble": (_beginning(lambda ds: setattr(ds, "preamble", NAME)), "header-differs", OUTPUT),
    "a title in the file meta": (
        _beginning(lambda ds: setattr(ds.file_meta, "SourceApplicationEntityTitle", "DOE_JANE")),
        "header-differs", OUTPUT,
    ),
    "a private value in the file meta": (_beginning(_private_meta), "header-differs", OUTPUT),
    "a name in the report's preamble": (
        _in_evidence("boxes.dcm", lambda ds: setattr(ds, "preamble", NAME)), "evidence-differs", OUTPUT,
    ),
    "another source instance named": (
        _record(lambda r: replace(r, source=replace(r.source, instance_uids=("1.2.3",)))), "reference", OUTPUT,
    ),
    "another source series named": (
        _record(lambda r: replace(r, source=replace(r.source, series_uid="1.2.3"))), "reference", SOURCE,
    ),
    "another prior named": (
        _record(lambda r: replace(r, prior=replace(r.prior, name="other") if r.prior else None)),
        "header-differs", SOURCE,
    ),
    "private element added": (_private, "header-differs", SOURCE),
    "window changed": (_said("CR", "WindowCenter", 7), "header-differs", SOURCE),
    "words of the derivation changed": (_said("CR", "DerivationDescription", "denoised"), "header-differs", SOURCE),
    "preview repainted": (_preview_repainted, "seal-unsigned", KEY),
    "index.html changed": (_page_changed, "seal-unsigned", KEY),
    "another device recorded": (_record(lambda record: replace(record, device="cuda")), "seal-unsigned", KEY),
    "a check's figure made better": (
        _checks(lambda found: tuple(replace(each, value=each.value / 2) for each in found)), "seal-unsigned", KEY,
    ),
}  # fmt: skip
