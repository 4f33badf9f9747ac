"""No solver, operator, lever or adapter leaves a tensor where it doesn't belong, or waits for the device."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import get_args

import pytest
import torch

from medaug import assemble
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Beside, Downsampling, Inpainting, gaussian_blur, jpeg, motion_blur
from medaug.inverse.priors.latent_prior import LatentPrior, frozen, padded
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder
from medaug.inverse.priors.networks.classifier_free_guidance import guided
from medaug.inverse.priors.networks.precision import economical
from medaug.inverse.protocols import Operator, Problem
from medaug.inverse.sampling.conjugate_gradients import explain
from medaug.inverse.sampling.guided_ddim import Guidance
from medaug.inverse.solvers.blend import blend
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.diffstategrad import diffstategrad
from medaug.inverse.solvers.latino import latino
from medaug.inverse.solvers.project import project
from medaug.inverse.solvers.psld import psld
from medaug.profile.load import load_profile
from medaug.profile.solvers import OperatorSpec, SolverSpec
from tests.support.analytic import PixelPrior
from tests.support.far_device import DEVICE, FarDevice

STEPS = 4
SOLVERS = {
    "psld": psld,
    "psld with ancestral noise": partial(psld, eta=1.0),
    "diffstategrad": diffstategrad,
    "ddnm": ddnm,
    "project": project,
    "latino": latino,
    "blend": blend,
    "blend with ancestral noise": partial(blend, eta=0.5),
}
LEVERS = {
    "every second step": Guidance(every=2),
    "a budget": Guidance(budget=0.1),
    "a small autoencoder": Guidance(fast_above=0.3),
    "a closing": Guidance(closing=2, budget=0.1),
}
OPERATORS = {
    "gaussian-blur": gaussian_blur(1.0),
    "motion-blur": motion_blur(5.0, 30.0),
    "down-sampling": Downsampling(2),
    "jpeg": jpeg(20),
}


@pytest.fixture(scope="module")
def prior() -> LatentPrior:
    """A lapped autoencoder and one convolution in place of the UNet, far away; two latent channels, four px a cell."""
    with torch.random.fork_rng(devices=[]):
        autoencoder, small = (LappedAutoencoder(2, 4, 4) for _ in range(2))
        net = torch.nn.Conv2d(2, 2, 3, padding=1)
    for each in (autoencoder, small, net):
        frozen(each, DEVICE)
    pixel = PixelPrior()
    card = replace(pixel.card, stride=4, multiple=4, latent_channels=2, prediction_type="v_prediction")
    return LatentPrior(
        card,
        pixel.alphas_cumprod,
        autoencoder.encode,
        autoencoder.decode,
        lambda z, t: net(z) + 0 * t.reshape(-1, 1, 1, 1),
        prompted=lambda _: lambda z, t: net(z) + 0 * t.reshape(-1, 1, 1, 1),
        fast=(small.encode, small.decode),
    )


def problem(prior: LatentPrior, degraded: Operator | None = None) -> Problem:
    x = torch.zeros(2, 1, 16, 16, device=DEVICE)
    regions = Inpainting(torch.zeros(2, 1, 16, 16, dtype=torch.bool, device=DEVICE))
    operator = regions if degraded is None else Beside(regions, degraded)
    with torch.no_grad():
        start = prior.encode(x)
        prior.denoise(start, torch.zeros(2, dtype=torch.long, device=DEVICE))  # sends the schedule
    return Problem(prior, operator, operator.forward(x), SampleNoise([1, 2], DEVICE), start)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solve_waits_for_nothing_and_sends_its_noise_beforehand(name: str, prior: LatentPrior) -> None:
    asked = problem(prior)
    ancestral = "ancestral" in name
    with FarDevice() as device:
        made = SOLVERS[name](asked, steps=STEPS, t0=0.6)
    assert made.shape == (2, 1, 16, 16)
    assert made.device.type == DEVICE
    # torch itself looks at the device after each decomposition
    assert device.waits == (Counter(_linalg_svd=STEPS) if name == "diffstategrad" else Counter())
    assert device.sent == 1 + (ancestral or name == "latino") + ("blend" in name)


@pytest.mark.parametrize("lever", LEVERS)
@pytest.mark.parametrize("name", ["psld", "ddnm"])
def test_no_lever_waits_but_a_budget_which_has_to_look(name: str, lever: str, prior: LatentPrior) -> None:
    asked = problem(prior)
    with FarDevice() as device:
        SOLVERS[name](asked, steps=STEPS, t0=0.6, guidance=LEVERS[lever])
    looks = STEPS if LEVERS[lever].budget else 0
    assert device.waits == (Counter(look=looks) if looks else Counter())
    assert device.sent == 1


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_lies_where_the_image_does_and_is_sent_once(name: str, prior: LatentPrior) -> None:
    asked = problem(prior, OPERATORS[name])  # which sends its kernel
    with FarDevice() as device:
        psld(asked, steps=STEPS, t0=0.6)
        explain(asked.operator, asked.y, torch.zeros(2, 1, 16, 16, device=DEVICE), 2)
    assert not device.waits
    assert device.sent == 1  # the noise


@pytest.mark.parametrize("way", ["padded", "prompted", "16 bits", "channels last"])
def test_an_adapter_brings_no_tensor_of_the_processor_s(way: str, prior: LatentPrior) -> None:
    changed = {
        "padded": lambda: padded(replace(prior, card=replace(prior.card, multiple=12)), 16),
        "prompted": lambda: guided(prior, "a knee", 2.0),
        "16 bits": lambda: economical(prior, "cpu", precision="bfloat16"),  # autocast knows no meta device
        "channels last": lambda: economical(prior, DEVICE, channels_last=True),
    }[way]()
    asked = problem(changed)
    with FarDevice() as device:
        made = psld(asked, steps=STEPS, t0=0.6)
    assert made.shape == (2, 1, 16, 16)
    assert not device.waits


def shipped(prior: LatentPrior, rows: int, seed: int) -> FarDevice:
    """What a solve of the shipped profile asks of a device, for so many rows."""
    solver = assemble.tools(load_profile("bone-xray"), "cpu", prior).solve.solver
    x = torch.zeros(rows, 1, 256, 256, device=DEVICE)
    regions = Inpainting(torch.zeros(rows, 1, 256, 256, dtype=torch.bool, device=DEVICE))
    with torch.no_grad():
        start = prior.encode(x)
        prior.denoise(start, torch.zeros(rows, dtype=torch.long, device=DEVICE))
    noise = SampleNoise(range(seed, seed + rows), DEVICE)
    with FarDevice() as device:
        solver(Problem(prior, regions, regions.forward(x), noise, start))
    return device


def test_a_shipped_solve_is_one_sequence_of_calls_of_fixed_shapes_whatever_the_batch() -> None:
    """What a captured graph needs, and what it would save: docs/how-to/gpu.md tells the number."""
    embedded = load_embedded(DEVICE)
    few, many = shipped(embedded, 2, 1), shipped(embedded, 32, 500)
    assert few.order == many.order
    steps = load_profile("bone-xray").solver.steps
    assert 1000 * steps < many.kernels < 1200 * steps
    assert many.sent == 1
    assert shipped(embedded, 64, 1).kernels - few.kernels == 2 * steps  # diffusers copies there before it enlarges


def test_no_kind_is_forgotten() -> None:
    """What a profile may name is asked here: a new solver or operator that isn't is an error."""
    for specs, asked in ((SolverSpec, SOLVERS), (OperatorSpec, OPERATORS)):
        fields = [spec.model_fields["kind"] for spec in get_args(get_args(specs)[0])]
        kinds = {kind for field in fields for kind in get_args(field.annotation)}
        assert {name.partition(" with ")[0] for name in asked} == kinds - {"none"}


def test_what_waits_is_seen() -> None:
    """The counting can fail, and so can the mixing of devices."""
    with FarDevice() as device:
        x = torch.zeros(3, device=DEVICE)
        assert float(x[0]) == 1
        assert x.cpu().tolist() == [0, 0, 0]
        torch.ones(3).to(DEVICE)
        torch.linalg.eigh(torch.zeros(2, 2, device=DEVICE))
    assert device.waits == {"look": 1, "copy back": 1, "_linalg_eigh": 1}
    assert device.sent == 1
    with pytest.raises(RuntimeError, match="device"):
        _ = torch.zeros(3, device=DEVICE) + torch.ones(3)
