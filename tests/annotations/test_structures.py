"""Structures of a given Segmentation: what must not change, what alone may."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import medaug
from medaug.annotations.structures import kept, on_volumes, packed, read_structures, unpacked
from medaug.augmentation.recipe import Recipe, kept_digest
from medaug.errors import AnnotationError, OutputError
from medaug.execution.replay import replay
from medaug.imaging.volume import Volume
from medaug.verification.verify import verify
from tests.support import make
from tests.support.annotation_cases import loaded, slices_of
from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.small_runs import small_profile
from tests.support.sound_output import SMALL as OPEN


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    return loaded(make.series(tmp_path / "ct"))


def organs(ct: Volume) -> np.ndarray:
    mask = np.zeros(ct.geometry.shape, dtype=np.uint8)
    mask[1:5, 5:18, 30:50], mask[0:3, 40:60, 5:20] = 1, 2
    return mask


def test_all_segments_are_one_mask_on_each_volume(tmp_path: Path, ct: Volume) -> None:
    mask = organs(ct)
    path = make.seg(tmp_path / "seg", ct.source.files, mask, ["liver", "spleen"])
    np.testing.assert_array_equal(read_structures(path, [ct])[ct.source.key], mask > 0)
    for k, one in enumerate(slices := slices_of(ct)):
        found = read_structures(path, slices).get(one.source.key)
        assert (found is None and not mask[k].any()) or np.array_equal(found[0], mask[k] > 0)


def test_what_can_t_be_placed_is_an_error(tmp_path: Path, ct: Volume) -> None:
    path = make.seg(tmp_path / "seg", ct.source.files, organs(ct), ["liver", "spleen"])
    affine = ct.geometry.affine.copy()
    affine[:3, 3] += 0.3
    with pytest.raises(AnnotationError, match="can't be placed") as caught:
        read_structures(path, [replace(ct, geometry=replace(ct.geometry, affine=affine))])
    assert caught.value.code == "grid-differs"
    with pytest.raises(AnnotationError, match="lies on any of the series"):
        read_structures(path, [make.volume((6, 64, 64), seed=9)])
    (tmp_path / "a.csv").write_text("image,label,x,y,w,h\n")
    with pytest.raises(AnnotationError, match="found csv"):
        read_structures(tmp_path / "a.csv", [ct])


@pytest.mark.parametrize("what", ["protect", "within"])
def test_what_is_no_structure_is_called_by_its_option(tmp_path: Path, ct: Volume, what: str) -> None:
    with pytest.raises(AnnotationError, match=f"^{what}: expected .* found nothing there; check the path"):
        on_volumes([tmp_path / "missing.dcm"], [ct], what=what)
    (tmp_path / "note.md").write_text("no mask")
    with pytest.raises(AnnotationError, match=f"^{what}: expected .* found something else"):
        on_volumes([tmp_path / "note.md"], [ct], what=what)


def test_protected_and_confining_structures_together() -> None:
    protect, within = np.zeros((1, 4, 4), dtype=np.bool_), np.zeros((1, 4, 4), dtype=np.bool_)
    protect[0, 0], within[0, :2] = True, True
    assert kept((1, 4, 4), None, None) is None
    found = kept((1, 4, 4), protect, within)
    assert found is not None
    assert found[0].all(axis=1).tolist() == [True, False, True, True]
    np.testing.assert_array_equal(unpacked(packed(found), (1, 4, 4)), found)


def test_a_mask_enters_the_unit_s_key_and_none_leaves_it_as_it_was() -> None:
    plain = Recipe("a", "b", 0, 1, "c", "d", numerics=1)  # the arithmetic is a choice, too
    assert plain.id == "799f47fd80d64932c08faaa21c7c52419b77c584023d83aab8bb5b5bde451883"
    mask = np.zeros((2, 3, 4), dtype=np.bool_)
    assert replace(plain, kept=kept_digest(mask)).id != plain.id
    assert kept_digest(mask) != kept_digest(mask.reshape(2, 4, 3))
    assert "kept" not in plain.plain


@pytest.mark.parametrize("option", ["protect", "within"])
def test_a_run_keeps_structures_bit_for_bit(tmp_path: Path, ct: Volume, option: str) -> None:
    mask = np.zeros(ct.geometry.shape, dtype=np.uint8)
    mask[:, 10:40, 10:50] = 1
    lesion = np.zeros_like(mask)
    lesion[2:4, 20:25, 20:25] = 1
    structures = make.seg(tmp_path / "organ", ct.source.files, mask, ["organ"])
    boxes = make.seg(tmp_path / "seg", ct.source.files, lesion, ["lesion"])
    common = {"profile": small_profile(tmp_path, checks=OPEN["checks"]), "annotations": boxes}
    planned = medaug.plan(tmp_path / "ct", **common, **{option: [structures]})  # type: ignore[arg-type]
    (free,) = medaug.plan(tmp_path / "ct", **common).units  # type: ignore[arg-type]
    assert planned.units[0].recipe.id != free.recipe.id
    assert free.mask is None
    with in_place_of_the_embedded():
        medaug.run(tmp_path / "ct", tmp_path / "out", **common, **{option: [structures]})  # type: ignore[arg-type]
    (folder,) = (tmp_path / "out" / "variants").glob("*/image")
    made = loaded(sorted(folder.iterdir()))
    changed = made.stored != ct.stored
    assert changed.any()
    assert not changed[(mask > 0) if option == "protect" else (mask == 0)].any()
    unit = planned.units[0].recipe.id
    report = verify(tmp_path / "out", source=tmp_path / "ct")
    assert report.faults == ()
    with pytest.raises(OutputError, match="--protect or --within"):
        list(replay(tmp_path / "out", [unit], tmp_path / "ct"))


def test_a_plan_leaves_out_a_series_on_which_nothing_lies_to_stay_within(tmp_path: Path, ct: Volume) -> None:
    """As the run would: it is said beforehand, not unit by unit."""
    other = loaded(make.series(tmp_path / "more" / "a", slices=3, rows=40, columns=40, seed=9))
    mask = np.zeros(ct.geometry.shape, dtype=np.uint8)
    mask[2:4, 20:25, 20:25] = 1
    structures = make.seg(tmp_path / "organ", ct.source.files, mask, ["organ"])
    lesion = np.zeros(other.geometry.shape, dtype=np.uint8)
    lesion[1, 10:15, 10:15] = 1
    boxes: list[Path] = [make.seg(tmp_path / "seg", ct.source.files, mask, ["lesion"])]
    boxes.append(make.seg(tmp_path / "seg2", other.source.files, lesion, ["lesion"]))
    shutil.copytree(tmp_path / "ct", tmp_path / "more" / "b")
    common = {"profile": small_profile(tmp_path, checks=OPEN["checks"]), "annotations": boxes}
    assert len(medaug.plan(tmp_path / "more", **common).units) == 2  # type: ignore[arg-type]
    planned = medaug.plan(tmp_path / "more", **common, within=[structures])  # type: ignore[arg-type]
    assert [unit.reference.series_uid for unit in planned.units] == [ct.source.series_uid]
    (skip,) = [skip for skip in planned.skips if skip.code == "nothing-free"]
    assert (skip.series_uid, skip.refused, skip.files) == (other.source.series_uid, True, 3)
