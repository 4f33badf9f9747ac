"""Real and synthetic images in one loop: targets, ratio, and who may judge."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from medaug.audit.output_files import sha256_of
from medaug.errors import ManifestError
from medaug.manifests.splits import fold_of
from medaug.profile.load import load_profile
from medaug.torch import RatioSampler, collate, collate_monai, real_and_synthetic
from tests.support.loops import loop

SOURCES = 12


def coco(path: Path, images: list[str], patients: dict[str, str] | None = None) -> Path:
    pictures = [
        {"id": n, "file_name": name, **({"patient": patients[name]} if patients else {})}
        for n, name in enumerate(images)
    ]
    boxes = [{"id": n, "image_id": n, "category_id": 7, "bbox": [4, 5, 8, 10]} for n in range(len(images))]
    categories = [{"id": 7, "name": "lesion"}]
    path.write_text(json.dumps({"images": pictures, "annotations": boxes, "categories": categories}))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve real pictures with two variants each, and one more that wasn't augmented."""
    folder = tmp_path_factory.mktemp("mix")
    made = loop(folder, sources=SOURCES)
    (made.output / "profile.yaml").write_text(load_profile("bone-xray").to_yaml())
    (folder / "real" / "extra.png").write_bytes((folder / "real" / "0.png").read_bytes() + b" ")
    coco(folder / "real" / "all.json", [*(f"{n}.png" for n in range(SOURCES)), "extra.png"])
    return folder


def mix(folder: Path, **options: Any) -> Any:
    return real_and_synthetic(**{"real": folder / "real" / "all.json", "output": folder / "out", **options})


def test_images_and_targets_are_torchvisions(folder: Path) -> None:
    made = mix(folder)
    loader = DataLoader(
        made.training, batch_size=4, sampler=made.sampler, collate_fn=collate, generator=torch.Generator()
    )
    images, targets = next(iter(loader))
    assert {(tuple(image.shape), image.dtype) for image in images} == {((1, 40, 32), torch.float32)}
    assert all(0 <= float(image.min()) <= float(image.max()) <= 1 for image in images)
    for image, target in zip(images, targets, strict=True):
        assert target["boxes"].tolist() == [[4.0, 5.0, 12.0, 15.0]]
        assert (target["labels"].tolist(), target["labels"].dtype) == ([1], torch.int64)
        inside = image[0, 5:15, 4:12]
        assert float(inside.min()) == float(inside.max()) > float(image.median()), "the lesion lies in its box"
    (turned, *_), (counted, *_) = collate_monai([made.training[0]])
    (x0, y0, x1, y1) = map(int, counted["boxes"][0])
    assert torch.equal(turned[0, x0:x1, y0:y1].T, made.training[0][0][0, y0:y1, x0:x1])
    assert counted["labels"].tolist() == [0]
    assert made.classes == ("lesion",)


def test_a_batch_is_bounded_and_its_boxes_come_along(folder: Path) -> None:
    item = mix(folder).training[0]
    (image, *_), (target, *_) = collate([item], longest=20)
    assert tuple(image.shape) == (1, 20, 16)  # of 40 × 32
    assert torch.allclose(image[0, 0, 0], item[0][0, :2, :2].mean())
    assert target["boxes"].tolist() == [[2.0, 2.5, 6.0, 7.5]]
    assert target["area"].tolist() == [20.0]
    assert item[1]["boxes"].tolist() == [[4.0, 5.0, 12.0, 15.0]], "what the data set gives stays"
    (turned, *_), (counted, *_) = collate_monai([item], longest=20)
    assert torch.equal(turned, image.mT)
    assert counted["boxes"].tolist() == target["boxes"].tolist()
    (same, *_), _ = collate([item], longest=40)
    assert same is item[0]


def test_a_bound_keeps_a_box_within_an_image_whose_sides_do_not_divide(folder: Path) -> None:
    image, target = mix(folder).training[0]
    whole = {**target, "boxes": torch.tensor([[0.0, 0.0, 32.0, 40.0]])}
    (smaller, *_), (bounded, *_) = collate([(image, whole)], longest=13)
    assert bounded["boxes"].tolist() == [[0.0, 0.0, *map(float, reversed(smaller.shape[1:]))]]


@pytest.mark.parametrize("ratio", [0.0, 0.5, 3.0])
def test_each_epoch_holds_the_ratio(folder: Path, ratio: float) -> None:
    made = mix(folder, ratio=ratio)
    kinds = [item.synthetic for item in made.training.items]
    for _ in range(3):
        epoch = list(made.sampler)
        drawn = Counter(kinds[n] for n in epoch)
        assert drawn[False] == SOURCES + 1
        assert drawn[True] == round(ratio * (SOURCES + 1))


def test_variants_take_turns_and_epochs_differ_but_not_by_chance() -> None:
    kinds = [False] * 4 + [True] * 8
    sampler, again = RatioSampler(kinds, 1.0, seed=3), RatioSampler(kinds, 1.0, seed=3)
    epochs = [list(sampler) for _ in range(2)]
    assert sorted(n for epoch in epochs for n in epoch if kinds[n]) == list(range(4, 12))
    assert epochs[0] != epochs[1]
    again.set_epoch(1)
    assert list(again) == epochs[1]


