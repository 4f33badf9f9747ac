"""`RandVariantd` inside MONAI's own machinery."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, Dataset, PersistentDataset, list_data_collate
from monai.transforms import (
    CastToTyped,
    Compose,
    EnsureChannelFirstd,
    Flipd,
    LoadImaged,
    NormalizeIntensityd,
    RandFlipd,
    Rotate90d,
    ScaleIntensityd,
)  # fmt: skip
from PIL import Image

from medaug.errors import AnnotationError, ManifestError
from medaug.monai import RandVariantd
from medaug.profile.load import load_profile
from tests.support.loops import Loop, loop

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's and torch's own


def load() -> list[Any]:
    return [LoadImaged(keys="image"), EnsureChannelFirstd(keys="image")]


@pytest.fixture(scope="module", params=[2, 3])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loop:
    return loop(tmp_path_factory.mktemp("loop"), axes=request.param)


def swap(made: Loop, prob: float = 1.0, **options: Any) -> RandVariantd:
    return RandVariantd(keys="image", box_key="box", output=made.output, prob=prob, **options)


def grey(item: dict[str, Any]) -> tuple[int, int]:
    """What most of the image holds, and what the box holds."""
    image, box = np.asarray(item["image"])[0], np.asarray(item["box"])[0]
    axes = len(box) // 2
    inside = image[tuple(slice(int(a), int(b)) for a, b in zip(box[:axes], box[axes:], strict=True))]
    return int(np.median(image)), int(np.unique(inside).item())


@pytest.mark.parametrize("first", [True, False])
def test_each_item_becomes_a_variant_of_itself_with_its_boxes(made: Loop, *, first: bool) -> None:
    """Before loading and after it; what lies in the box is the lesion either way."""
    chain = Compose([swap(made), *load()] if first else [*load(), swap(made)])
    found = [chain({name: item[name] for name in ("image", "box")}) for item in made.items]
    assert [grey(item) for item in found] == [(101 + n, 200) for n in range(3)]
    assert all(item["medaug"]["synthetic"] for item in found)
    assert all(str(made.output) in item["image"].meta["filename_or_obj"] for item in found)
    real = [Compose(load())(item)["image"] for item in made.items]
    assert [(tuple(i["image"].shape), i["image"].dtype) for i in found] == [(tuple(r.shape), r.dtype) for r in real]


def test_the_share_is_kept_and_all_variants_are_drawn(made: Loop) -> None:
    chosen = swap(made, prob=None, ratio=0.5)
    chosen.set_random_state(seed=1)
    drawn = [chosen(made.items[n % 3])["medaug"] for n in range(600)]
    share = sum(one["synthetic"] for one in drawn) / len(drawn)
    assert abs(share - 1 / 3) < 0.06
    assert {one["variant"] for one in drawn} == {-1, 0, 1}


def test_the_same_seed_draws_the_same(made: Loop) -> None:
    def units(seed: int) -> list[str]:
        chosen = swap(made, 0.5)
        chosen.set_random_state(seed=seed)
        return [chosen(item)["medaug"]["unit"] for item in made.items * 4]

    assert units(3) == units(3) != units(4)


@pytest.mark.parametrize(("made", "kind"), [(2, "cache"), (3, "persistent"), (2, "first")], indirect=["made"])
def test_data_sets_and_two_workers(made: Loop, tmp_path: Path, kind: str) -> None:
    after = Compose([*load(), swap(made, 0.5), RandFlipd(keys="image", prob=0.0)])
    data: Any
    match kind:
        case "cache":
            data = CacheDataset(made.items * 4, after, progress=False)
        case "persistent":
            data = PersistentDataset(made.items * 4, after, cache_dir=tmp_path)
        case _:
            data = Dataset(made.items * 4, Compose([swap(made, 0.5), *load()]))
    order = torch.Generator().manual_seed(0)
    loader = DataLoader(data, batch_size=1, num_workers=2, collate_fn=list_data_collate, generator=order)
    epochs = [[(int(b["image"].median()), bool(b["medaug"]["synthetic"][0])) for b in loader] for _ in range(2)]
    assert all(value in ((101 + n % 3,) if made_of else (1 + n % 3,)) for e in epochs for n, (value, made_of) in
               enumerate(e))  # fmt: skip
    assert {made_of for epoch in epochs for _, made_of in epoch} == {True, False}, "real and synthetic"
    assert epochs[0] != epochs[1], "drawn anew in each epoch"


def test_boxes_that_the_run_did_not_keep_are_refused(made: Loop) -> None:
    item = made.items[0]
    moved = [[n + 6 for n in item["box"][0]]]
    with pytest.raises(AnnotationError, match="1 of an item's 1 boxes"):
        swap(made)({**item, "box": moved})
    assert swap(made, 0.0)({**item, "box": moved})["image"] == item["image"], "the real image shows it"


def test_box_modes_are_monais(made: Loop) -> None:
    item = made.items[0]
    corners = np.array(item["box"], dtype=float)
    axes = corners.shape[1] // 2
    sizes = np.concatenate([corners[:, :axes], corners[:, axes:] - corners[:, :axes]], axis=1)
    mode = "xywh" if axes == 2 else "xyzwhd"
    assert swap(made, box_mode=mode)({**item, "box": sizes})["medaug"]["synthetic"]
    with pytest.raises(AnnotationError, match="lie in none"):
        swap(made, box_mode=mode)(item)  # corners taken for sizes


def test_pictures_in_colour_have_three_channels_before_and_after(made: Loop, tmp_path: Path) -> None:
    """As JPEGs of radiographs often are: their reader gives channels last, EnsureChannelFirstd puts them first."""
    if len(made.items[0]["box"][0]) > 4:
        pytest.skip("pictures")
    chosen = swap(made)
    item = {**made.items[0], "image": str(tmp_path / "rgb.png")}
    Image.open(made.items[0]["image"]).convert("RGB").save(item["image"])
    known = chosen.variants.variants[item["medaug"]["source_sha256"]]
    for n, variant in enumerate(known):
        Image.open(variant.image).convert("RGB").save(tmp_path / f"{n}.png")
    coloured = tuple(replace(variant, image=tmp_path / f"{n}.png") for n, variant in enumerate(known))
    chosen.variants = replace(chosen.variants, variants={item["medaug"]["source_sha256"]: coloured})
    found = Compose([*load(), chosen])(item)
    assert found["image"].shape == (3, 32, 40)
    assert int(found["image"].median()) == 101


def test_an_image_that_was_cut_is_refused_and_one_without_variants_stays(made: Loop, tmp_path: Path) -> None:
    loaded = Compose(load())(made.items[0])
    loaded["image"] = loaded["image"][:, :-1]
    with pytest.raises(ManifestError, match="right after LoadImaged"):
        swap(made)(loaded)
    (tmp_path / "other.png").write_bytes(Path(made.items[0]["image"]).read_bytes() + b" ")
    other = {"image": str(tmp_path / "other.png"), "box": made.items[0]["box"]}
    assert swap(made)(other)["image"] == other["image"]
    variant = swap(made)(made.items[0])
    assert swap(made)(variant) == variant, "a variant stays that variant"


def scaled(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "image": item["image"] / 255}


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (scaled, "other grey levels"),
        (ScaleIntensityd("image"), "other grey levels"),
        (NormalizeIntensityd("image"), "other grey levels"),
        (Flipd("image", spatial_axis=0), "after Flip,"),
        (Rotate90d("image", k=2), "after Rotate90,"),
    ],
)
def test_an_image_that_was_moved_or_scaled_since_it_was_loaded_is_refused(made: Loop, before: Any, said: str) -> None:
    """Its variant would come as it lies on disk, among images that don't."""
    item = before(Compose(load())(made.items[0]))
    with pytest.raises(ManifestError, match=said):
        swap(made)(item)
    same = CastToTyped("image", dtype=np.uint8)(Compose(load())(made.items[0]))
    assert swap(made)(same)["medaug"]["synthetic"]


