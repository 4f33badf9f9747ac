from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from medaug import assemble
from medaug.errors import PriorError
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.latent_prior import (
    LatentPrior,
    clean_from,
    padded,
    target_of,
    with_fast_autoencoder,
)
from medaug.inverse.priors.library.check import examine, phantom
from medaug.inverse.priors.loaders.diffusers import load_diffusers
from medaug.inverse.priors.loaders.layout import NULL_EMBEDDING
from medaug.inverse.priors.loaders.text_encoder import prompt_embedding
from medaug.inverse.priors.networks.classifier_free_guidance import guided
from medaug.inverse.protocols import Problem
from medaug.inverse.solvers.psld import psld
from medaug.profile import profile as profiles
from medaug.profile.load import load_profile
from tests.support import prior_models as models


def _image(side: int = 16) -> torch.Tensor:
    return torch.rand((1, 1, side, side), generator=torch.Generator().manual_seed(4)) * 2 - 1


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def prior(tmp_path: Path, calls: list[str]) -> LatentPrior:
    """Stable Diffusion's parts, whose text encoder gives the length of a prompt; each network call is counted."""
    loaded = load_diffusers(models.null(models.colour(tmp_path / "colour")))

    def counted(name: str, shift: float) -> Any:
        def network(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            calls.append(name)
            return loaded.network(z, t) + shift

        return network

    return replace(loaded, network=counted("", 0.0), prompted=lambda text: counted(text, len(text) / 10))


def _solve(prior: LatentPrior, steps: int = 3) -> torch.Tensor:
    x = _image()
    operator = Inpainting(torch.arange(16).remainder(2).bool().expand(1, 1, 16, 16))
    solver = partial(psld, steps=steps, t0=0.3, omega=0.1, gamma=0.01)
    return solver(Problem(prior, operator, operator.forward(x), SampleNoise([1]), start=prior.encode(x)))


@pytest.mark.parametrize(("scale", "expected"), [(1.0, ["knee"]), (2.5, ["", "knee"]), (0.0, [""])])
def test_a_prompt_acts_in_every_step_and_costs_what_it_says(
    prior: LatentPrior, calls: list[str], scale: float, expected: list[str]
) -> None:
    _solve(guided(prior, "knee", scale))
    assert calls == expected * 3


def test_without_a_prompt_the_network_runs_once_a_step(prior: LatentPrior, calls: list[str]) -> None:
    _solve(prior)
    assert calls == [""] * 3


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_guidance_mixes_estimates_of_z0_whatever_is_predicted(prior: LatentPrior, kind: Any) -> None:
    prior = replace(prior, card=replace(prior.card, prediction_type=kind))
    z, t = torch.ones(1, 4, 8, 8), torch.tensor([400])
    empty, alone = prior.denoise(z, t), guided(prior, "knee", 1.0).denoise(z, t)
    assert not torch.allclose(empty, alone, atol=1e-3)
    assert torch.allclose(guided(prior, "knee", 3.0).denoise(z, t), empty + 3 * (alone - empty), atol=1e-4)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_every_prediction_type_gives_z0(tmp_path: Path, kind: Any) -> None:
    prior = load_diffusers(models.plain(tmp_path / "plain", prediction_type=kind))
    z, t = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(3)), torch.tensor([10, 900])
    abar = prior.alphas_cumprod[t].reshape(-1, 1, 1, 1)
    assert prior.card.prediction_type == kind
    expected = clean_from(kind, prior.network(z, t), z, abar)
    assert torch.equal(prior.denoise(z, t), expected)
    others = {"epsilon", "v_prediction", "sample"} - {kind}
    assert all(not torch.allclose(clean_from(o, prior.network(z, t), z, abar), expected) for o in others)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_what_a_network_learns_is_what_gives_z0_again(kind: Any) -> None:
    draw = torch.Generator().manual_seed(8)
    z0, noise = torch.randn((2, 3, 4, 4), generator=draw), torch.randn((2, 3, 4, 4), generator=draw)
    abar = torch.tensor([0.9, 0.2]).reshape(-1, 1, 1, 1)
    z_t = abar.sqrt() * z0 + (1 - abar).sqrt() * noise
    assert torch.allclose(clean_from(kind, target_of(kind, z0, noise, abar), z_t, abar), z0, atol=1e-5)


def _profile(**changes: Any) -> profiles.Profile:
    base = load_profile("bone-xray")
    return base.model_copy(
        update={"size": 64, "solver": base.solver.model_copy(update={"omega": 0.1, "gamma": 0.1}), **changes}
    )


def test_prompts_by_label_are_joined_in_the_order_of_the_labels(prior: LatentPrior, calls: list[str]) -> None:
    prompts = {"nodule": "a nodule", "fracture": "a broken bone"}
    tools = assemble.tools(_profile(prompt=prompts), "cpu", prior)
    assert tools.solve.prompted is not None
    z, t = torch.ones(1, 4, 8, 8), torch.tensor([400])
    tools.solve.prompted(["nodule", "fracture", "nodule", "other"]).denoise(z, t)
    tools.solve.prompted(["other"]).denoise(z, t)
    assert calls == ["a broken bone, a nodule", ""]


