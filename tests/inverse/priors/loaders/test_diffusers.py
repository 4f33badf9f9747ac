from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medaug.errors import PriorError
from medaug.inverse.priors.loaders.diffusers import load_diffusers
from medaug.inverse.priors.networks.unet import FLOW_SCHEDULER
from tests.support import prior_models as models
from tests.support.far_device import DEVICE, lies_whole
from tests.support.prior_models import WIDTH


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return models.plain(tmp_path / "plain")


@pytest.fixture
def colour(tmp_path: Path) -> Path:
    return models.colour(tmp_path / "colour")


def _image() -> torch.Tensor:
    return torch.rand((2, 1, 16, 16), generator=torch.Generator().manual_seed(4)) * 2 - 1


def test_an_unconditional_model_of_grey_images(plain: Path) -> None:
    prior = load_diffusers(plain)
    z = prior.encode(_image())
    assert z.shape == (2, 4, 8, 8)
    assert prior.decode(z).shape == (2, 1, 16, 16)
    assert prior.denoise(z, torch.tensor([10, 900])).shape == z.shape
    card = prior.card
    assert (card.name, card.size, card.stride, card.channels, card.latent_channels) == ("plain", 16, 2, 1, 4)
    assert card.prediction_type == "v_prediction"
    assert prior.alphas_cumprod.shape == (1000,)


def test_all_of_it_lies_on_the_device_that_was_asked_for(plain: Path, colour: Path) -> None:
    assert lies_whole(load_diffusers(plain, DEVICE), 16)
    assert lies_whole(load_diffusers(models.null(colour), DEVICE), 16)


def test_latents_are_the_scaled_mean(plain: Path) -> None:
    from diffusers import AutoencoderKL

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        vae = AutoencoderKL.from_pretrained(plain / "vae", local_files_only=True)
        mean = vae.encode(_image()).latent_dist.mean
        prior = load_diffusers(plain)
        assert torch.allclose(prior.encode(_image()), (mean - 0.1) * 0.5, atol=1e-6)
        assert torch.allclose(prior.decode((mean - 0.1) * 0.5), vae.decode(mean).sample, atol=1e-5)


def test_a_colour_model_sees_three_equal_channels_and_gives_their_mean(colour: Path) -> None:
    from diffusers import AutoencoderKL

    prior = load_diffusers(models.null(colour))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        vae = AutoencoderKL.from_pretrained(colour / "vae", local_files_only=True)
        mean = vae.encode(torch.cat([_image()] * 3, dim=1)).latent_dist.mean
        decoded = vae.decode(mean).sample
    z = prior.encode(_image())
    assert torch.allclose(z, (mean - 0.1) * 0.5, atol=1e-6)
    assert torch.allclose(prior.decode(z), decoded.mean(dim=1, keepdim=True), atol=1e-5)
    assert not torch.allclose(decoded[:, :1], decoded.mean(dim=1, keepdim=True), atol=1e-3)
    assert prior.card.channels == 3
    assert prior.card.prediction_type == "epsilon"


def test_the_null_embedding_enters_and_stands_in_the_digest(colour: Path) -> None:
    first, z, t = load_diffusers(models.null(colour)), torch.ones(2, 4, 8, 8), torch.tensor([500, 500])
    second = load_diffusers(models.null(colour, value=-2.0))
    assert not torch.allclose(first.denoise(z, t), second.denoise(z, t), atol=1e-4)
    assert first.card.sha256 != second.card.sha256
    assert load_diffusers(models.null(colour)).card.sha256 == first.card.sha256


def test_weights_are_frozen_and_gradients_reach_the_input(colour: Path) -> None:
    prior = load_diffusers(models.null(colour))
    assert not prior.decode(prior.encode(_image())).requires_grad
    z = torch.ones(1, 4, 8, 8, requires_grad=True)
    loss = prior.encode(prior.decode(prior.denoise(z, torch.tensor([100])))).square().sum()
    assert torch.autograd.grad(loss, z)[0].abs().sum() > 0


