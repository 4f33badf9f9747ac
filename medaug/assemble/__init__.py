"""The composition root: from a profile's specs to objects. The only folder that knows every component.

Each ``match`` ends in ``assert_never``, so a component that is named in `profile` and not wired here is a type error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import assert_never

from medaug.assemble.copying import copying_tools
from medaug.assemble.laws import copy_of, draw_of, law_for, protect_for, set_in_of
from medaug.assemble.restoration import restoration_of
from medaug.assemble.settling import settled_on
from medaug.augmentation.prepare import Latest, PresentTools
from medaug.augmentation.restore import RestoreTools
from medaug.augmentation.solve import SolveTools, on_threads
from medaug.augmentation.tools import Tools
from medaug.errors import PriorError, ProfileError
from medaug.imaging.crop import around_domain, free_part, whole_frame
from medaug.imaging.volume import Area, Mask, Volume, Window
from medaug.imaging.windowing import percentile_window, stated_window
from medaug.inverse import operators
from medaug.inverse.device import resolve_device
from medaug.inverse.priors.card import PriorCard
from medaug.inverse.priors.latent_prior import LatentPrior, padded
from medaug.inverse.priors.library.lookup import locate, store_root
from medaug.inverse.priors.loaders.load import load_folder
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.inverse.priors.networks.classifier_free_guidance import guided
from medaug.inverse.priors.networks.precision import economical
from medaug.inverse.priors.remote_prior import RemotePrior
from medaug.inverse.protocols import Operator, Prior, Solver
from medaug.inverse.sampling.guided_ddim import Guidance
from medaug.inverse.sampling.schedule import times
from medaug.inverse.solvers.blend import blend
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.diffstategrad import diffstategrad
from medaug.inverse.solvers.latino import latino
from medaug.inverse.solvers.project import project
from medaug.inverse.solvers.psld import psld
from medaug.processes.threads import of_a_solve
from medaug.profile import profile as specs
from medaug.profile import solvers
from medaug.profile.components import (
    EmbeddedPrior,
    FileWindow,
    FixedWindow,
    FolderPrior,
    NoPrior,
    PercentileWindow,
)
from medaug.quality import DEFAULT_LIMITS
from medaug.regions import laws
from medaug.regions.domains import domain as domains


def tools(
    profile: specs.Profile, device: str = "auto", prior: Prior | None = None, *, threads: int | None = None
) -> Tools:
    """Everything `augment` needs, as the profile says; it can be pickled, and loads its prior again where it arrives.

    Args:
        profile: the resolved profile.
        device: ``auto``, ``cpu`` or a torch device such as ``cuda:1``.
        prior: a prior that is already loaded; the profile's otherwise.
        threads: of the processor's that a solve takes, which decides its last digits; `threads.of_a_solve` if left out.

    Raises:
        PriorError: the prior isn't what the profile pins, or has no weights for this solver.
        ProfileError: the prior can't do what the profile asks for.
    """
    on = resolve_device(device)
    profile = settled_on(profile, on)
    if not profile.generates:
        return copying_tools(present_tools(profile), profile.rows)
    fitted, prompted = _prior(profile, on, prior)
    return Tools(
        present_tools(profile, fitted.card),
        SolveTools(
            prior=fitted,
            solver=solver_of(profile, fitted.card),
            degraded=_degradation(profile.operator),
            measurement_noise=profile.measurement_noise,
            batch_size=profile.rows,
            device=on,
            prompted=prompted,
            full=on != "cpu",  # there a short batch costs less than a filled one, and a worker solves case by case
            load=partial(_prior, profile, on) if prior is None else None,
        ),
        RestoreTools(
            restore=restoration_of(profile.restore, profile.size, fitted.card),
            limits={**DEFAULT_LIMITS, **{str(name): limit for name, limit in profile.checks.items()}},
        ),
        on_threads((threads or of_a_solve()) if on == "cpu" else None),
    )


def _prior(
    profile: specs.Profile, device: str, given: Prior | None = None
) -> tuple[Prior, Callable[[Iterable[str]], Prior] | None]:
    """The prior as the profile wants it, and what it is under the prompt of a case's labels."""
    loaded = given or load_prior(profile, device)
    _check_fit(profile, loaded)
    fitted = _fitted(profile, loaded, device) if isinstance(loaded, LatentPrior) else loaded
    return fitted, _prompted(profile, fitted)


