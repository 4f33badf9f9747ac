from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medaug.inverse.priors.card import PredictionType
from medaug.inverse.priors.latent_prior import LatentPrior
from tests.support.prior_cards import CARD

ABAR = torch.linspace(0.999, 0.01, 20)
VARIANCE = 0.7  # of z0 ~ N(0, 0.7)


def _exact(z_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    a = ABAR[t].reshape(-1, 1, 1, 1)
    return a.sqrt() * VARIANCE / (a * VARIANCE + 1 - a) * z_t


def _network(kind: PredictionType, z_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    a, z0 = ABAR[t].reshape(-1, 1, 1, 1), _exact(z_t, t)
    eps = (z_t - a.sqrt() * z0) / (1 - a).sqrt()
    return {"sample": z0, "epsilon": eps, "v_prediction": a.sqrt() * eps - (1 - a).sqrt() * z0}[kind]


def _prior(kind: PredictionType, network_kind: PredictionType) -> LatentPrior:
    card = replace(CARD, prediction_type=kind)
    return LatentPrior(card, ABAR, lambda x: x, lambda z: z, lambda z, t: _network(network_kind, z, t))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_whatever_the_network_predicts_denoise_gives_the_exact_z0(kind: PredictionType) -> None:
    z_t = torch.randn((5, 3, 4, 4), generator=torch.Generator().manual_seed(1))
    t = torch.tensor([0, 3, 9, 15, 19])  # one time per sample
    assert torch.allclose(_prior(kind, kind).denoise(z_t, t), _exact(z_t, t), atol=1e-5)


@pytest.mark.parametrize(("kind", "wrong"), [("epsilon", "sample"), ("v_prediction", "epsilon")])
def test_a_wrong_prediction_type_shows(kind: PredictionType, wrong: PredictionType) -> None:
    z_t, t = torch.ones(1, 3, 4, 4), torch.tensor([12])
    assert not torch.allclose(_prior(kind, wrong).denoise(z_t, t), _exact(z_t, t), atol=1e-2)
