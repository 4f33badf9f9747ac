"""The same weights give the same bits wherever a loader put them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import medaug
from medaug.inverse.aligned import aligned, from_array, load_dtype, load_metadata, load_tensors
from medaug.inverse.priors.latent_prior import LatentPrior, frozen
from medaug.inverse.priors.loaders.diffusers import load_diffusers, load_network
from medaug.inverse.priors.loaders.text_encoder import null_embedding, prompt_embedding, text_parts
from medaug.inverse.priors.networks.classifier_free_guidance import guided
from medaug.training.latents import read_tensors, write_tensors
from tests.support import prior_models as models

PACKAGE = Path(medaug.__file__).parent
VECTOR = 64  # bytes of the widest vector, and of what torch aligns to
OFFSETS = [0, 8, 24, 56]  # of the first number within one; 24 is where the header of a null embedding leaves it


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def shift(path: Path, offset: int) -> None:
    """Pad the header of a file of safetensors, so that its numbers begin at ``offset`` within a vector."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].rstrip(b" ")
    header += b" " * ((offset - 8 - len(header)) % VECTOR)
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])


def offset(tensor: Tensor) -> int:
    return tensor.data_ptr() % VECTOR


def all_aligned(tensors: Iterable[Tensor]) -> bool:
    return {offset(tensor) for tensor in tensors} == {0}


def misplaced(tensor: Tensor, by: int) -> Tensor:
    """The same values ``by`` bytes beyond where torch would put them."""
    room = torch.empty(tensor.numel() * tensor.element_size() + VECTOR, dtype=torch.uint8)
    start = (by - room.data_ptr()) % VECTOR
    there = room[start : start + tensor.numel() * tensor.element_size()].view(tensor.dtype).view(tensor.shape)
    return there.copy_(tensor)


def folder_at(path: Path, offset: int) -> Path:
    """A prior whose every file of weights begins its numbers at ``offset``."""
    folder = models.speaking(models.null(models.colour(path)))
    for file in folder.rglob("*.safetensors"):
        shift(file, offset)
    return folder


@torch.no_grad()
def answers(prior: LatentPrior) -> list[Tensor]:
    draw = torch.Generator().manual_seed(3)
    x, z = torch.rand((1, 1, 16, 16), generator=draw) * 2 - 1, torch.randn((1, 4, 8, 8), generator=draw)
    t = torch.tensor([500])
    prompted = guided(prior, "a knee", 2.0)
    return [prior.encode(x), prior.decode(z), prior.denoise(z, t), prompted.denoise(z, t)]


@pytest.mark.parametrize("at", OFFSETS)
def test_what_a_file_or_its_content_holds_is_aligned(tmp_path: Path, at: int) -> None:
    path = tmp_path / "weights.safetensors"
    given = {"a": torch.arange(5.0), "b": torch.arange(6).reshape(2, 3).half(), "c": torch.ones(0)}
    save_file(given, path, metadata={"recipe": "x"})
    shift(path, at)
    assert offset(load_file(path)["a"]) == at  # without a copy it lies where the header leaves it
    for found in (load_tensors(path), load_tensors(path.read_bytes())):
        assert all(torch.equal(found[name], value) for name, value in given.items())
        assert all_aligned(found.values())
    assert load_metadata(path) == {"recipe": "x"}
    assert load_dtype(path) == load_file(path)["a"].dtype


@pytest.mark.parametrize("at", OFFSETS)
def test_an_array_is_copied_into_aligned_memory(at: int) -> None:
    room = misplaced(torch.arange(12.0), at).numpy()
    turned = room.reshape(3, 4)[::-1, ::2]
    room.flags.writeable = False
    found = from_array(turned)
    assert all_aligned([found, from_array(room)])
    assert np.array_equal(found.numpy(), turned)
    assert found.is_contiguous()


def test_networks_that_libraries_load_by_themselves_are_aligned(tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel

    folder = folder_at(tmp_path / "prior", 24)
    with torch.random.fork_rng(devices=[]):
        raw = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True)
    assert not all_aligned(raw.parameters())  # mapped from the file: what the copy is for
    nets: list[Any] = [load_network(folder, "vae", "cpu"), load_network(folder, "unet", "cpu"), text_parts(folder)[1]]
    for net in nets:
        assert all_aligned([*net.parameters(), *net.buffers()])
    assert all_aligned([null_embedding(folder, models.WIDTH), prompt_embedding(folder, "a knee", models.WIDTH)])


@pytest.mark.parametrize("at", OFFSETS[1:])
def test_a_prior_answers_with_the_same_bits_wherever_its_files_begin(tmp_path: Path, at: int) -> None:
    expected = answers(load_diffusers(folder_at(tmp_path / "expected", 0)))
    found = answers(load_diffusers(folder_at(tmp_path / "found", at)))
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("at", range(8, VECTOR, 8))
def test_a_frozen_network_gives_the_same_bits_wherever_its_weights_were(at: int) -> None:
    def fresh() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return nn.Sequential(nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 7), nn.BatchNorm1d(7))

    net, x = fresh(), torch.linspace(-1, 1, 16)[None]
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data = misplaced(tensor.data, at)
    assert torch.equal(frozen(net, "cpu")(x), frozen(fresh(), "cpu")(x))
    assert all_aligned([*net.parameters(), *net.buffers()])


def test_shared_weights_stay_shared() -> None:
    with torch.random.fork_rng(devices=[]):
        first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    net = aligned(nn.Sequential(first, second))
    assert net[0].weight is net[1].weight
    assert net[0].weight.requires_grad


def test_a_training_goes_on_from_aligned_numbers(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    write_tensors({"known": torch.ones(3), "step": torch.tensor(4)}, path, "recipe")
    shift(path, 24)
    assert all_aligned(read_tensors(path, "recipe").values())


def elsewhere(tree: ast.Module) -> Iterator[str]:
    """Ways past `medaug.inverse.aligned` by which another's memory becomes a tensor."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("safetensors"):
            yield from (alias.name for alias in node.names if alias.name in {"load", "load_file", "safe_open"})
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("safetensors"))
        elif isinstance(node, ast.Attribute):
            name = f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else node.attr
            if name in {"torch.from_numpy", "torch.frombuffer", "torch.from_file", "torch.from_dlpack", "load_model"}:
                yield name


def test_nothing_is_loaded_past_the_one_place() -> None:
    found = {
        str(path.relative_to(PACKAGE)): names
        for path in sorted(PACKAGE.rglob("*.py"))
        if (names := [*elsewhere(ast.parse(path.read_text(encoding="utf-8")))])
    }
    assert {Path(name).name: names for name, names in found.items()} == {
        "aligned.py": ["safe_open", "load", "load_file"]
    }, "load through medaug.inverse.aligned"


def test_the_walk_finds_every_way() -> None:
    source = """
import safetensors.torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file as read, save_file
torch.from_numpy(x); torch.frombuffer(y); np.frombuffer(z)
"""
    assert sorted(elsewhere(ast.parse(source))) == sorted(
        ["safetensors.torch", "safe_open", "load_file", "torch.from_numpy", "torch.frombuffer"]
    )
