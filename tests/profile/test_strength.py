"""The ladder: rungs as the profile states them, numbers between them, and what the digest sees."""

from __future__ import annotations

import pytest
import yaml

from medaug.errors import ProfileError
from medaug.execution.planning.request import RunRequest
from medaug.profile.load import load_profile, parse_profile, shipped_profiles
from medaug.profile.profile import Profile
from medaug.profile.strength import with_strength

RUNGS = {
    "subtle": {"start": 0.2, "steps": 4, "closing": 2},
    "medium": {"start": 0.4, "steps": 6, "closing": 1},
    "strong": {"start": 0.8, "steps": 12, "closing": 1},
}
LADDER = [name for name in shipped_profiles() if load_profile(name).strengths]


def profile(rungs: object = RUNGS) -> Profile:
    keys = yaml.safe_load(load_profile("chest-xray").to_yaml())
    return parse_profile(yaml.safe_dump(keys | {"strengths": rungs}), "a test")


def chosen(strength: str | float) -> tuple[float, int, int]:
    found = with_strength(profile(), strength)
    return found.solver.start, found.solver.steps, found.levers.closing


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        ("subtle", (0.2, 4, 2)),
        (0, (0.2, 4, 2)),
        (0.25, (0.3, 5, 2)),  # closing 1.5 rounds to the even one
        ("medium", (0.4, 6, 1)),
        ("0.5", (0.4, 6, 1)),
        (0.75, (0.6, 9, 1)),
        ("strong", (0.8, 12, 1)),
        (1.0, (0.8, 12, 1)),
    ],
)
def test_a_strength_is_a_rung_or_lies_between_two(strength: str | float, expected: tuple[float, int, int]) -> None:
    assert chosen(strength) == expected


@pytest.mark.parametrize("strength", ["weak", "1.01", -0.1, "nan", "STRONG", ""])
def test_what_is_on_no_ladder_is_refused(strength: str | float) -> None:
    with pytest.raises(ProfileError, match="expected subtle, medium, strong, or a number from 0 to 1"):
        chosen(strength)
    with pytest.raises(ProfileError, match="'chest-xray' has no ladder"):
        with_strength(profile(None), "subtle")


def test_the_digest_sees_what_was_chosen_and_not_the_ladder() -> None:
    bare = profile(None)
    assert profile().sha256 == bare.sha256
    digests = {with_strength(profile(), name).sha256 for name in RUNGS}
    assert len(digests) == len(RUNGS)
    by_hand = bare.model_copy(update={"solver": bare.solver.model_copy(update={"start": 0.8, "steps": 12})})
    assert with_strength(profile(), "strong").sha256 == by_hand.sha256


def test_a_run_is_asked_for_it_by_name() -> None:
    request = RunRequest.of("in", profile=profile(), annotations="a", strength="strong", prior="embedded")
    assert (request.profile.solver.start, request.profile.solver.steps) == (0.8, 12)
    assert RunRequest.of("in", profile=profile(), annotations="a").profile == profile()


@pytest.mark.parametrize("name", LADDER)
def test_shipped_rungs_rise_and_the_middle_one_is_the_default(name: str) -> None:
    shipped = load_profile(name)
    rungs = [shipped.strengths.subtle, shipped.strengths.medium, shipped.strengths.strong]
    assert with_strength(shipped, "medium") == shipped
    assert [rung.start for rung in rungs] == sorted({rung.start for rung in rungs})
    changes = [rung.measured.change for rung in rungs]
    assert changes == sorted(set(changes))


@pytest.mark.parametrize("name", ["bone-xray", "chest-xray", "brain-mr", "brain-ct"])
def test_a_judge_was_asked_about_the_default_and_no_rung_is_told_too_often(name: str) -> None:
    ladder = load_profile(name).strengths
    assert ladder.medium.measured.auc is not None
    assert all((rung.measured.auc or 0) <= 0.70 for rung in (ladder.subtle, ladder.medium, ladder.strong))


@pytest.mark.parametrize("name", LADDER)
def test_a_judge_was_asked_about_every_rung_that_ships(name: str) -> None:
    """What a rung means stands in `medaug profile show`, the judge's word included, good or bad."""
    ladder = load_profile(name).strengths
    assert None not in [rung.measured.auc for rung in (ladder.subtle, ladder.medium, ladder.strong)]


def test_every_profile_for_images_of_its_own_has_a_ladder() -> None:
    assert {"bone-xray", "chest-xray", "brain-mr", "brain-ct", "body-ct"} <= set(LADDER)
    with pytest.raises(ProfileError, match="steps"):
        profile(RUNGS | {"subtle": {"start": 0.002, "steps": 4}})
