"""A run whose law sets lesions in: both sources in record, headers and lists; what verify finds and a replay makes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import medaug
from medaug.audit import ledger
from medaug.audit.record import Record
from medaug.errors import ManifestError, ProfileError
from medaug.execution.planning.plan import plan
from medaug.execution.replay import replay
from medaug.imaging.boxes import Box
from medaug.imaging.graft import area_of, grafted_plane, mask_of
from medaug.manifests.nnunet import label_map
from medaug.manifests.splits import fold_of, for_training
from medaug.manifests.variants_of import VariantsOf
from medaug.verification.verify import verify
from tests.support import make
from tests.support.small_runs import boxes, contents, small_profile
from tests.support.sound_output import redigest, rewrite
from tests.support.tampering import codes, edit, paint

LAW = {"kind": "transplant", "ring": 0.08, "likeness": 0.3, "tried": 4, "margin": {"value": 0.01}}
NAMES = ("x1.dcm", "x2.dcm", "x3.dcm", "x4.dcm")


def export(folder: Path) -> Path:
    """Limbs of four patients: two labelled, one not, one of another part; and a CT."""
    for name in NAMES:
        path = make.radiograph(folder, name=name, rows=120, columns=100, seed=int(name[1]))
        if name == "x4.dcm":
            edit(path, lambda ds: setattr(ds, "BodyPartExamined", "HAND"))
    make.series(folder / "ct", slices=4, seed=9)
    return folder


def run(folder: Path, source: str, output: str, labelled: tuple[str, str], **options: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        medaug.run(
            folder / source,
            folder / output,
            profile=small_profile(folder, regions=LAW),
            annotations=boxes(folder / "boxes.json", labelled),
            seed=3,
            key=folder / "key",
            **options,
        )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transplant")
    (folder / "key").write_bytes(bytes(range(32)))
    export(folder / "in")
    run(folder, "in", "out", NAMES[:2])
    return folder


def records(out: Path) -> list[Record]:
    return sorted(ledger.read(out / "ledger"), key=lambda record: record.source.series_uid)


def normal(out: Path) -> Record:
    """Of the host without labels."""
    (found,) = (record for record in records(out) if record.transplant and not record.transplant.boxes)
    return found


def source_of(ran: Path, uid: str) -> pydicom.Dataset:
    (found,) = (ds for name in NAMES for ds in (pydicom.dcmread(ran / "in" / name),) if uid == ds.SOPInstanceUID)
    return found


def test_lesions_are_the_donor_s_by_the_recorded_map_and_all_beyond_the_window_is_the_host_s(ran: Path) -> None:
    found = records(ran / "out")
    assert [record.status for record in found] == ["written"] * 3
    for record in found:
        made = record.transplant
        assert made is not None
        host, donor = (source_of(ran, of.instance_uids[0]).pixel_array for of in record.shown)
        after = pydicom.dcmread(ran / "out" / record.images[0].path).pixel_array
        lesion = area_of(made.graft.place)
        np.testing.assert_array_equal(after[lesion], made.graft.grey.of(donor[area_of(made.graft.area)]))
        outside = ~mask_of(made.graft.window, host.shape)
        np.testing.assert_array_equal(after[outside], host[outside])
        ring = ~outside & ~mask_of(made.graft.place, host.shape)
        assert (after != grafted_plane(host, donor, made.graft))[ring].mean() > 0.3
        assert record.boxes == (*made.boxes, made.graft.placed(made.lesion))
        assert record.source_boxes == made.boxes
        assert record.source.patient != made.donor.patient
        assert Record.from_json(record.to_json()) == record


def test_other_parts_and_volumes_are_planned_out_with_a_sentence(ran: Path) -> None:
    skips = {skip["code"]: skip for skip in json.loads((ran / "out" / "plan.json").read_text())["skips"]}
    assert "none of the lesions that were tried" in skips["no-donor"]["reason"]
    assert skips["no-donor"]["series_uid"] == pydicom.dcmread(ran / "in" / "x4.dcm").SeriesInstanceUID
    assert "transplants are for radiographs and pictures, found 4 slices" in skips["not-planar"]["reason"]


def test_headers_name_both_sources_and_say_what_was_set_in(ran: Path) -> None:
    record = normal(ran / "out")
    assert record.transplant is not None
    ds = pydicom.dcmread(ran / "out" / record.images[0].path)
    named = [(i.ReferencedSOPInstanceUID, i.SpatialLocationsPreserved) for i in ds.SourceImageSequence]
    assert named == [(record.source.instance_uids[0], "YES"), (record.transplant.donor.instance_uids[0], "NO")]
    purposes = {i.PurposeOfReferenceCodeSequence[0].CodeValue for i in ds.SourceImageSequence}
    assert purposes == {"121322"}
    codes = [(c.CodeValue, c.CodingSchemeDesignator) for c in ds.DerivationCodeSequence]
    assert codes == [("TRANSPLANT", "99MEDAUG"), ("GENERATED", "99MEDAUG")]
    assert "a labelled lesion of another image set in: its rows" in ds.DerivationDescription
    assert ds.StudyInstanceUID == record.source.study_uid


def test_lists_name_both_patients_and_both_folds(ran: Path) -> None:
    record = normal(ran / "out")
    made = record.transplant
    assert made is not None
    items = json.loads((ran / "out" / "monai.json").read_text())["training"]
    (item,) = (item for item in items if item["medaug"]["unit"] == record.unit)
    assert "fold" not in item
    assert item["folds"] == [fold_of(record.source.patient), fold_of(made.donor.patient)]
    about = item["medaug"]
    assert (about["donor"], about["donor_patient"]) == (made.donor.key, made.donor.patient)
    assert about["donor_name"] != about["source_name"] != ""
    images = json.loads((ran / "out" / "coco.json").read_text())["images"]
    (image,) = (image for image in images if image["medaug"]["unit"] == record.unit)
    assert image["medaug"]["donor_sha256"] == made.donor.sha256[0]
    described = (ran / "out" / "croissant.json").read_text()
    assert "variants/donor_patient" in described
    assert "variants/fold" not in described


def test_a_variant_stays_out_of_training_where_either_patient_is_judged_on(ran: Path) -> None:
    record = normal(ran / "out")
    assert record.transplant is not None
    sides = {record.source.series_uid: "training", record.transplant.donor.series_uid: "training"}
    assert for_training([record], sides, leave_out=True) == (record,)
    for uid in sides:
        assert for_training([record], sides | {uid: "validation"}, leave_out=True) == ()
        with pytest.raises(ManifestError, match="in validation"):
            for_training([record], sides | {uid: "validation"}, leave_out=False)
    with pytest.raises(ManifestError, match="isn't in the table"):
        for_training([record], {record.source.series_uid: "training"}, leave_out=False)


def test_who_keeps_an_item_s_boxes_refuses_and_so_does_who_needs_a_mask(ran: Path) -> None:
    with pytest.raises(ManifestError, match="moved or added labels"):
        VariantsOf.in_place(ran / "out", "RandVariantd")
    with pytest.raises(ManifestError, match="only its box is known"):
        label_map(normal(ran / "out"), {"lesion": np.zeros((1, 120, 100), dtype=bool)}, ["lesion"])
    with pytest.raises(ProfileError, match="needs labels"):
        plan(ran / "in", profile=small_profile(ran / "other", regions=LAW, unlabelled="keep-nothing"), annotations=())


def test_verify_sets_the_lesion_in_again_and_a_replay_makes_the_same(ran: Path) -> None:
    verdict = verify(ran / "out", source=ran / "in")
    assert verdict.faults == ()
    assert verdict.compared > 3 * 10_000
    units = [record.unit for record in records(ran / "out")]
    assert [again.same for again in replay(ran / "out", units, ran / "in")] == [True] * 3


def test_neither_names_and_order_of_files_nor_who_does_which_unit_changes_a_byte(ran: Path) -> None:
    shutil.copytree(ran / "in", ran / "renamed")
    for name in NAMES:
        (ran / "renamed" / name).rename(ran / "renamed" / f"moved-{9 - int(name[1])}.dcm")
    for share in ((1, 2), (0, 2)):
        run(ran, "renamed", "again", ("moved-8.dcm", "moved-7.dcm"), shard=share)
    assert contents(ran / "again") == contents(ran / "out")


def tampered(ran: Path, folder: Path, change: Callable[[Record], Record]) -> set[str]:
    """What verify finds once the host's record, lists and seal say something else."""
    shutil.copytree(ran / "out", folder)
    rewrite(folder, normal(folder).unit, change)
    return codes(verify(folder, source=ran / "in"))


