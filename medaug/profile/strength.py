"""How much of an image a variant changes: a ladder of rungs in the profile, and numbers between them."""

from __future__ import annotations

from typing import Literal, get_args

from medaug.errors import ProfileError
from medaug.profile.profile import Profile
from medaug.profile.solvers import Rung

StrengthName = Literal["subtle", "medium", "strong"]
NAMES: tuple[StrengthName, ...] = get_args(StrengthName)


def with_strength(profile: Profile, strength: str | float) -> Profile:
    """The profile with its solver's start and steps, and its closing, from the ladder.

    Args:
        profile: with ``strengths``.
        strength: a rung's name, or a number from 0 (subtle) through 0.5 (medium) to 1 (strong), linear in between and
            rounded to whole steps; also as text.

    Raises:
        ProfileError: no such strength, or a profile without a ladder.
    """
    at = _place(strength)
    ladder = profile.strengths
    if ladder is None:
        raise ProfileError(f"strength: profile {profile.name!r} has no ladder; add the key strengths, or leave it out")
    low, high = (ladder.subtle, ladder.medium) if at <= 0.5 else (ladder.medium, ladder.strong)
    rung = _between(low, high, 2 * at if at <= 0.5 else 2 * at - 1)
    solver = profile.solver.model_copy(update={"start": rung.start, "steps": rung.steps})
    levers = profile.levers.model_copy(update={"closing": rung.closing})
    return profile.model_copy(update={"solver": solver, "levers": levers})


def _place(strength: str | float) -> float:
    """Where it lies on the ladder, 0 to 1."""
    if strength in NAMES:
        return NAMES.index(strength) / 2
    try:
        at = float(strength)
    except ValueError:
        at = -1.0
    if not 0 <= at <= 1:
        raise ProfileError(f"strength: expected {', '.join(NAMES)}, or a number from 0 to 1, found {strength!r}")
    return at


def _between(low: Rung, high: Rung, share: float) -> Rung:
    def mixed(a: float, b: float) -> float:
        return a + share * (b - a)

    start = round(mixed(low.start, high.start), 4)
    steps, closing = (round(mixed(getattr(low, name), getattr(high, name))) for name in ("steps", "closing"))
    return Rung(start=start, steps=steps, closing=closing)
