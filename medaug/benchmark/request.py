"""What a benchmark is asked, in one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from medaug.benchmark.arms.arm_table import Chosen
from medaug.benchmark.design.design import Design
from medaug.errors import RunError
from medaug.execution.planning.request import RunRequest
from medaug.profile.load import load_profile, shipped_profiles
from medaug.profile.profile import Profile
from medaug.profile.strength import with_strength


@dataclass(frozen=True)
class BenchmarkRequest:
    """What is compared, on what, and where the results go.

    Attributes:
        run: the export, its annotations and the profile, as for `medaug run`.
        root: BENCH.
        design: what is compared.
        command: of the detector ``command``, with {data} and {project}.
        parts: a table of parts (`images.stated_parts.read_places`); None: folds are dealt.
        profiles: the user's own, which arms name beside the shipped ones.

    Raises:
        RunError: an arm names a profile that isn't there, or two have one name.
    """

    run: RunRequest
    root: Path
    design: Design
    command: str = ""
    parts: Path | None = None
    profiles: tuple[Profile, ...] = ()

    def __post_init__(self) -> None:
        known = [*shipped_profiles(), *(profile.name for profile in self.profiles)]
        twice = {name for name in known if known.count(name) > 1}
        if twice:
            raise RunError(f"benchmark: two profiles are named {', '.join(sorted(twice))}; give yours another name")
        for one in self.design.chosen:
            if one.arm.profile and one.arm.profile not in known:
                raise RunError(
                    f"benchmark: arm {one.text!r}: no such profile; there are {', '.join(known)}, and --arm-profile "
                    "FILE adds yours"
                )

    def profile_of(self, arm: Chosen) -> Profile:
        """The profile an arm is made by: the request's or the arm's own, at the arm's strength.

        Raises:
            ProfileError: the profile has no such strength.
        """
        own = {profile.name: profile for profile in self.profiles}
        name = arm.arm.profile
        profile = own.get(name) or load_profile(name) if name else self.run.profile
        return with_strength(profile, arm.strength) if arm.strength else profile

    def run_of(self, arm: Chosen) -> RunRequest:
        """The run that makes an arm's variants: as many as the greatest ratio needs.

        Raises:
            ProfileError: the profile has no such strength.
        """
        return replace(self.run, profile=self.profile_of(arm), variants=ceil(max(self.design.ratios)))
