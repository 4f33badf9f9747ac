from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from medaug.errors import PriorError
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.latent_prior import LatentPrior, clean_from
from medaug.inverse.priors.networks.precision import economical
from medaug.inverse.protocols import Problem
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.psld import psld
from tests.support.analytic import PixelPrior

WAYS = [{"precision": "bfloat16"}, {"channels_last": True}, {"precision": "bfloat16", "channels_last": True}]
ids = [" ".join(f"{k}={v}" for k, v in way.items()) for way in WAYS]


class Watched(nn.Module):
    """A small convolution that notes what it is given."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.net = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        weights = torch.randn(self.net.weight.shape, generator=torch.Generator().manual_seed(seed))
        self.net.weight = nn.Parameter(0.02 * weights, requires_grad=False)
        self.seen: list[tuple[torch.dtype, bool]] = []

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        answer: Tensor = self.net(x)
        self.seen.append((answer.dtype, x.is_contiguous(memory_format=torch.channels_last)))
        return answer + x


def prior() -> tuple[LatentPrior, list[Watched]]:
    nets = [Watched(seed) for seed in range(3)]
    pixel = PixelPrior()
    card = replace(pixel.card, latent_channels=4, prediction_type="v_prediction")
    return LatentPrior(card, pixel.alphas_cumprod, *nets), nets


def test_nothing_asked_for_leaves_the_prior_as_it_is() -> None:
    own, _ = prior()
    assert economical(own, "cpu") is own


@pytest.mark.parametrize("way", WAYS, ids=ids)
def test_networks_run_as_asked_and_their_answers_come_back_in_float32(way: dict) -> None:
    own, nets = prior()
    run = economical(own, "cpu", **way)
    z = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([900, 900])
    answers = (run.encode(z), run.decode(z), run.denoise(z, t))
    inside = torch.bfloat16 if "precision" in way else torch.float32
    for net, answer in zip(nets, answers, strict=True):
        assert answer.dtype == torch.float32
        assert answer.is_contiguous()
        assert net.seen == [(inside, way.get("channels_last", False))]
    # alphas and rescaling stay float32: the same answer of the network gives the same z0 to the last bit
    abar = own.alphas_cumprod[t].reshape(-1, 1, 1, 1)
    assert torch.equal(answers[2], clean_from("v_prediction", run.network(z, t), z, abar))
    difference = (answers[2] - own.denoise(z, t)).abs().max()
    assert difference < 0.02
    # 16 bits are seen in the result (1e-3); of the order no more than that sums of 36 terms round otherwise (1e-6)
    assert (difference > 1e-5) == ("precision" in way)


@pytest.mark.parametrize("way", WAYS, ids=ids)
@pytest.mark.parametrize("solve", [psld, ddnm])
def test_solvers_keep_their_contract(way: dict, solve) -> None:
    own, _ = prior()
    run = economical(own, "cpu", **way)
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(3, 4, 8, 8, generator=draw)
    operator = Inpainting(torch.rand(1, 1, 8, 8, generator=draw) < 0.5)
    y = operator.forward(x)
    options = {"steps": 4, "t0": 0.6}
    together, again = (solve(Problem(run, operator, y, SampleNoise(range(3)), start=x), **options) for _ in range(2))
    alone = [
        solve(Problem(run, operator, y[n : n + 1], SampleNoise([n]), start=x[n : n + 1]), **options) for n in range(3)
    ]
    assert together.dtype == torch.float32
    assert torch.equal(together, again)
    torch.testing.assert_close(together, torch.cat(alone), atol=2e-3 if "precision" in way else 1e-4, rtol=0)


def test_the_small_autoencoder_and_a_prompt_run_so_too() -> None:
    own, nets = prior()
    both = replace(own, prompted=lambda _: nets[2], fast=(nets[0], nets[1]))
    run = economical(both, "cpu", precision="bfloat16")
    z = torch.zeros(1, 4, 8, 8)
    assert run.prompted is not None
    assert run.fast is not None
    for call in (run.fast[0], run.fast[1], run.prompted("a text")):
        assert call(z, torch.tensor([5])).dtype == torch.float32
    assert [net.seen[-1][0] for net in nets] == [torch.bfloat16] * 3


def test_compiling_on_a_cpu_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PriorError, match=r"expected a C\+\+ compiler"):
        economical(prior()[0], "cpu", compiled=True)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of torch's own compiler
@pytest.mark.parametrize("solve", [psld, ddnm])
def test_a_compiled_prior_gives_what_the_plain_one_gives(solve) -> None:
    if not shutil.which("g++"):
        pytest.skip("no compiler here")
    own = LatentPrior(
        prior()[0].card, PixelPrior().alphas_cumprod, *(Watched(seed).net for seed in range(2)), _velocity
    )
    run = economical(own, "cpu", compiled=True)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    operator = Inpainting(torch.ones(1, 1, 8, 8, dtype=torch.bool))
    one, other = (
        solve(Problem(which, operator, x, SampleNoise([0]), start=x), steps=3, t0=0.6) for which in (run, own)
    )
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def _velocity(z: Tensor, t: Tensor) -> Tensor:
    return 0.1 * torch.tanh(z) + 0 * t.reshape(-1, 1, 1, 1)
