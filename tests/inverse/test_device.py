from __future__ import annotations

import pytest
import torch

from medaug.errors import RunError
from medaug.inverse.device import constant, let_go, resolve_device


@pytest.fixture
def two_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (torch.cuda, torch.xpu):
        monkeypatch.setattr(module, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.fixture
def none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (torch.cuda, torch.xpu):
        monkeypatch.setattr(module, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("two_of_each")
@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1", "xpu", "xpu:1", "mps"])
def test_a_device_that_is_there_is_taken(device: str) -> None:
    assert resolve_device(device) == device
    assert resolve_device("auto") == "cuda"


@pytest.mark.usefixtures("two_of_each")
@pytest.mark.parametrize("device", ["cuda:2", "xpu:2"])
def test_one_device_too_many_is_refused(device: str) -> None:
    with pytest.raises(RunError, match=f"{device} was asked for, and torch finds 2 {device[:-2]} devices"):
        resolve_device(device)


@pytest.mark.usefixtures("none_at_all")
@pytest.mark.parametrize("device", ["cuda", "xpu", "xpu:0", "mps"])
def test_a_device_that_isn_t_there_is_refused(device: str) -> None:
    with pytest.raises(RunError, match="take cpu or auto"):
        resolve_device(device)
    assert resolve_device("auto") == resolve_device("cpu") == "cpu"


@pytest.mark.parametrize("device", ["gpu", "cuda:", "mps:0", "cpu:1", "meta", "cuda:1 "])
def test_what_is_no_device_is_refused(device: str) -> None:
    with pytest.raises(RunError, match="expected auto, cpu, cuda, cuda:N, xpu, xpu:N or mps"):
        resolve_device(device)


def test_a_constant_is_made_once_for_each_place_and_kind() -> None:
    kernel = torch.tensor([1.0, 2.0], dtype=torch.float64)
    there = constant(kernel, torch.device("cpu"), torch.float32)
    assert there is constant(kernel, torch.device("cpu"), torch.float32)
    assert there is not constant(kernel.clone(), torch.device("cpu"), torch.float32)
    assert there.dtype == torch.float32
    assert there.tolist() == kernel.tolist()


def test_what_each_device_keeps_is_given_back(two_of_each: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    emptied: list[str] = []
    for name in ("cuda", "xpu", "mps"):
        monkeypatch.setattr(getattr(torch, name), "empty_cache", lambda name=name: emptied.append(name))
    let_go()
    assert emptied == ["cuda", "xpu", "mps"]