def present_tools(profile: specs.Profile, card: PriorCard | None = None) -> PresentTools:
    """How a case is shown to the prior; without the prior's card for those who only look at what may change."""
    margin = profile.regions.margin
    grow = partial(laws.with_margin, margin.value, margin.unit, profile.size)
    return PresentTools(
        window=partial(_window_once, Latest(), profile.window),
        domain=partial(_domain, Latest(), profile.domain),
        protect=protect_for(profile),
        law=law_for(profile),
        grow=grow,
        size=profile.size,
        crop=around_domain if profile.area == "domain" else whole_frame,
        feather=profile.restore.feather,
        part=_part(profile, card) if card else None,
        draw=draw_of(profile.regions, grow),
        set_in=set_in_of(profile.regions, grow),
        copy=copy_of(profile),
    )


def load_prior(profile: specs.Profile, device: str) -> Prior:
    """The prior a profile names, its digest compared with the pinned one.

    Raises:
        PriorError: not found, not loadable, or another digest.
        ProfileError: the profile has none.
    """
    spec = profile.prior
    loaded: Prior
    match spec:
        case EmbeddedPrior():
            loaded = load_embedded(device, spec.sha256)
        case FolderPrior():
            loaded = load_folder(locate(str(spec.path), store_root()), device)
        case NoPrior():
            raise ProfileError(f"profile {profile.name!r} generates nothing, and has no prior")
        case _:
            assert_never(spec)
    if loaded.card.sha256 != spec.sha256:
        raise PriorError(
            f"profile {profile.name!r} pins the prior {spec.sha256[:16]}…, found {loaded.card.name!r} with "
            f"{loaded.card.sha256[:16]}…; put the found digest into the profile if that is the prior you mean",
            code="prior-digest",
        )
    return loaded


def _check_fit(profile: specs.Profile, prior: Prior) -> None:
    """Refuse what the profile asks for and the prior can't do, before anything is read."""
    if isinstance(prior, RemotePrior):
        return  # it was looked at where it is
    if not re.fullmatch(r"[ -~]{1,64}", prior.card.name):
        raise PriorError(
            "prior: expected a name of 1 to 64 plain ASCII characters on its card; it stands in every record",
            code="prior-card",
        )
    try:
        times(prior.alphas_cumprod, profile.solver.steps, profile.solver.start)
    except ValueError as error:
        raise ProfileError(f"profile {profile.name!r}: solver: {error} for prior {prior.card.name!r}") from None
    multiple = math.lcm(prior.card.stride, prior.card.multiple)
    if profile.size % multiple and not isinstance(prior, LatentPrior):  # which is padded
        raise ProfileError(
            f"profile {profile.name!r}: size: expected a multiple of {multiple} for prior {prior.card.name!r}, "
            f"found {profile.size}"
        )


def _fitted(profile: specs.Profile, prior: LatentPrior, device: str) -> LatentPrior:
    """The prior at the profile's size, its networks run as the levers say.

    Raises:
        PriorError: a lever needs what isn't there.
    """
    levers = profile.levers
    if levers.fast_autoencoder is not None and prior.fast is None:
        raise PriorError(
            f"profile {profile.name!r}: levers.fast_autoencoder: prior {prior.card.name!r} has no small autoencoder "
            "(vae_tiny/ in its folder); add one that was made for this model, or remove the lever",
            code="prior-unsuitable",
        )
    return economical(
        padded(prior, profile.size),
        device,
        precision="float32" if levers.precision == "auto" else levers.precision,  # `tools` settled it
        channels_last=levers.channels_last is True,
        compiled=levers.compiled,
    )


def _part(profile: specs.Profile, card: PriorCard) -> Callable[[Mask], Area] | None:
    border, step = profile.levers.crop, math.lcm(card.stride, card.multiple)
    if border is None:
        return None
    if profile.size % step:
        raise ProfileError(
            f"profile {profile.name!r}: levers.crop: expected size to be a multiple of {step} for prior "
            f"{card.name!r}, found {profile.size}; change size or remove the lever"
        )
    return partial(free_part, step=step, border=border)


def _prompted(profile: specs.Profile, prior: Prior) -> Callable[[Iterable[str]], Prior] | None:
    """The prior under the prompt of a case's labels; None, and no cost, where the profile has no prompt."""
    prompts = profile.prompt
    if prompts is None:
        return None
    under = under_prompt(profile, prior)

    def of(labels: Iterable[str]) -> Prior:
        if isinstance(prompts, str):
            return under(prompts)
        text = ", ".join(prompts[label] for label in sorted(set(labels)) if label in prompts)
        return under(text) if text else prior

    return of


