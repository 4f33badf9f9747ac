"""What a region law of a profile is, and how it moves what it is shown, or sets a lesion into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

import numpy as np

from medaug.augmentation.case import Case
from medaug.augmentation.classic import DrawCopy
from medaug.augmentation.move import DrawMotions
from medaug.augmentation.prepare import Grow
from medaug.augmentation.transplant import DrawGraft
from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.graft import Graft
from medaug.imaging.volume import Mask
from medaug.profile.components import (
    ClassicCopy,
    GaussianOutside,
    Inside,
    LawSpec,
    Moved,
    Outside,
    RandomOutside,
    Transplant,
    generates,
    keeps_boxes,
)
from medaug.profile.profile import Profile
from medaug.regions import laws
from medaug.regions.classic_motions import CopyLimits, draw_copy
from medaug.regions.grafts import GraftLimits, Host, draw_graft
from medaug.regions.motions import MotionLimits, draw_motions
from medaug.regions.regions import RegionLaw, Regions, Sampling


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
        case Transplant() | ClassicCopy():
            return laws.outside
        case _:
            assert_never(spec)


def law_for(profile: Profile) -> RegionLaw:
    """`law_of` a profile; where it takes images without labels, for those dust at the law's mean rate all over."""
    law = law_of(profile.regions)
    if profile.unlabelled == "skip":
        return law
    rate = _mean_rate(profile.regions)

    def either(domain: Mask, boxes: Sequence[Box], seed: int, sampling: Sampling) -> Regions:
        return law(domain, boxes, seed, sampling) if boxes else laws.dust_alone(domain, seed, rate=rate)

    return either


def protect_for(profile: Profile) -> Callable[[Mask, Sequence[Box]], Mask]:
    """What a profile's law protects of (domain, boxes); of an image that may go without boxes, all but the domain."""
    protect = laws.protect_boxes if keeps_boxes(profile.regions.kind) else laws.protect_outside
    if profile.unlabelled == "skip":
        return protect
    return lambda domain, boxes: protect(domain, boxes) if boxes else np.asarray(~domain)


def _mean_rate(spec: LawSpec) -> float:
    match spec:
        case GaussianOutside():
            return laws.mean_rate(spec.sigma)
        case RandomOutside():
            return spec.rate
        case Outside():
            return 0.0
        case ClassicCopy():
            return 0.0
        case Inside() | Moved() | Transplant():
            raise RegionError(
                f"unlabelled: law {spec.kind} needs boxes; choose another profile, or skip", code="no-boxes"
            )
        case _:
            assert_never(spec)


def draw_of(spec: LawSpec, grow: Grow) -> DrawMotions | None:
    """How a law moves what it is shown; None for one that moves nothing."""
    match spec:
        case Moved():
            limits = MotionLimits(spec.what, spec.rotation, spec.scale, spec.shift, spec.elastic)
            return partial(draw_motions, limits, grow)
        case GaussianOutside() | Outside() | Inside() | RandomOutside() | Transplant() | ClassicCopy():
            return None
        case _:
            assert_never(spec)


def copy_of(profile: Profile) -> DrawCopy | None:
    """How a profile's classic copies lie; None where its law generates."""
    if generates(profile.regions.kind):
        return None
    of = profile.classic
    flips = "up-down" in of.flip, "left-right" in of.flip
    return partial(draw_copy, CopyLimits(flips, of.rotate, of.scale, of.markers == "looked-for"))


def set_in_of(spec: LawSpec, grow: Grow) -> DrawGraft | None:
    """How a law sets a donor's lesion in; None for one that sets none in."""
    match spec:
        case Transplant():
            return partial(_drawn_graft, GraftLimits(spec.ring, spec.likeness, spec.places), grow)
        case GaussianOutside() | Outside() | Inside() | RandomOutside() | Moved() | ClassicCopy():
            return None
        case _:
            assert_never(spec)


def _drawn_graft(limits: GraftLimits, grow: Grow, case: Case, domain: Mask, seed: int) -> Graft:
    if case.donor is None:
        raise RegionError("regions: a transplant needs a donor, found none; use `medaug run`", code="no-place")
    donor = case.donor.volume, case.donor.box
    return draw_graft(limits, grow, Host(case.volume, case.boxes, domain, case.kept), donor, seed)