def test_a_profile_without_prompt_has_the_digest_it_always_had(prior: LatentPrior) -> None:
    assert assemble.tools(_profile(), "cpu", prior).solve.prompted is None
    base = load_profile("bone-xray")
    assert base.model_copy(update={"guidance_scale": 3.0}).sha256 == base.sha256
    assert base.model_copy(update={"prompt": "x"}).sha256 != base.sha256


def test_a_prompt_for_a_prior_that_takes_none_is_refused(tmp_path: Path) -> None:
    plain = load_diffusers(models.plain(tmp_path / "plain"))
    with pytest.raises(PriorError, match="takes none"):
        assemble.tools(_profile(prompt="a knee"), "cpu", plain)
    with pytest.raises(PriorError, match="expected one that takes a prompt"):
        guided(plain, "a knee", 1.0)


def test_a_prompt_goes_through_the_text_encoder(tmp_path: Path) -> None:
    folder = models.speaking(models.colour(tmp_path / "colour"))
    z, t = torch.ones(1, 4, 8, 8), torch.tensor([500])
    by_prompt = guided(load_diffusers(folder), "a knee", 1.0).denoise(z, t)
    save_file({"null_embedding": prompt_embedding(folder, "a knee", models.WIDTH)}, folder / NULL_EMBEDDING)
    assert torch.equal(by_prompt, load_diffusers(folder).denoise(z, t))
    assert not torch.equal(by_prompt, guided(load_diffusers(folder), "a hip", 1.0).denoise(z, t))


def test_a_small_autoencoder_beside_it_is_the_fast_one(tmp_path: Path) -> None:
    folder = models.plain(tmp_path / "plain")
    without = load_diffusers(folder)
    assert without.fast is None
    assert with_fast_autoencoder(without) is without
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        tiny = models.tiny()
    tiny.save_pretrained(folder / "vae_tiny", safe_serialization=True)
    prior = load_diffusers(folder)
    fast = with_fast_autoencoder(prior)
    with torch.no_grad():
        assert torch.allclose(fast.encode(_image()), tiny.encode(_image()).latents, atol=1e-6)
        z = prior.encode(_image())
        assert torch.allclose(fast.decode(z), tiny.decode(z).sample, atol=1e-5)
    assert not torch.allclose(fast.decode(z), prior.decode(z), atol=1e-3)
    assert prior.card.sha256 != without.card.sha256
    assert {f.name for f in examine(prior, _image())} > {"round trip", "round trip, small autoencoder"}


def test_a_small_autoencoder_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = models.plain(tmp_path / "plain")
    with torch.random.fork_rng(devices=[]):
        models.tiny(latent_channels=3).save_pretrained(folder / "vae_tiny", safe_serialization=True)
    with pytest.raises(PriorError, match=r"vae_tiny: expected stride, .* \(2, 4, 1\) .* found \(2, 3, 1\)"):
        load_diffusers(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("num_class_embeds", 4, r"expected all weights of a UNet2DModel, found 1 missing, such as class_embedding"),
        ("class_embed_type", "identity", r"expected no condition but text, found class_embed_type 'identity'"),
    ],
)
def test_a_condition_that_medaug_cant_give_is_refused(tmp_path: Path, key: str, value: Any, message: str) -> None:
    folder = models.plain(tmp_path / "plain")
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(PriorError, match=message):
        load_diffusers(folder)


def test_padding_is_seen_by_the_latents_alone(tmp_path: Path) -> None:
    prior = load_diffusers(models.plain(tmp_path / "plain"))  # multiple 4
    assert padded(prior, 16) is prior
    fitted = padded(prior, 18)
    x = _image(18)
    z = fitted.encode(x)
    assert z.shape[-2:] == (10, 10)
    framed = torch.nn.functional.pad(x, (1, 1, 1, 1), value=-1.0)
    assert torch.equal(z, prior.encode(framed))
    assert torch.equal(fitted.decode(z), prior.decode(z)[..., 1:19, 1:19])
    assert _solved_at(fitted, 18).shape == (1, 1, 18, 18)


def _solved_at(prior: LatentPrior, size: int) -> torch.Tensor:
    x = _image(size)
    operator = Inpainting(torch.ones(1, 1, size, size, dtype=torch.bool))
    return psld(
        Problem(prior, operator, x, SampleNoise([1]), start=prior.encode(x)), steps=2, t0=0.3, omega=0.1, gamma=0.01
    )


def test_the_examination_says_what_is_wrong(tmp_path: Path) -> None:
    from medaug.inverse.priors.loaders.trained import load_embedded

    good = load_embedded()
    assert all(finding.ok for finding in examine(good, phantom(64)))
    broken = replace(good, network=lambda z, _: z * torch.nan, decoder=lambda z: good.decoder(z) * 0)
    bad = {finding.name: finding.ok for finding in examine(broken, phantom(64))}
    assert not bad["forward pass at t = 499"]
    assert not bad["round trip"]
    assert bad["latent scale"]
    assert not all(f.ok for f in examine(load_diffusers(models.plain(tmp_path / "plain")), phantom(16)))