def under_prompt(profile: specs.Profile, prior: Prior) -> Callable[[str], Prior]:
    """A prompt's text → the prior under it, the same each time it is asked for.

    Raises:
        PriorError: the prior takes no prompts.
    """
    if isinstance(prior, RemotePrior):
        return cache(prior.under)
    if not isinstance(prior, LatentPrior) or prior.prompted is None:
        raise PriorError(
            f"profile {profile.name!r} has a prompt, and prior {prior.card.name!r} takes none (it needs a "
            "UNet2DConditionModel with text_encoder/ and tokenizer/); remove the prompt or choose another prior",
            code="prior-unsuitable",
        )
    return cache(lambda text: guided(prior, text, profile.guidance_scale))


def solver_of(profile: specs.Profile, card: PriorCard) -> Solver:
    """The solver of a profile, its parameters bound.

    Raises:
        PriorError: the prior has no weights for it, and the profile states none.
        ProfileError: the profile has no solver.
    """
    spec = profile.solver
    steps, t0, guidance = spec.steps, spec.start, _guidance(profile.levers)
    match spec:
        case solvers.PsldSpec():
            omega, gamma = _weights(spec, card)
            return partial(psld, steps=steps, t0=t0, eta=spec.eta, omega=omega, gamma=gamma, guidance=guidance)
        case solvers.DiffStateGradSpec():
            omega, gamma = _weights(spec, card)
            inside = partial(diffstategrad, share=spec.share, omega=omega, gamma=gamma)
            return partial(inside, steps=steps, t0=t0, eta=spec.eta, guidance=guidance)
        case solvers.DdnmSpec():
            data_step = partial(ddnm, sigma_y=spec.sigma_y, iterations=spec.iterations)
            return partial(data_step, steps=steps, t0=t0, eta=spec.eta, guidance=guidance)
        case solvers.ProjectSpec():
            return partial(project, steps=steps, t0=t0, iterations=spec.iterations, guidance=guidance)
        case solvers.LatinoSpec():
            return partial(latino, steps=steps, t0=t0, iterations=spec.iterations, guidance=guidance)
        case solvers.BlendSpec():
            return partial(blend, steps=steps, t0=t0, eta=spec.eta, guidance=guidance)
        case solvers.NoSolver():
            raise ProfileError(f"profile {profile.name!r} generates nothing, and has no solver")
        case _:
            assert_never(spec)


def _guidance(spec: solvers.Levers) -> Guidance:
    return Guidance(spec.guide_every, spec.noise_budget, spec.fast_autoencoder, spec.closing)


def _weights(spec: solvers.PsldSpec | solvers.DiffStateGradSpec, card: PriorCard) -> tuple[float, float]:
    """The two weights of PSLD, from the prior's card where the profile leaves them open."""
    if spec.omega is not None and spec.gamma is not None:
        return spec.omega, spec.gamma
    known = card.weights_for("psld", spec.steps, spec.start)
    omega = known.omega if spec.omega is None else spec.omega
    gamma = known.gamma if spec.gamma is None else spec.gamma
    return omega, gamma


def _degradation(spec: solvers.OperatorSpec) -> Operator | None:
    match spec:
        case solvers.NoOperator():
            return None
        case solvers.GaussianBlur():
            return operators.gaussian_blur(spec.sigma)
        case solvers.MotionBlur():
            return operators.motion_blur(spec.length, spec.angle)
        case solvers.Downsampling():
            return operators.Downsampling(spec.factor)
        case solvers.Jpeg():
            return operators.jpeg(spec.quality)
        case _:
            assert_never(spec)


def _domain(latest: Latest[Mask], parts: Sequence[domains.DomainPart], volume: Volume, window: Window) -> Mask:
    """A volume's domain, found once while it is worked on: all its variants share it."""

    def find() -> Mask:
        mask = domains.domain(volume, window, parts=parts)
        mask.setflags(write=False)
        return mask

    return latest.of(volume, window, find)


def _window_once(latest: Latest[Window], spec: FileWindow | FixedWindow | PercentileWindow, volume: Volume) -> Window:
    """A volume's window, found once while it is worked on: where none is stated, all its pixels are sorted for it."""
    return latest.of(volume, None, lambda: _window(spec, volume))


def window_of(profile: specs.Profile, volume: Volume) -> Window:
    """The window a profile shows a volume through."""
    return _window(profile.window, volume)


def _window(spec: FileWindow | FixedWindow | PercentileWindow, volume: Volume) -> Window:
    match spec:
        case FixedWindow():
            return Window(spec.center, spec.width)
        case PercentileWindow():
            return percentile_window(volume, spec.low, spec.high)
        case FileWindow():
            return stated_window(volume, spec.number) or percentile_window(volume, 0.5, 99.5)
        case _:
            assert_never(spec)
