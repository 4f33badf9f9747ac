"""A profile with another prior than the one it names, pinned at the digest found now."""

from __future__ import annotations

from pathlib import Path

from medaug.errors import ProfileError
from medaug.inverse.priors.card import SolverWeights, nearest
from medaug.inverse.priors.embedded import is_embedded
from medaug.inverse.priors.library.lookup import folder_digest, folder_of, folder_weights, locate, store_root
from medaug.profile.components import EmbeddedPrior, FolderPrior
from medaug.profile.profile import Profile
from medaug.profile.solvers import CALIBRATED, SolverSpec


def with_prior(profile: Profile, name_or_path: str) -> Profile:
    """The profile with another prior: a stored one or one that medaug carries by its name, or a folder.

    It is pinned at the digest found now, and weights that the profile leaves to the card are written into the profile,
    so that its digest covers them: a later calibration makes another profile.

    Raises:
        PriorError: no such prior.
        ProfileError: the profile has nothing solved.
    """
    _check_solves(profile)
    folder = folder_of(name_or_path)
    solver = _weighted(profile.solver, folder_weights(folder))
    if not is_embedded(folder):
        return with_folder_prior(profile, name_or_path).model_copy(update={"solver": solver})
    prior = EmbeddedPrior(kind="embedded", sha256=folder_digest(folder))
    return profile.model_copy(update={"prior": prior, "solver": solver})


def with_folder_prior(profile: Profile, name_or_path: str | Path) -> Profile:
    """The profile with its prior replaced by a stored one or a folder's, pinned at the digest found now; nothing else.

    Raises:
        PriorError: no such prior.
        ProfileError: the profile has nothing solved.
    """
    _check_solves(profile)
    folder = locate(str(name_or_path), store_root())
    prior = FolderPrior(kind="folder", path=Path(name_or_path), sha256=folder_digest(folder))
    return profile.model_copy(update={"prior": prior})


def _check_solves(profile: Profile) -> None:
    if not profile.generates:
        raise ProfileError(f"prior: profile {profile.name!r} generates nothing, so it takes no prior; leave it out")


def _weighted(spec: SolverSpec, known: tuple[SolverWeights, ...]) -> SolverSpec:
    """The solver's parameters with what they leave to the card, as far as the card knows it."""
    if not isinstance(spec, CALIBRATED):
        return spec
    weights = nearest(known, "psld", spec.steps, spec.start)
    of_card = {"omega": weights.omega, "gamma": weights.gamma} if weights else {}
    return spec.model_copy(update=of_card | spec.model_dump(include={"omega", "gamma"}, exclude_none=True))
