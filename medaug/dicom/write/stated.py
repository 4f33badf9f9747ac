"""What a run's profile and a unit's facts become in headers: the same for who writes them and who checks them."""

from __future__ import annotations

from datetime import datetime

from medaug.dicom.write.provenance import Provenance
from medaug.profile.components import keeps_boxes
from medaug.profile.profile import Profile
from medaug.profile.solvers import degrades
from medaug.version import __version__

NAME_LENGTH = 64  # of a prior's or a profile's name in headers


def stated(
    profile: Profile,
    *,
    unit: str,
    variant: int,
    seed: str,
    run: str,
    created: datetime,
    prior: tuple[str, str],
) -> Provenance:
    """What the derived instances say of themselves.

    Args:
        profile: of the run.
        unit: its key.
        variant: its number.
        seed: of the run.
        run: its public name.
        created: when it was started.
        prior: name and digest of the weights; nobody looks at them where the profile generates nothing.

    Raises:
        ValueError: a header can't state this.
    """
    name, sha256 = prior
    return Provenance(
        unit=unit,
        variant=variant,
        seed=seed,
        summary=_solved(profile) if profile.generates else f"classic copy, profile {_plain(profile.name)}",
        software_version=__version__,
        created=created,
        prior=f"{_plain(name)} {sha256[:16]}" if profile.generates else "",
        run=run,
        copied=not profile.generates,
        boxes_alone=not keeps_boxes(profile.regions.kind),
    )


def _solved(profile: Profile) -> str:
    """How variants are solved, in one line."""
    spec = profile.solver
    pulled = "".join(f", {lever} {value}" for lever, value in profile.levers.pulled.items())
    return (
        f"{spec.kind} {spec.steps} steps from {spec.start:g}{pulled}, {_seen(profile)}, "
        f"{profile.restore.kind}, profile {_plain(profile.name)}"
    )


def _seen(profile: Profile) -> str:
    """What the solver was shown: the law of the regions, and the operator with its numbers where there is one."""
    operator = profile.operator
    if not degrades(operator):
        return profile.regions.kind
    numbers = " ".join(f"{value:g}" for name, value in operator.model_dump().items() if name != "kind")
    return f"{profile.regions.kind} beside {operator.kind} {numbers}"


def _plain(name: str) -> str:
    """A name as every character set of DICOM can hold it."""
    return "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in name)[:NAME_LENGTH]