def test_a_vector_quantised_model_loads(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        folder = models.folder(tmp_path / "vq", models.vq(), models.unet("UNet2DModel"))
    prior = load_diffusers(folder)
    assert prior.decode(prior.encode(_image())).shape == (2, 1, 16, 16)


def test_a_conditional_model_without_null_embedding_is_refused(colour: Path) -> None:
    with pytest.raises(PriorError, match=r"expected null_embedding\.safetensors .* found no text_encoder/"):
        load_diffusers(colour)


def test_a_text_encoder_without_transformers_is_refused(colour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (colour / "text_encoder").mkdir()
    (colour / "tokenizer").mkdir()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(PriorError, match="both folders but no package transformers"):
        load_diffusers(colour)


def test_the_empty_prompt_comes_from_the_text_encoder_once(colour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medaug.inverse.priors.loaders import text_encoder

    models.speaking(colour)
    asked: list[Path] = []
    parts = text_encoder.text_parts
    monkeypatch.setattr(text_encoder, "text_parts", lambda path: (asked.append(path), parts(path))[1])
    z, t = torch.ones(1, 4, 8, 8), torch.tensor([500])
    prior = load_diffusers(colour)
    by_text = [prior.denoise(z, t) for _ in range(3)]
    assert len(asked) == 1  # however often the network is called
    save_file(
        {"null_embedding": text_encoder.prompt_embedding(colour, "", WIDTH)}, colour / "null_embedding.safetensors"
    )
    asked.clear()
    assert torch.equal(load_diffusers(colour).denoise(z, t), by_text[0])
    assert asked == []  # kept in a file: the text encoder isn't loaded at all
    assert torch.equal(by_text[0], by_text[2])


def test_a_text_encoder_in_16_bits_runs_in_32(colour: Path) -> None:
    from transformers import CLIPTextModel

    from medaug.inverse.priors.loaders.text_encoder import prompt_embedding

    models.speaking(colour)
    full = prompt_embedding(colour, "a knee", WIDTH)
    encoder = CLIPTextModel.from_pretrained(colour / "text_encoder").half()
    encoder.save_pretrained(colour / "text_encoder")
    half = prompt_embedding(colour, "a knee", WIDTH)
    assert half.dtype == torch.float32
    assert torch.allclose(full, half, atol=5e-3)


def test_a_null_embedding_of_the_wrong_width_is_refused(colour: Path) -> None:
    save_file({"null_embedding": torch.zeros(1, 3, 5)}, colour / "null_embedding.safetensors")
    with pytest.raises(PriorError, match=r"expected \(1, tokens, 8\), found \(1, 3, 5\)"):
        load_diffusers(colour)


@pytest.mark.parametrize("part", ["vae", "unet"])
def test_pickled_weights_are_refused(plain: Path, part: str) -> None:
    (weights,) = (plain / part).glob("*.safetensors")
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(PriorError, match=rf"{part}: expected \*\.safetensors, found pickled weights; .* convert it"):
        load_diffusers(plain)


def test_another_class_is_refused(plain: Path) -> None:
    path = plain / "unet" / "config.json"
    path.write_text(path.read_text().replace("UNet2DModel", "FluxTransformer2DModel"))
    with pytest.raises(PriorError, match="expected UNet2DModel or UNet2DConditionModel, found FluxTransformer2DModel"):
        load_diffusers(plain)


def test_a_model_with_extra_channels_is_refused(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        folder = models.folder(tmp_path / "inpaint", models.vae(1), models.unet("UNet2DModel", in_channels=9))
    with pytest.raises(PriorError, match="as many output as input channels, found 4 and 9"):
        load_diffusers(folder)


@pytest.mark.parametrize("name", ["vae/config.json", "unet/config.json", "scheduler/scheduler_config.json"])
def test_a_missing_part_is_named(plain: Path, name: str) -> None:
    (plain / name).unlink()
    with pytest.raises(PriorError, match=f"prior plain: {name}"):
        load_diffusers(plain)


def test_weights_of_another_shape_are_refused(plain: Path) -> None:
    save_file({"conv_in.weight": torch.zeros(1)}, next((plain / "unet").glob("*.safetensors")))
    with pytest.raises(PriorError, match="expected weights of a UNet2DModel"):
        load_diffusers(plain)


def test_a_flows_scheduler_makes_a_flow_of_the_network(plain: Path) -> None:
    (plain / "scheduler" / "scheduler_config.json").write_text(json.dumps(FLOW_SCHEDULER))
    prior = load_diffusers(plain)
    z_t, t = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(5)), torch.tensor([99, 699])
    s = torch.tensor([0.1, 0.7]).reshape(-1, 1, 1, 1)
    x_s = z_t * ((1 - s) ** 2 + s**2).sqrt()
    assert prior.card.prediction_type == "flow"
    assert torch.allclose(prior.denoise(z_t, t), x_s - s * prior.network(x_s, t + 1), atol=1e-5)


@pytest.mark.parametrize(("old", "new"), [('"v_prediction"', '"flow"'), ('"beta_schedule"', '"shift"')])
def test_a_scheduler_of_another_kind_is_refused(plain: Path, old: str, new: str) -> None:
    path = plain / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(PriorError, match="scheduler: expected betas and a prediction type of epsilon, v_prediction"):
        load_diffusers(plain)