def test_an_item_without_boxes_says_so(made: Loop) -> None:
    item = {"image": made.items[0]["image"]}
    with pytest.raises(ManifestError, match="boxes under 'box', found none; give box_key=None"):
        swap(made)(item)
    assert RandVariantd("image", None, output=made.output, prob=1.0)(item)["medaug"]["synthetic"]


def test_a_variant_of_an_unlabelled_image_keeps_no_box(made: Loop) -> None:
    chosen, item = swap(made), made.items[0]
    digest = item["medaug"]["source_sha256"]
    bare = tuple(replace(variant, boxes=(), labels=()) for variant in chosen.variants.variants[digest])
    chosen.variants = replace(chosen.variants, variants={digest: bare})
    assert chosen({**item, "box": []})["medaug"]["synthetic"]
    with pytest.raises(AnnotationError, match="1 of an item's 1 boxes"):
        chosen(item)


def test_what_is_no_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="give a folder that `medaug run` made"):
        RandVariantd(keys="image", output=tmp_path)


@pytest.mark.parametrize(("profile", "law"), [("bone-xray-moved", "moved"), ("bone-xray-transplant", "transplant")])
def test_an_output_whose_labels_are_others_is_refused(tmp_path: Path, profile: str, law: str) -> None:
    (tmp_path / "profile.yaml").write_text(load_profile(profile).to_yaml())
    with pytest.raises(ManifestError, match=f"the law '{law}' of OUTPUT's profile moved or added labels"):
        RandVariantd("image", output=tmp_path)


def test_an_output_whose_surroundings_moved_is_taken(made: Loop, tmp_path: Path) -> None:
    shutil.copytree(made.output, tmp_path / "made")
    (tmp_path / "made" / "profile.yaml").write_text(load_profile("bone-xray-surroundings").to_yaml())
    item = RandVariantd("image", output=tmp_path / "made", prob=1.0)(made.items[0])
    assert item["medaug"]["synthetic"]
