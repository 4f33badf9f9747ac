from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medaug.benchmark.design.folds import Fold, folds_of, given_fold, normals_of, subset
from medaug.benchmark.images.dataset import grouped
from medaug.benchmark.images.stated_parts import StatedPart, read_places
from medaug.errors import ManifestError, RunError

GROUPS = [n // 3 for n in range(60)] + [100, 101, 102]


def test_no_group_stands_in_two_parts_and_each_image_is_tested_once() -> None:
    folds = folds_of(GROUPS, 3, seed=1)
    assert sorted(n for fold in folds for n in fold.test) == list(range(len(GROUPS)))
    for fold in folds:
        parts = [{GROUPS[n] for n in part} for part in (fold.training, fold.validation, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert len(fold.training) + len(fold.validation) + len(fold.test) == len(GROUPS)
        assert 18 <= len(fold.test) <= 24
        assert 6 <= len(fold.validation) <= 12


def test_smaller_training_sets_lie_inside_greater_ones_and_hold_whole_groups() -> None:
    (fold, *_) = folds_of(GROUPS, 3, seed=1)
    quarter, half = (set(subset(GROUPS, fold.training, share, 0, 5)) for share in (0.25, 0.5))
    assert quarter < half < set(fold.training)
    assert all(n in quarter for n in fold.training if GROUPS[n] in {GROUPS[m] for m in quarter})
    assert set(subset(GROUPS, fold.training, 1.0, 0, 5)) == set(fold.training)
    assert quarter != set(subset(GROUPS, fold.training, 0.25, 0, 6))


def test_normals_of_a_trained_patient_are_left_out() -> None:
    groups = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 50]  # the last two are normal
    for fold in folds_of(groups[:10], 3, seed=0):
        normals = normals_of(groups, 10, fold)
        assert 11 in normals
        assert (10 in normals) == (0 in fold.test)


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(RunError, match="fewer --folds"):
        folds_of([0, 1, 2, 3, 3, 3], 3, seed=0)


def test_patients_and_near_duplicates_make_one_group_together() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 64, 64)).astype(np.uint8)
    images[3] = images[0]  # a copy under another name
    images[3, 0, 0] ^= 255
    groups = grouped(["a", "b", "a", "c", "d"], images)
    assert groups[0] == groups[2] == groups[3]
    assert len({groups[0], groups[1], groups[4]}) == 3


def test_of_given_parts_nothing_is_learnt_from_that_shares_a_group_with_what_is_tested() -> None:
    parts = ["training", "training", "training", "validation", "validation", "test", "test"]
    assert given_fold(parts, [0, 1, 2, 3, 4, 5, 6]) == Fold((0, 1, 2), (3, 4), (5, 6))
    assert given_fold(parts, [5, 1, 3, 3, 6, 5, 6]) == Fold((1,), (3,), (5, 6))
    with pytest.raises(RunError, match="found 0, 2 and 2"):
        given_fold(parts, [5, 6, 3, 3, 4, 5, 6])


def test_a_table_of_parts_names_each_file_once_and_where_it_stands(tmp_path: Path) -> None:
    table = tmp_path / "parts.csv"
    table.write_text("file,part,patient\na/1.png,train,p\n2.png,val,\n3.png,test,q\n")
    assert read_places(table) == {
        "a/1.png": StatedPart("training", "p"),
        "2.png": StatedPart("validation", ""),
        "3.png": StatedPart("test", "q"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,part\n1.png,train\n1.png,test\n", "line 3: the same file"),
        ("file,part\n1.png,holdout\n", "line 2: expected"),
        ("name,part\n1.png,test\n", "line 2: expected"),
        ("file,part\n,test\n", "line 2: expected"),
        (None, "can't be read"),
    ],
)
def test_another_table_is_refused_with_its_line(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "parts.csv").write_text(text)
    with pytest.raises(ManifestError, match=said):
        read_places(tmp_path / "parts.csv")
