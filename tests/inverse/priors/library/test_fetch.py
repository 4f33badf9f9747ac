from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from medaug.errors import PriorError
from medaug.inverse.priors.library.fetch import Offer, fetch, look
from medaug.inverse.priors.library.lookup import stored, stored_card
from medaug.inverse.priors.loaders.load import card_of
from tests.support import prior_models as models

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OFFER = Offer("openrail", 1000, 5)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, Any]]:
    """A model "on the hub", and what it was asked for."""
    model, asked = models.plain(tmp_path / "hub"), {}
    (model / "unet" / "model.bin").write_bytes(b"pickle")

    def snapshot(hub_id: str, **options: Any) -> str:
        asked["download"] = {"hub_id": hub_id, **options}
        for path in model.rglob("*"):
            name = path.relative_to(model).as_posix()
            if path.is_file() and any(Path(name).match(p) for p in options["allow_patterns"]):
                (options["local_dir"] / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(path, options["local_dir"] / name)
        return str(options["local_dir"])

    class Api:
        def __init__(self, token: object) -> None:
            asked["token"] = token

        def model_info(self, hub_id: str, **options: Any) -> SimpleNamespace:
            asked["info"] = {"hub_id": hub_id, **options}
            names = [path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()]
            files = [SimpleNamespace(rfilename=name, size=10) for name in [*names, "unet/x.fp16.safetensors"]]
            return SimpleNamespace(siblings=files, card_data=SimpleNamespace(license="openrail"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return model, asked


def test_a_pinned_model_of_safetensors_comes_into_the_store(hub: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    model, asked = hub
    offer = look("owner/Model-1", COMMIT)
    assert (offer.licence, offer.files, offer.bytes) == ("openrail", 5, 50)
    card = fetch("owner/Model-1", COMMIT, card_of(model).sha256, offer, tmp_path / "store")
    assert stored(tmp_path / "store") == ("model-1",)
    assert stored_card(tmp_path / "store", "model-1") == card
    assert (card.licence, card.attribution) == ("openrail", f"owner/Model-1, revision {COMMIT}")
    assert not list((tmp_path / "store").rglob("*.bin"))
    assert asked["download"]["revision"] == asked["info"]["revision"] == COMMIT
    assert asked["download"]["token"] is False
    assert asked["token"] is False
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["model-1"]


def test_another_digest_keeps_nothing(hub: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(PriorError, match=f"expected sha256 {'0' * 64}, found {card_of(hub[0]).sha256}"):
        fetch("owner/model", COMMIT, "0" * 64, OFFER, tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize(
    ("hub_id", "revision"),
    [("owner/model", "main"), ("model", COMMIT), ("../a/b", COMMIT), ("owner/model", COMMIT[:7])],
)
def test_what_isnt_pinned_asks_for_nothing(hub: tuple[Path, dict[str, Any]], hub_id: str, revision: str) -> None:
    with pytest.raises(PriorError, match="40 hex digits"):
        look(hub_id, revision)
    assert hub[1] == {}


def test_a_model_without_safetensors_is_refused(hub: tuple[Path, dict[str, Any]]) -> None:
    for path in hub[0].rglob("*.safetensors"):
        path.rename(path.with_suffix(".ckpt"))
    (hub[0] / "model.safetensors").touch()  # not in diffusers' layout
    with pytest.raises(PriorError, match="pickle can run code and is never fetched"):
        look("owner/model", COMMIT)


def test_no_network_is_said_plainly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("https://user:secret@hub")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(PriorError, match=r"\(ConnectionError\); .* `medaug prior import` here") as caught:
        look("owner/model", COMMIT)
    assert "secret" not in str(caught.value)
    with pytest.raises(PriorError, match="ConnectionError"):
        fetch("owner/model", COMMIT, "0" * 64, OFFER, tmp_path)


@pytest.mark.network
def test_the_hub_itself_states_a_licence() -> None:
    name = "CompVis/stable-diffusion-v1-4"
    commit = huggingface_hub.HfApi(token=False).model_info(name).sha
    assert look(name, str(commit)).licence == "creativeml-openrail-m"