def test_pretraining_gives_variants_first_and_real_images_after() -> None:
    kinds = [False] * 4 + [True] * 8
    sampler = RatioSampler(kinds, 2.0, "pretrain", pretrain_epochs=2)
    shares = [{kinds[n] for n in list(sampler)} for _ in range(4)]
    assert shares == [{True}, {True}, {False}, {False}]


def test_folds_part_patients_and_variants_never_judge(folder: Path) -> None:
    made = mix(folder, folds=(0, 1))
    assert len(made.validation) > 0
    assert not any(item.synthetic for item in made.validation.items)
    training = {item.patient for item in made.training.items}
    assert training.isdisjoint(item.patient for item in made.validation.items)
    assert any(item.synthetic for item in made.training.items)


def test_one_patient_of_several_pictures_stays_together(folder: Path) -> None:
    """Pictures state no patient, so OUTPUT takes each for one of its own; the user's word decides."""
    names = [f"{n}.png" for n in range(SOURCES)]
    real = coco(folder / "real" / "one.json", names, dict.fromkeys(names, "p"))
    made = [mix(folder, real=real, folds=(n,)) for n in range(4)] + [mix(folder, real=real, folds=(4,))]
    sizes = sorted((len(m.training), len(m.validation)) for m in made)
    assert sizes == [(0, SOURCES), *[(3 * SOURCES, 0)] * 4]


def test_variants_of_a_patient_who_judges_are_refused(folder: Path) -> None:
    train, judge = (
        coco(folder / "real" / f"{name}.json", images)
        for name, images in (("train", [f"{n}.png" for n in range(6)]), ("judge", ["6.png", "extra.png"]))
    )
    with pytest.raises(ManifestError, match="2 pictures of variants in OUTPUT show patients of the validation"):
        mix(folder, real=train, validation=judge)
    clean = coco(folder / "real" / "clean.json", ["extra.png"])
    assert len(mix(folder, real=train, validation=clean).validation) == 1


def test_a_patient_on_both_sides_is_refused(folder: Path) -> None:
    clean = coco(folder / "real" / "clean2.json", ["extra.png"])
    with pytest.raises(ManifestError, match="1 patient would stand in training and in validation"):
        mix(folder, validation=clean)


def test_a_finding_under_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / "real" / "all.json").read_text())
    content["categories"][0]["name"] = "Lesion"
    (tmp_path / "named.json").write_text(json.dumps(content))
    with pytest.raises(ManifestError, match="expected variants of Lesion, as the real images have, found lesion, too"):
        mix(folder, real=tmp_path / "named.json", images=folder / "real")


def test_folds_of_images_that_were_written_anew_are_refused(folder: Path, tmp_path: Path) -> None:
    """No digest is known, so a variant of somebody who is judged on would be trained on."""
    names = [f"{n}.png" for n in range(SOURCES)]
    for name in names:
        (tmp_path / name).write_bytes((folder / "real" / name).read_bytes() + b" ")
    real = coco(tmp_path / "all.json", names)
    with pytest.raises(ManifestError, match="byte by byte, found none"):
        mix(folder, real=real, folds=(0,))
    assert len(mix(folder, real=real).training) == 3 * SOURCES, "other images to train beside variants are"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": (0, 1, 2, 3, 4)}, "not all of them"),
        ({"ratio": -1.0}, "a ratio from 0"),
        ({"schedule": "both"}, "mix or pretrain"),
        ({"folds": (1,), "validation": "x.json"}, "found both"),
        ({"real": "missing.json"}, "can't be read"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        mix(folder, **options)


def with_donor(folder: Path, tmp_path: Path, host: int, donor: int) -> Path:
    """OUTPUT whose list says that the first variant shows the lesion of another real image's patient, too."""
    content = json.loads((folder / "out" / "coco.json").read_text())
    about = {image["medaug"]["source_sha256"]: image["medaug"] for image in content["images"]}
    digests = [sha256_of(folder / "real" / f"{n}.png") for n in (host, donor)]
    (image, *_) = (image for image in content["images"] if image["medaug"]["source_sha256"] == digests[0])
    image["medaug"] |= {"donor_sha256": digests[1], "donor_patient": about[digests[1]]["patient"]}
    shutil.copytree(folder / "out", tmp_path / "out")
    (tmp_path / "out" / "coco.json").write_text(json.dumps(content))
    return tmp_path / "out"


def test_a_lesion_s_donor_counts_as_shown(folder: Path, tmp_path: Path) -> None:
    output = with_donor(folder, tmp_path, 0, 1)
    patients = {f"{n}.png": f"P{n}" for n in range(SOURCES)}
    real = coco(tmp_path / "real.json", [f"{n}.png" for n in range(SOURCES) if n != 1], patients)
    judges = coco(tmp_path / "judges.json", ["1.png"], patients)
    with pytest.raises(ManifestError, match="3 pictures of variants"):  # two of its own, and one with its lesion
        mix(folder, real=real, images=folder / "real", output=output, validation=judges)
    fold = fold_of("P1")
    assert fold != fold_of("P0")
    everybody = coco(tmp_path / "all.json", [f"{n}.png" for n in range(SOURCES)], patients)
    options = {"real": everybody, "images": folder / "real", "folds": [fold]}
    without, given = mix(folder, **options), mix(folder, output=output, **options)
    assert len(without.training) - len(given.training) == 1
    assert not [item for item in given.training.items if "P1" in item.patients]
