"""What a region law of a profile is, and how it moves what it is shown."""

from __future__ import annotations

from functools import partial
from typing import assert_never

from medaug.augmentation.move import DrawMotions
from medaug.augmentation.prepare import Grow
from medaug.profile.components import GaussianOutside, Inside, LawSpec, Moved, Outside, RandomOutside
from medaug.regions import laws
from medaug.regions.motions import MotionLimits, draw_motions
from medaug.regions.regions import RegionLaw


def law_of(spec: LawSpec) -> RegionLaw:
    """The regions of a case, once it is moved."""
    match spec:
        case GaussianOutside():
            return partial(laws.gaussian_outside, sigma=spec.sigma)
        case Outside():
            return laws.outside
        case Inside():
            return laws.inside
        case RandomOutside():
            return partial(laws.random_outside, rate=spec.rate)
        case Moved():
            return partial(laws.gaussian_outside, sigma=spec.sigma)
        case _:
            assert_never(spec)


def draw_of(spec: LawSpec, grow: Grow) -> DrawMotions | None:
    """How a law moves what it is shown; None for one that moves nothing."""
    match spec:
        case Moved():
            limits = MotionLimits(spec.what, spec.rotation, spec.scale, spec.shift, spec.elastic)
            return partial(draw_motions, limits, grow)
        case GaussianOutside() | Outside() | Inside() | RandomOutside():
            return None
        case _:
            assert_never(spec)
