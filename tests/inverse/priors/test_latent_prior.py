from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch

from medaug.inverse.priors.card import PredictionType
from medaug.inverse.priors.latent_prior import LatentPrior, clean_from, target_of
from medaug.inverse.priors.rectified_flow import flow_schedule, unscaled
from tests.support.prior_cards import CARD

ABAR = torch.linspace(0.999, 0.01, 20)
VARIANCE = 0.7  # of z0 ~ N(0, 0.7)


def _exact(z_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    a = ABAR[t].reshape(-1, 1, 1, 1)
    return a.sqrt() * VARIANCE / (a * VARIANCE + 1 - a) * z_t


def _network(kind: PredictionType, z_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    a, z0 = ABAR[t].reshape(-1, 1, 1, 1), _exact(z_t, t)
    eps = (z_t - a.sqrt() * z0) / (1 - a).sqrt()
    v = a.sqrt() * eps - (1 - a).sqrt() * z0
    return {"sample": z0, "epsilon": eps, "v_prediction": v}[kind]


def _flow(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """The exact velocity at x_s = (1 − s) z0 + s ε, z0 ~ N(0, VARIANCE), where time = 20 s counts from no noise."""
    s = (time / len(ABAR)).reshape(-1, 1, 1, 1)
    clean = (1 - s) * VARIANCE / ((1 - s) ** 2 * VARIANCE + s**2) * x
    return (x - clean) / s


def _prior(kind: PredictionType, network_kind: PredictionType) -> LatentPrior:
    card = replace(CARD, prediction_type=kind)
    return LatentPrior(card, ABAR, lambda x: x, lambda z: z, lambda z, t: _network(network_kind, z, t))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_whatever_the_network_predicts_denoise_gives_the_exact_z0(kind: PredictionType) -> None:
    z_t = torch.randn((5, 3, 4, 4), generator=torch.Generator().manual_seed(1))
    t = torch.tensor([0, 3, 9, 15, 19])  # one time per sample
    assert torch.allclose(_prior(kind, kind).denoise(z_t, t), _exact(z_t, t), atol=1e-5)


def test_a_flow_is_asked_in_its_own_states_and_times() -> None:
    levels = flow_schedule(len(ABAR))
    prior = LatentPrior(replace(CARD, prediction_type="flow"), levels, lambda x: x, lambda z: z, _flow)
    z_t, t = torch.randn((4, 3, 4, 4), generator=torch.Generator().manual_seed(2)), torch.tensor([0, 7, 15, 18])
    a = levels[t].reshape(-1, 1, 1, 1)
    exact = a.sqrt() * VARIANCE / (a * VARIANCE + 1 - a) * z_t
    assert torch.allclose(prior.denoise(z_t, t), exact, atol=1e-5)
    s = (t + 1).reshape(-1, 1, 1, 1) / len(ABAR)
    assert torch.allclose(unscaled(z_t, a), z_t * ((1 - s) ** 2 + s**2).sqrt(), atol=1e-6)


@pytest.mark.parametrize("kind", get_args(PredictionType))
def test_the_clean_image_comes_back_from_what_a_network_has_to_predict(kind: PredictionType) -> None:
    z0, noise = torch.randn((2, 3, 1, 4, 4), generator=torch.Generator().manual_seed(3))
    a = torch.tensor([0.9, 0.5, 0.02]).reshape(-1, 1, 1, 1)
    z_t = a.sqrt() * z0 + (1 - a).sqrt() * noise
    assert torch.allclose(clean_from(kind, target_of(kind, z0, noise, a), z_t, a), z0, atol=1e-5)


@pytest.mark.parametrize(("kind", "wrong"), [("epsilon", "sample"), ("v_prediction", "epsilon")])
def test_a_wrong_prediction_type_shows(kind: PredictionType, wrong: PredictionType) -> None:
    z_t, t = torch.ones(1, 3, 4, 4), torch.tensor([12])
    assert not torch.allclose(_prior(kind, wrong).denoise(z_t, t), _exact(z_t, t), atol=1e-2)