def paler(record: Record) -> Record:
    assert record.transplant is not None
    graft = record.transplant.graft
    grey = replace(graft.grey, offset=graft.grey.offset + (1 << 16))
    return replace(record, transplant=replace(record.transplant, graft=replace(graft, grey=grey)))


def elsewhere(record: Record) -> Record:
    box = record.boxes[-1]
    return replace(record, boxes=(Box(tuple(n + bool(n) for n in box.start), box.stop, box.label),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (paler, "protected-changed"),
        (elsewhere, "transplant-differs"),
        (lambda record: replace(record, transplant=None), "transplant-differs"),
        (
            lambda record: replace(record, transplant=replace(record.transplant, sop_class="")),
            "transplant-differs",
        ),
    ],
)
def test_what_contradicts_the_record_is_found(
    ran: Path, tmp_path: Path, change: Callable[[Record], Record], code: str
) -> None:
    assert code in tampered(ran, tmp_path / "out", change)


@pytest.mark.parametrize("where", ["lesion", "outside"])
def test_a_pixel_that_is_neither_the_donor_s_nor_the_host_s_is_found(ran: Path, tmp_path: Path, where: str) -> None:
    shutil.copytree(ran / "out", tmp_path / "out")
    record = normal(tmp_path / "out")
    assert record.transplant is not None
    top, bottom, left, right = record.transplant.graft.place
    row, column = ((top + bottom) // 2, (left + right) // 2) if where == "lesion" else (0, 0)
    paint(tmp_path / "out" / record.images[0].path, row, column)
    rewrite(tmp_path / "out", record.unit, lambda found: redigest(tmp_path / "out", found))
    assert "protected-changed" in codes(verify(tmp_path / "out", source=ran / "in"))
    assert "protected-changed" not in codes(verify(tmp_path / "out"))


def test_without_evidence_the_window_says_what_may_differ(ran: Path, tmp_path: Path) -> None:
    bare = small_profile(
        tmp_path, regions=LAW | {"hosts": "unlabelled"}, evidence={"segmentation": False, "report": False}
    )
    medaug.run(ran / "in", tmp_path / "out", profile=bare, annotations=boxes(tmp_path / "boxes.json"), seed=3)
    (record,) = records(tmp_path / "out")  # of the only host without labels that is of the same part
    assert record.transplant is not None
    assert record.transplant.boxes == ()
    assert verify(tmp_path / "out", source=ran / "in").faults == ()
    top, _, left, _ = record.transplant.graft.window
    paint(tmp_path / "out" / record.images[0].path, top - 1, left)
    rewrite(tmp_path / "out", record.unit, lambda found: redigest(tmp_path / "out", found))
    assert "protected-changed" in codes(verify(tmp_path / "out", source=ran / "in"))


def test_a_donor_of_several_slices_is_no_record(ran: Path) -> None:
    text = json.loads(normal(ran / "out").to_json())
    text["transplant"]["donor"]["instance_uids"] = []
    with pytest.raises(ValueError, match="a donor of one slice"):
        Record.from_json(json.dumps(text))


def test_without_the_donor_s_file_verify_says_so(ran: Path, tmp_path: Path) -> None:
    record = normal(ran / "out")
    assert record.transplant is not None
    shutil.copytree(ran / "in", tmp_path / "in")
    for name in NAMES:
        if pydicom.dcmread(tmp_path / "in" / name).SOPInstanceUID == record.transplant.donor.instance_uids[0]:
            (tmp_path / "in" / name).unlink()
    faults = [fault for fault in verify(ran / "out", source=tmp_path / "in").faults if fault.unit == record.unit]
    assert [fault.code for fault in faults] == ["source-missing"]
    assert "whose lesion was set in" in faults[0].message
