from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.schedulers import RFlowScheduler
from safetensors.torch import load_file, save_file

from medaug.errors import PriorError
from medaug.inverse.priors.loaders.load import card_of, load_folder
from medaug.inverse.priors.loaders.monai import LatentFacts, build, load_monai, maps
from medaug.inverse.priors.loaders.monai_bundle import read_bundle
from medaug.inverse.priors.loaders.monai_convert import convert_bundle
from tests.support.far_device import DEVICE, lies_whole
from tests.support.monai_bundles import CONFIG, FLOWING, bundle_folder


def _images(size: int = 32) -> torch.Tensor:
    return torch.rand((2, 1, size, size), generator=torch.Generator().manual_seed(4)) * 2 - 1


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_folder(tmp_path_factory.mktemp("bundle") / "zoo", pickled=True)


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    return bundle_folder(tmp_path / "safe", pickled=False)


@pytest.fixture(scope="module")
def converted(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted") / "prior"
    convert_bundle(bundle, folder, scale_factor=0.7)
    return folder


def test_a_bundle_of_the_model_zoo_becomes_a_prior(converted: Path) -> None:
    prior = load_folder(converted)
    z = prior.encode(_images())
    assert z.shape == (2, 2, 8, 8)
    assert prior.decode(z).shape == (2, 1, 32, 32)
    assert prior.denoise(z, torch.tensor([10, 900])).isfinite().all()
    card = prior.card
    assert (card.name, card.stride, card.multiple, card.size, card.latent_channels) == ("prior", 4, 8, 32, 2)
    assert (card.prediction_type, card.trained_on, card.not_for) == ("epsilon", "axial slices", "research")
    assert set(card.files) == {
        "configs/inference.json",
        "configs/metadata.json",
        "latent.json",
        "models/autoencoder.safetensors",
        "models/network.safetensors",
    }
    assert not list(converted.rglob("*.pt"))


def test_all_of_it_lies_on_the_device_that_was_asked_for(converted: Path) -> None:
    assert lies_whole(load_folder(converted, DEVICE), 32)


def test_nothing_of_the_configuration_was_executed(bundle: Path, converted: Path) -> None:
    assert not Path("executed").exists()
    assert not (bundle / "executed").exists()
    assert not (converted / "executed").exists()


def test_a_bundle_with_maisis_network_and_a_rectified_flow_becomes_a_prior(tmp_path: Path) -> None:
    folder = bundle_folder(tmp_path / "flow", pickled=False, config=FLOWING)
    convert_bundle(folder, tmp_path / "prior", scale_factor=0.7)
    prior, monai = load_folder(tmp_path / "prior"), RFlowScheduler()
    z0, noise = torch.randn((2, 3, 2, 8, 8), generator=torch.Generator().manual_seed(6))
    t = torch.tensor([99, 499, 899])
    x = monai.add_noise(z0, noise, t + 1)
    velocity = -prior.network(x, t + 1)  # to the image, as MONAI has it
    s = ((t + 1) / 1000).reshape(-1, 1, 1, 1)
    z_t = x / ((1 - s) ** 2 + s**2).sqrt()
    assert (prior.card.prediction_type, read_bundle(folder).network_class) == ("flow", "DiffusionModelUNetMaisi")
    assert torch.allclose(prior.denoise(z_t, t), x + s * velocity, atol=1e-5)
    assert (velocity.abs() > 1e-3).any()


def test_the_schedule_is_monais(converted: Path) -> None:
    betas = torch.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2
    assert torch.allclose(load_monai(converted).alphas_cumprod, torch.cumprod(1 - betas, 0), atol=1e-6)


def test_the_networks_answer_as_monais_own(bundle: Path, converted: Path) -> None:
    read, prior = read_bundle(bundle), load_monai(converted)
    autoencoder = build("AutoencoderKL", read.autoencoder, bundle)
    autoencoder.load_state_dict(torch.load(bundle / "models" / "model_autoencoder.pt", weights_only=True))
    network = build("DiffusionModelUNet", read.network, bundle)
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True)["model"])
    with torch.no_grad():
        ras = ((_images() + 1) / 2).transpose(-1, -2).flip(-1, -2)  # [0, 1], right and front
        mean = autoencoder.eval().encode(ras)[0]  # type: ignore[operator]
        assert torch.allclose(prior.encode(_images()), mean * 0.7, atol=1e-5)
        decoded = autoencoder.decode(mean)  # type: ignore[operator]
        assert torch.allclose(prior.decode(mean * 0.7), decoded.flip(-1, -2).transpose(-1, -2) * 2 - 1, atol=1e-5)
        t = torch.tensor([500, 500])
        assert torch.allclose(prior.network(mean, t), network.eval()(mean, timesteps=t), atol=1e-5)


