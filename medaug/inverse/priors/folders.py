"""Which prior a name means, its card and its digest, without loading it. Needs no torch, so that planning doesn't.

Profiles are met inside functions only: the tensor half also runs where there is no pydantic and no YAML.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medaug.errors import PriorError
from medaug.inverse.priors.card import CARD, PriorCard, SolverWeights, digest_of, nearest, weights_in
from medaug.inverse.priors.layout import digests, layout_of
from medaug.inverse.priors.store import locate, store_root

if TYPE_CHECKING:
    from medaug.profile import Profile
    from medaug.solving import SolverSpec

EMBEDDED = Path(__file__).parent / "radiograph_256"


def with_prior(profile: Profile, name_or_path: str) -> Profile:
    """The profile with another prior: a stored one by its name, the embedded one, or a folder.

    It is pinned at the digest found now, and weights that the profile leaves to the card are written into the profile,
    so that its digest covers them: a later calibration makes another profile.

    Raises:
        PriorError: no such prior.
    """
    from medaug.profile import EmbeddedPrior

    folder = folder_of(name_or_path)
    solver = _weighted(profile.solver, folder_weights(folder))
    if folder != EMBEDDED:
        return with_folder_prior(profile, name_or_path).model_copy(update={"solver": solver})
    prior = EmbeddedPrior(kind="embedded", sha256=folder_digest(EMBEDDED))
    return profile.model_copy(update={"prior": prior, "solver": solver})


def with_folder_prior(profile: Profile, name_or_path: str | Path) -> Profile:
    """The profile with its prior replaced by a stored one or a folder's, pinned at the digest found now; nothing else.

    Raises:
        PriorError: no such prior.
    """
    from medaug.profile import FolderPrior

    folder = locate(str(name_or_path), store_root())
    prior = FolderPrior(kind="folder", path=Path(name_or_path), sha256=folder_digest(folder))
    return profile.model_copy(update={"prior": prior})


def folder_of(name_or_path: str | None) -> Path:
    """Where a prior lies: stored under a name, a folder, or the embedded one (None or ``embedded``).

    Raises:
        PriorError: none of them.
    """
    return EMBEDDED if name_or_path in {None, "embedded"} else locate(str(name_or_path), store_root())


def folder_digest(folder: Path) -> str:
    """The digest a loaded prior will have; loading compares it with the files.

    Raises:
        PriorError: the folder holds no prior.
    """
    layout = layout_of(folder)
    if layout == "medaug":
        return read_card(folder).sha256
    return digest_of(digests(folder, layout))


def folder_weights(folder: Path) -> tuple[SolverWeights, ...]:
    """The calibrated weights on a prior's card; none where it has no card.

    Raises:
        PriorError: the card is malformed.
    """
    if layout_of(folder) == "medaug":
        return read_card(folder).weights
    return weights_in((folder / CARD).read_text(encoding="utf-8")) if (folder / CARD).is_file() else ()


def read_card(folder: Path) -> PriorCard:
    """The card of a prior's folder; no weights are read.

    Raises:
        PriorError: there is none, or it is malformed.
    """
    try:
        return PriorCard.from_json((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PriorError(
            f"prior {folder.name}: expected a readable {CARD}, found none; restore it "
            "(the embedded prior: reinstall medaug)"
        ) from error


def _weighted(spec: SolverSpec, known: tuple[SolverWeights, ...]) -> SolverSpec:
    """The solver's parameters with what they leave to the card, as far as the card knows it."""
    from medaug.solving import DiffStateGradSpec, PsldSpec

    if not isinstance(spec, PsldSpec | DiffStateGradSpec):
        return spec
    found = nearest(known, "psld", spec.steps, spec.start)
    if found is None:
        return spec
    stated = spec.model_dump(include={"omega", "gamma"}, exclude_none=True)
    return spec.model_copy(update={"omega": found.omega, "gamma": found.gamma} | stated)
