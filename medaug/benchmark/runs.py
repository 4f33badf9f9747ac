"""The runs that the arms of a benchmark need: which profile, for which images, and where their OUTPUTs lie."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from medaug.benchmark.arms.arm_table import chosen
from medaug.benchmark.design.design import Training
from medaug.benchmark.request import BenchmarkRequest
from medaug.benchmark.training import BenchmarkSetup
from medaug.execution.planning.request import RunRequest
from medaug.profile.components import transplants
from medaug.storage.canonical_json import canonical


@dataclass(frozen=True)
class VariantRun:
    """A run of the package.

    Attributes:
        folder: name of its OUTPUT below BENCH.
        request: as for `medaug run`.
        sources: keys of the images that may go into it: those it varies, and those whose lesions it sets in.
    """

    folder: str
    request: RunRequest
    sources: frozenset[str]


def runs_of(request: BenchmarkRequest, setup: BenchmarkSetup) -> tuple[VariantRun, ...]:
    """All runs, by their folders' names: arms of one profile share their variants.

    Raises:
        ProfileError: a profile has no such strength.
    """
    sources, requests = defaultdict[str, set[str]](set), {}
    for training in request.design.trainings:
        arm = chosen(training.setting.arm)
        if arm.arm.making == "run":
            folder = folder_of(request, setup, training)
            sources[folder] |= setup.trained_on(training)
            requests[folder] = request.run_of(arm)
    return tuple(VariantRun(name, requests[name], frozenset(sources[name])) for name in sorted(requests))


def folder_of(request: BenchmarkRequest, setup: BenchmarkSetup, training: Training) -> str:
    """Name of the OUTPUT that a training's variants are in.

    A lesion that is set in must be one that is trained on, so that each training set has a run of its own there.
    """
    profile = request.profile_of(chosen(training.setting.arm))
    name = profile.sha256[:16]
    return f"{name}-{set_of(setup.trained_on(training))}" if transplants(profile.regions.kind) else name


def set_of(sources: Collection[str]) -> str:
    """Names a set of images: 16 hexadecimal digits of a digest of their keys."""
    return hashlib.sha256(canonical(sorted(sources))).hexdigest()[:16]