@pytest.mark.parametrize("axes", ["rows-columns", "ras"])
def test_axes_and_grey_levels_come_back(axes: Any) -> None:
    class Identity(torch.nn.Module):
        def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
            self.seen = x
            return x, None

        def decode(self, z: torch.Tensor) -> torch.Tensor:
            return z

    net = Identity()
    encode, decode = maps(net, LatentFacts(2.0, "given", (0.0, 1.0), axes), 1)
    x = _images()
    assert torch.allclose(decode(encode(x)), x, atol=1e-6)
    assert net.seen.min() >= 0
    corner = net.seen[0, 0, -1, -1] if axes == "ras" else net.seen[0, 0, 0, 0]
    assert torch.isclose(corner, (x[0, 0, 0, 0] + 1) / 2)


def test_a_scale_is_estimated_from_images_and_recorded(safe: Path, converted: Path, tmp_path: Path) -> None:
    asked: list[int] = []

    def images(size: int) -> torch.Tensor:
        asked.append(size)
        return _images(size)

    card = convert_bundle(safe, tmp_path / "prior", images=images, axes="rows-columns")
    assert asked == [32]  # 30 px, rounded up to the multiple of 8
    assert load_monai(tmp_path / "prior").encode(_images()).std().item() == pytest.approx(1, abs=1e-3)
    facts = json.loads((tmp_path / "prior" / "latent.json").read_text())
    assert facts["scale_from"] == "estimated from 2 images"
    assert facts["axes"] == "rows-columns"
    assert card.files["latent.json"] != card_of(converted).files["latent.json"]


def test_a_scale_nobody_knows_is_asked_for(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(PriorError, match=r"give --scale-factor .* or --images"):
        convert_bundle(bundle, tmp_path / "prior")
    assert list(tmp_path.iterdir()) == []


def test_weights_of_the_older_package_are_renamed(safe: Path, tmp_path: Path) -> None:
    path = safe / "models" / "model_autoencoder.safetensors"
    new = load_file(path)
    renamed = {name.replace(".attn.to_", ".to_").replace("postconv", "conv"): value for name, value in new.items()}
    renamed = {name.replace(".attn.out_proj.", ".proj_attn."): value for name, value in renamed.items()}
    assert set(renamed) != set(new)
    save_file(renamed, path)
    convert_bundle(safe, tmp_path / "prior", scale_factor=0.7)
    weights = load_file(tmp_path / "prior" / "models" / "autoencoder.safetensors")
    assert set(weights) == set(new)
    assert all(torch.equal(weights[name], new[name]) for name in new)


class _Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("open('exploded', 'w').close()",))


def test_a_pickle_that_would_run_code_is_refused(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (safe / "models" / "model.pt").write_bytes(pickle.dumps({"model": _Bomb()}))
    with pytest.raises(PriorError, match=r"model\.pt: expected a checkpoint of tensors alone"):
        convert_bundle(safe, tmp_path / "prior", scale_factor=1.0)
    assert not (tmp_path / "exploded").exists()
    assert not (tmp_path / "prior").exists()


def _changed(part: str, **changes: Any) -> dict[str, Any]:
    return {**CONFIG, part: {**CONFIG[part], **changes}}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (_changed("network_def", channels="$[8, 16]"), "expected no expression"),
        (_changed("network_def", channels=["$__import__('os').system('x')"]), "expected no expression"),
        (_changed("network_def", in_channels="@model_dir"), "expected no expression"),
        (_changed("network_def", in_channels="@bundle_root#x"), "expected no expression"),
        (_changed("autoencoder_def", _target_="os.system"), "_target_ of AutoencoderKL"),
        (_changed("autoencoder_def", _target_="scripts.net.AutoencoderKL"), "_target_ of AutoencoderKL"),
        (_changed("noise_scheduler", _target_="monai.networks.schedulers.PNDMScheduler"), "_target_ of scheduler"),
        (_changed("autoencoder_def", _mode_="callable"), "expected only"),
        (_changed("network_def", with_conditioning=True), "expected only"),
        (_changed("network_def", spatial_dims=3), "expected spatial_dims 2, found 3"),
        (_changed("network_def", out_channels=1), "as many channels in as out"),
        ({**CONFIG, "latent_channels": "@loop", "loop": "@latent_channels"}, "no circle"),
        ({key: value for key, value in CONFIG.items() if key != "network_def"}, "the definition of DiffusionModelUNet"),
    ],
)
def test_a_configuration_that_would_have_to_be_executed_is_refused(
    tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "inference.json").write_text(json.dumps(config))
    with pytest.raises(PriorError, match=message):
        read_bundle(tmp_path)


def test_a_bundle_that_wasnt_converted_is_refused_and_told_how(bundle: Path) -> None:
    with pytest.raises(PriorError, match="medaug prior convert BUNDLE -o FOLDER"):
        card_of(bundle)


def test_weights_of_another_network_are_refused(converted: Path, tmp_path: Path) -> None:
    import shutil

    copied = Path(shutil.copytree(converted, tmp_path / "copied"))
    save_file({"x": torch.zeros(1)}, copied / "models" / "network.safetensors")
    (copied / "card.json").unlink()
    with pytest.raises(PriorError, match=r"network\.safetensors: expected the weights of"):
        load_monai(copied)
