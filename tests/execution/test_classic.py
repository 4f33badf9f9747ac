"""A run whose law is classic: copies as files, with nothing generated, no prior loaded, and a map that proves them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import yaml
from PIL import Image
from scipy.ndimage import map_coordinates

import medaug
from medaug import assemble
from medaug.audit import ledger
from medaug.audit.record import Record
from medaug.cli.messages import show_plan
from medaug.errors import ManifestError, ProfileError, RunError
from medaug.execution.planning.foresight import foresee
from medaug.execution.planning.plan import plan
from medaug.execution.preview import preview
from medaug.execution.replay import replay
from medaug.manifests.variants_of import VariantsOf
from medaug.profile.load import load_profile
from medaug.torch.coco_items import read_coco
from medaug.verification.verify import verify
from tests.support import make
from tests.support.small_runs import boxes
from tests.support.sound_output import redigest, rewrite
from tests.support.tampering import codes, edit, paint

STEP = 0.2  # mm
Pixels = npt.NDArray[np.float64]


def profile(folder: Path, **changes: object) -> str:
    path = folder / "copies.yaml"
    stated = load_profile("bone-xray-classic").model_dump(mode="json") | {"name": "copies"}
    stated["modalities"] = ["CR", "DX", "CT", "RASTER"]
    path.write_text(yaml.safe_dump(stated | {"classic": {"rotate": 12, "scale": 0.2}} | changes))
    return str(path)


def unloadable(*_: object, **__: object) -> None:
    raise AssertionError("a prior was loaded")


def run(folder: Path, out: Path, **options: object) -> None:
    stated = {"profile": str(folder / "copies.yaml"), "annotations": folder / "boxes.json", "variants": 2, "seed": 3}
    medaug.run(folder / "in", out, accept_identity="phantoms", **stated | options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A radiograph, a picture of it and a CT in in/, two copies of each of the first two in out/."""
    folder = tmp_path_factory.mktemp("classic")
    source = make.radiograph(folder / "in", name="x1.dcm", rows=120, columns=100, seed=1)

    def state(ds: pydicom.Dataset) -> None:
        ds.ShutterShape, ds.ImagerPixelSpacing, ds.Laterality = "RECTANGULAR", [STEP, STEP], "L"
        ds.FieldOfViewRotation, ds.FieldOfViewDimensions = 0, [24, 20]

    edit(source, state)
    pixels = pydicom.dcmread(source).pixel_array
    Image.fromarray((pixels // 16).astype(np.uint8)).save(folder / "in" / "x2.png")
    make.series(folder / "in" / "ct", slices=4, seed=9)
    boxes(folder / "boxes.json", ("x1.dcm", "x2.png"))
    profile(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_prior", "load_embedded", "load_folder"):
            patch.setattr(assemble, name, unloadable)
        run(folder, folder / "out")
    return folder


def records(out: Path) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in ledger.read(out / "ledger"):
        found.setdefault(str(record.source.format), []).append(record)
    return found


def shown(path: Path) -> Pixels:
    if path.suffix == ".dcm":
        return np.asarray(pydicom.dcmread(path).pixel_array, dtype=np.float64)
    return np.asarray(Image.open(path), dtype=np.float64)


def resampled(source: Pixels, record: Record) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """By SciPy's cubic splines along the recorded matrix; and where the source has data, a pixel from its border."""
    assert record.moved is not None
    (part,) = record.moved.motions.parts
    i, j = np.mgrid[: source.shape[0], : source.shape[1]].astype(np.float64)
    ii, ij, ji, jj = (entry / 2**24 for entry in part.matrix)
    down = i + ii * i + ij * j + part.shift[0] / 2**16
    along = j + ji * i + jj * j + part.shift[1] / 2**16
    inside = (down >= 2) & (down <= source.shape[0] - 3) & (along >= 2) & (along <= source.shape[1] - 3)
    return map_coordinates(source, [down, along], order=3, mode="nearest"), inside


@pytest.mark.parametrize(("kind", "name"), [("dicom", "x1.dcm"), ("png", "x2.png")])
def test_pixels_are_the_source_s_along_the_recorded_map(ran: Path, kind: str, name: str) -> None:
    source = shown(ran / "in" / name)
    for record in records(ran / "out")[kind]:
        expected, inside = resampled(source, record)
        made = shown(ran / "out" / record.images[0].path)
        assert inside.mean() > 0.5
        off = np.abs(made - expected)[inside]
        assert np.median(off) <= 0.02 * np.ptp(source)  # another kernel, and noise that isn't interpolated
        assert np.corrcoef(made[inside], expected[inside])[0, 1] > 0.97
        unmoved = np.corrcoef(made[inside], source[inside])[0, 1]
        assert unmoved < np.corrcoef(made[inside], expected[inside])[0, 1] - 0.005


def test_what_lies_beyond_the_source_is_dark_and_no_copy_of_anything(ran: Path) -> None:
    for record in records(ran / "out")["png"]:
        assert record.moved is not None
        (part,) = record.moved.motions.parts
        made, source = shown(ran / "out" / record.images[0].path), shown(ran / "in" / "x2.png")
        ii, ij, ji, jj = (entry / 2**24 for entry in part.matrix)
        i, j = np.mgrid[:120, :100].astype(np.float64)
        down, along = i + ii * i + ij * j + part.shift[0] / 2**16, j + ji * i + jj * j + part.shift[1] / 2**16
        beyond = (down < -0.6) | (down > 119.6) | (along < -0.6) | (along > 99.6)
        if beyond.any():
            assert set(made[beyond]) == {source.min()}
    assert len(records(ran / "out")["png"]) == 2


def test_boxes_follow_and_hold_the_same_lesion(ran: Path) -> None:
    for record in (one for each in records(ran / "out").values() for one in each):
        assert record.moved is not None
        assert record.geometry is not None
        (part,) = record.moved.motions.parts
        (box,), (before,) = record.boxes, record.moved.boxes
        to_source = np.array(part.matrix).reshape(2, 2) / 2**24 + np.eye(2)
        corners = np.array([(i, j) for i in (before.start[1] - 0.5, before.stop[1] - 0.5)
                            for j in (before.start[2] - 0.5, before.stop[2] - 0.5)])  # fmt: skip
        there = np.linalg.solve(to_source, (corners - np.array(part.shift) / 2**16).T).T
        low, high = there.min(axis=0) + 0.5, there.max(axis=0) + 0.5
        np.testing.assert_allclose([*box.start[1:]], low, atol=1.6)
        np.testing.assert_allclose([*box.stop[1:]], high, atol=1.6)


def test_records_say_that_nothing_was_generated(ran: Path) -> None:
    found = [one for each in records(ran / "out").values() for one in each]
    assert [record.status for record in found] == ["written"] * 4
    for record in found:
        assert (record.kind, record.prior, record.checks, record.threads) == ("classic", None, (), None)
        assert record.recipe["prior_sha256"] == ""
        assert Record.from_json(record.to_json()) == record
        assert not any("regions" in output.path and "evidence" in output.path for output in record.outputs)
    assert len({record.images[0].pixels_sha256 for record in found}) == 4


def test_headers_say_what_was_done_and_keep_sizes_true(ran: Path) -> None:
    for record in records(ran / "out")["dicom"]:
        assert record.moved is not None
        ds = pydicom.dcmread(ran / "out" / record.images[0].path)
        stated = [(c.CodeValue, c.CodingSchemeDesignator) for c in ds.DerivationCodeSequence]
        assert stated == [("113085", "DCM"), ("CLASSIC", "99MEDAUG")]
        assert (ds.SyntheticData, ds.ContentQualification, ds.ImageType[0]) == ("NO", "RESEARCH", "DERIVED")
        assert "pixels resampled, none generated, by medaug" in ds.DerivationDescription
        assert "prior" not in ds.DerivationDescription
        assert "mirrored" not in ds.DerivationDescription
        assert [item.SpatialLocationsPreserved for item in ds.SourceImageSequence] == ["NO"]
        assert ds.SeriesDescription == f"CLASSIC COPY medaug {record.variant}"
        assert ds.Laterality == "L"
        assert not {"ShutterShape", "FieldOfViewRotation", "FieldOfViewDimensions"}.intersection(ds.dir())
        scale = record.moved.motions.parts[0].scale
        assert scale != pytest.approx(1, abs=0.005)
        np.testing.assert_allclose([float(x) for x in ds.ImagerPixelSpacing], STEP / scale, rtol=1e-6)
        assert record.geometry is not None
        np.testing.assert_allclose(record.geometry.spacing[1:], STEP / scale, rtol=1e-6)
        labels = pydicom.dcmread(ran / "out" / record.folder / "evidence" / "boxes.dcm")
        assert labels.SyntheticData == "NO"
        assert "SYNTHETIC" not in labels.SeriesDescription
    for record in records(ran / "out")["png"]:
        with Image.open(ran / "out" / record.images[0].path) as image:
            assert image.info["Description"].startswith("CLASSIC COPY")


def test_lists_and_words_tell_copies_from_variants(ran: Path) -> None:
    listed = json.loads((ran / "out" / "monai.json").read_text())
    assert {(item["medaug"]["classic"], item["medaug"]["synthetic"]) for item in listed["training"]} == {(True, True)}
    assert listed["description"].startswith("Classic copies")
    coco = json.loads((ran / "out" / "coco.json").read_text())
    assert [image["medaug"]["classic"] for image in coco["images"]] == [True] * 4
    assert {(item.synthetic, item.classic) for item in read_coco(ran / "out" / "coco.json", ran / "out")} == {
        (True, True)
    }
    assert sum(map(len, VariantsOf.read(ran / "out").variants.values())) == 4
    methods = (ran / "out" / "METHODS.md").read_text()
    for fact in ("made 4 classic copies", "turned by up to 12°", "scaled by up to 20%", "nothing was generated"):
        assert fact in methods
    assert "diffusion" not in methods
    page = (ran / "out" / "index.html").read_text()
    assert "classic copies written" in page
    assert "synthetic" not in page
    assert "synthetic" not in (ran / "out" / "croissant.json").read_text()


def test_volumes_are_left_out_with_a_sentence(ran: Path) -> None:
    skips = json.loads((ran / "out" / "plan.json").read_text())["skips"]
    assert [skip["code"] for skip in skips] == ["not-planar"]


def test_verify_applies_the_map_to_every_pixel(ran: Path) -> None:
    verdict = verify(ran / "out", source=ran / "in")
    assert verdict.faults == ()
    assert verdict.compared == 4 * 120 * 100
    assert not any("evidence of their regions" in sentence for sentence in verdict.unchecked)


@pytest.mark.parametrize("kind", ["dicom", "png"])
@pytest.mark.parametrize("place", ["box", "corner"])
def test_a_pixel_that_is_not_the_map_s_is_found_wherever_it_lies(
    kind: str, place: str, ran: Path, tmp_path: Path
) -> None:
    shutil.copytree(ran, tmp_path / "copy")
    root = tmp_path / "copy" / "out"
    record = records(root)[kind][0]
    (_, top, left), (_, bottom, right) = record.boxes[0].start, record.boxes[0].stop
    at = ((top + bottom) // 2, (left + right) // 2) if place == "box" else (0, 0)
    path = root / record.images[0].path
    if kind == "dicom":
        paint(path, *at)
    else:
        with Image.open(path) as image:
            pixels, text = np.array(image), image.text  # type: ignore[attr-defined]
        from PIL.PngImagePlugin import PngInfo

        said = PngInfo()
        for name, value in text.items():
            said.add_text(name, value)
        pixels[at] ^= 64
        Image.fromarray(pixels).save(path, pnginfo=said)
    rewrite(root, record.unit, lambda found: redigest(root, found))
    assert codes(verify(root, source=ran / "in")) >= {"protected-changed"}
    assert "protected-changed" not in codes(verify(root))


TAMPERED: dict[str, tuple[Callable[[Record], Record], str]] = {
    "a variant, by its record": (lambda r: replace(r, kind=""), "copy-differs"),
    "made without a map": (lambda r: replace(r, moved=None, boxes=r.source_boxes), "moved-differs"),
    "boxes where they were": (lambda r: replace(r, boxes=r.source_boxes), "moved-differs"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_record_that_says_otherwise_is_found(what: str, ran: Path, tmp_path: Path) -> None:
    shutil.copytree(ran / "out", tmp_path / "out")
    change, code = TAMPERED[what]
    rewrite(tmp_path / "out", records(tmp_path / "out")["dicom"][0].unit, change)
    assert code in codes(verify(tmp_path / "out"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda ds: ds.DerivationCodeSequence.pop(), "copy-differs"),
        (lambda ds: setattr(ds, "SyntheticData", "MAYBE"), "not-synthetic"),
        (lambda ds: setattr(ds, "ImagerPixelSpacing", [STEP, STEP]), "header-differs"),
        (lambda ds: setattr(ds, "Laterality", "R"), "header-differs"),
        (lambda ds: setattr(ds, "PatientOrientation", ["R", "F"]), "meaning-differs"),
    ],
)
def test_a_header_that_says_otherwise_is_found(
    change: Callable[[pydicom.Dataset], object], code: str, ran: Path, tmp_path: Path
) -> None:
    shutil.copytree(ran, tmp_path / "copy")
    root = tmp_path / "copy" / "out"
    record = records(root)["dicom"][0]
    edit(root / record.images[0].path, change)
    rewrite(root, record.unit, lambda found: redigest(root, found))
    assert code in codes(verify(root, source=ran / "in"))


def test_a_replay_draws_the_same_copies(ran: Path) -> None:
    units = [record.unit for record in ledger.read(ran / "out" / "ledger")]
    assert [again.same for again in replay(ran / "out", units, ran / "in")] == [True] * 4


def digests(out: Path) -> dict[str, str]:
    return {
        output.path: output.sha256 for each in records(out).values() for record in each for output in record.outputs
    }


def test_one_that_was_stopped_goes_on_to_the_same_bytes(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, out = ran / "out" / "private" / "key", tmp_path / "out"
    created = json.loads((ran / "out" / "FORMAT.json").read_text())["created"]
    from datetime import datetime

    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(datetime.fromisoformat(created).timestamp())))
    run(ran, out, key=key, variants=1)
    assert len(digests(out)) < len(digests(ran / "out"))
    run(ran, out, key=key, extend=True)
    assert digests(out) == digests(ran / "out")
    other = tmp_path / "processes"
    run(ran, other, key=key, workers=2)
    assert digests(other) == digests(ran / "out")


def test_a_flip_is_the_picture_mirrored_exactly_and_its_box_with_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    i, j = np.mgrid[:120, :100]
    rng = np.random.default_rng(5)
    smooth = (100 + 40 * np.sin(i / 40) * np.cos(j / 30) + rng.normal(0, 2, i.shape)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "in" / "x2.png")
    boxes(tmp_path / "boxes.json", ("x2.png",))
    profile(tmp_path, classic={"flip": ["left-right"], "markers": "none"})
    run(tmp_path, tmp_path / "out", variants=1)
    (record,) = records(tmp_path / "out")["png"]
    assert np.array_equal(shown(tmp_path / "out" / record.images[0].path), smooth[:, ::-1])
    (box,), (before,) = record.boxes, record.source_boxes
    assert (box.start[2], box.stop[2]) == (100 - before.stop[2], 100 - before.start[2])
    assert verify(tmp_path / "out", source=tmp_path / "in").faults == ()


def test_images_without_labels_may_be_copied_too(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100, seed=1)
    profile(tmp_path, unlabelled="keep-nothing")
    run(tmp_path, tmp_path / "out", annotations=(), variants=1)
    (record,) = records(tmp_path / "out")["dicom"]
    assert (record.status, record.boxes) == ("written", ())
    assert verify(tmp_path / "out", source=tmp_path / "in").faults == ()


def test_what_would_do_nothing_is_refused(ran: Path, tmp_path: Path) -> None:
    for option in ({"protect": (ran / "in",)}, {"within": (ran / "in",)}):
        with pytest.raises(RunError, match="leave them out"):
            run(ran, tmp_path / "out", **option)
    with pytest.raises(ProfileError, match="takes no prior"):
        run(ran, tmp_path / "out", prior="radiograph-256")
    planned = plan(
        ran / "in", profile=str(ran / "copies.yaml"), annotations=ran / "boxes.json", accept_identity="a test"
    )
    with pytest.raises(ProfileError, match="generates nothing that had strengths"):
        preview(planned, 1, [""])
    with pytest.raises(ManifestError, match="law 'classic'"):
        VariantsOf.in_place(ran / "out", "a test")


def test_a_plan_counts_copies_and_foresees_what_fails(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"profile": str(ran / "copies.yaml"), "accept_identity": "a test", "variants": 3}
    planned = plan(ran / "in", annotations=ran / "boxes.json", **asked)  # type: ignore[arg-type]
    show_plan(planned, {each.source: each for each in foresee(planned)})
    said = capsys.readouterr().out
    assert "6 classic copies of 2 sources" in said
    assert "free" not in said
