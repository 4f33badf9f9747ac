from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medaug.errors import RunError
from medaug.execution.planning import on_device
from medaug.execution.planning.plan import plan_for
from medaug.execution.planning.request import RunRequest
from medaug.profile.components import FolderPrior
from medaug.profile.load import load_profile, parse_profile
from medaug.profile.settled import PROCESSOR, Traits, settled

PROFILE = load_profile("chest-xray")
BIG = Traits("cuda", bfloat16=True, memory=80 << 30)


def test_on_a_processor_it_is_what_it_always_was() -> None:
    here = settled(PROFILE, PROCESSOR)
    assert (here.levers.precision, here.batch_size) == ("float32", 8)
    assert "precision: float32" in here.to_yaml()
    assert "batch_size: 8" in here.to_yaml()
    assert here.sha256 == PROFILE.sha256
    assert here.levers.channels_last is False
    assert "channels_last: false" in here.to_yaml()
    assert here.levers.pulled == PROFILE.levers.pulled == {"closing": 1}
    assert settled(here, BIG) is here  # what is settled stays so


def test_on_a_device_its_digest_and_its_text_say_so() -> None:
    there = settled(PROFILE, BIG)
    assert (there.levers.precision, there.rows) == ("bfloat16", 64)
    assert there.levers.pulled == {"closing": 1, "precision": "bfloat16", "channels_last": True}
    assert parse_profile(there.to_yaml(), "here").sha256 == there.sha256 != PROFILE.sha256
    older = settled(PROFILE, Traits("cuda", bfloat16=False, memory=80 << 30))
    assert older.levers.precision == "float32"
    assert older.sha256 not in {PROFILE.sha256, there.sha256}


@pytest.mark.parametrize(
    ("memory", "size", "rows"), [(80 << 30, 256, 64), (4 << 30, 256, 32), (4 << 30, 512, 8), (0, 256, 8)]
)
def test_a_batch_is_the_power_of_two_that_half_the_memory_holds(memory: int, size: int, rows: int) -> None:
    assert settled(PROFILE.model_copy(update={"size": size}), Traits("cuda", memory=memory)).batch_size == rows


def test_a_prior_of_unknown_size_and_what_is_stated_stay() -> None:
    prior = FolderPrior(kind="folder", path=Path("elsewhere"), sha256="0" * 64)
    assert settled(PROFILE.model_copy(update={"prior": prior}), BIG).batch_size == 8
    stated = PROFILE.model_copy(
        update={
            "batch_size": 3,
            "levers": PROFILE.levers.model_copy(update={"precision": "float16", "channels_last": False}),
        }
    )
    assert settled(stated, BIG) is stated


def test_a_plan_names_its_units_after_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "readme.txt").write_text("no image")

    def planned(device: str) -> str:
        return plan_for(RunRequest(tmp_path, PROFILE, device=device)).profile.levers.precision

    assert planned("cpu") == "float32"
    with pytest.raises(RunError, match="cuda:7"):
        planned("cuda:7")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    monkeypatch.setattr("medaug.assemble.settling.memory", lambda _: 1 << 34)
    monkeypatch.setattr(on_device, "may_have_device", lambda: True)
    assert planned("auto") == "bfloat16"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert planned("auto") == "float32"
