"""``METHODS.md``: a paragraph for those who publish what they trained on, from the profile and the records."""

from __future__ import annotations

from collections.abc import Iterable

from medaug.audit.record import Record
from medaug.audit.record_order import Ordered, Tally
from medaug.errors import counted
from medaug.profile.components import keeps_boxes, moves, transplants
from medaug.profile.profile import Profile
from medaug.profile.solvers import degrades

PAPERS = (
    "Prairie. Data Augmentation as an Inverse Problem.",
    (
        "Rout et al. Solving Linear Inverse Problems Provably via Posterior Sampling with Latent Diffusion Models. "
        "NeurIPS 2023, arXiv:2307.00619."
    ),
)
SOLVERS = {  # what is cited beside the paper of psld
    "diffstategrad": (
        "Zirvi, Tolooshams, Anandkumar. Diffusion State-Guided Projected Gradient for Inverse Problems. ICLR 2025, "
        "arXiv:2410.03463."
    ),
    "ddnm": (
        "Wang, Yu, Zhang. Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model. ICLR 2023, "
        "arXiv:2212.00490."
    ),
    "latino": (
        "Spagnoletti et al. LATINO-PRO: LAtent consisTency INverse sOlver with PRompt Optimization. ICCV 2025, "
        "arXiv:2503.12615."
    ),
    "blend": "Avrahami, Fried, Lischinski. Blended Latent Diffusion. SIGGRAPH 2023, arXiv:2206.02779.",
}
SOLVERS["project"] = SOLVERS["ddnm"]
CLOSING = (
    "Song et al. Solving Inverse Problems with Latent Diffusion Models via Hard Data Consistency. ICLR 2024, "
    "arXiv:2307.08123."
)
ELSEWHERE = (
    "Every setting stands in `profile.yaml`, the seed, the recipe and the checks of each variant in its `record.json`."
)
PURPOSE = (
    "The images are partly synthetic and marked so. They are for training only: a variant shares its patient with its "
    "source and may not be used to validate or test a model."
)
REGIONS = {
    "gaussian-outside": "kept the boxes and conditioned on pixels that thin out with the distance from them",
    "outside": "kept the boxes and generated all else within the domain",
    "inside": "regenerated the inside of the boxes and kept all else",
    "moved": "moved the image by a recorded map, then kept the moved boxes and conditioned as gaussian-outside does",
    "transplant": "set a labelled lesion of another patient's image in, kept it, and generated a ring around it",
    "classic": "turned, scaled and mirrored the image and generated nothing",
    "random": "kept the boxes and conditioned on pixels drawn at random outside them",
}
MOVED = (
    "Protected voxels hold the source's numbers resampled along the map (six taps of a windowed sinc along each axis), "
    "the labelled ones included unless the map holds them where they are."
)
COPIED = (
    "Its pixels are the source's numbers resampled along the map that its record states (six taps of a windowed sinc "
    "along each axis), the labelled ones included. Boxes moved along, and what lies beyond its borders is dark."
)
PURPOSE_OF_COPIES = "The images are for training only: a copy shows its source's patient and may not judge a model."
ELSEWHERE_OF_COPIES = "Every setting stands in `profile.yaml`, the seed and the map of each copy in its `record.json`."
SET_IN = (
    "All pixels outside that ring are the host's stored numbers unchanged; those of the lesion are its donor's, their "
    "grey levels mapped by one rising line that the record states. Each variant shows two patients."
)
ALONE = "whether what was generated in it still shows the finding wasn't looked at."
RESTORE = {
    "delta": "the change between the decoded solution and the decoded original was added to the source's pixels",
    "replace": "the decoded solution replaced the source's pixels",
}


def methods(profile: Profile, records: Iterable[Record]) -> str:
    """Markdown: what was done with which figures, what it is not for, and what to cite.

    Args:
        profile: as resolved.
        records: of all units in the lists, done or not.
    """
    tally = Ordered.of(records).tally
    if not profile.generates:
        return _of_copies(profile, tally)
    paragraph = " ".join(
        (
            _counts(tally),
            _process(profile),
            _prior(tally),
            _kept(profile),
            _gate(tally),
            _versions(tally),
        )
    )
    more = (SOLVERS.get(profile.solver.kind), CLOSING if profile.levers.closing else None)
    cited = "\n".join(f"{number}. {paper}" for number, paper in enumerate((*PAPERS, *filter(None, more)), 1))
    settings = f"Profile: `{profile.name}`, SHA-256 `{profile.sha256}`. {ELSEWHERE}"
    return f"# Methods\n\n{paragraph}\n\n{settings}\n\n{PURPOSE}\n\n## To cite\n\n{cited}\n"


def _of_copies(profile: Profile, tally: Tally) -> str:
    """Of a run that generated nothing."""
    of = profile.classic
    done = [f"turned by up to {of.rotate:g}°"] if of.rotate else []
    done += [f"scaled by up to {of.scale:.0%}"] if of.scale else []
    done += [f"flipped ({', '.join(of.flip)}) where no side is stated or shown"] if of.flip else []
    paragraph = (
        f"{_counts(tally, 'classic copy', 'classic copies')} Each copy is its source {', '.join(done)}, drawn "
        f"uniformly and about the middle of the image; nothing was generated. {COPIED} {_versions(tally)}"
    )
    settings = f"Profile: `{profile.name}`, SHA-256 `{profile.sha256}`. {ELSEWHERE_OF_COPIES}"
    return f"# Methods\n\n{paragraph}\n\n{settings}\n\n{PURPOSE_OF_COPIES}\n"


def _process(profile: Profile) -> str:
    regions, solver = profile.regions, profile.solver
    paper = " [3]" if solver.kind in SOLVERS else ""
    return (
        "Each variant was generated by solving an inverse problem with a latent diffusion prior [1, 2]: the law "
        f"*{regions.kind}* {REGIONS.get(regions.kind, 'was used')} (margin {regions.margin.value:g} "
        f"{regions.margin.unit}), and the solver *{solver.kind}*{paper} took {solver.steps} steps from "
        f"{solver.start:g} of the diffusion time at {profile.size} px{_levers(profile)}{_shown(profile)}; "
        f"{RESTORE.get(profile.restore.kind, profile.restore.kind)} outside the protected voxels."
    )


def _kept(profile: Profile) -> str:
    """What protected voxels hold, and labelled ones where they are none."""
    if moves(profile.regions.kind):
        return MOVED
    if transplants(profile.regions.kind):
        return SET_IN
    kept = "Protected voxels hold the source's stored numbers unchanged."
    return kept if keeps_boxes(profile.regions.kind) else f"{kept} A label is kept by its box alone: {ALONE}"


def _levers(profile: Profile) -> str:
    pulled = profile.levers.pulled
    return f" ({', '.join(f'{name} {value}' for name, value in pulled.items())})" if pulled else ""


def _shown(profile: Profile) -> str:
    """What guided the solve beside the observed pixels as they are."""
    operator, noise = profile.operator, profile.measurement_noise
    numbers = " ".join(f"{name} {value:g}" for name, value in operator.model_dump().items() if name != "kind")
    seen = f", which saw the whole image through {operator.kind} ({numbers}), too" if degrades(operator) else ""
    noisy = f", with noise of standard deviation {noise:g} added to what it saw (black to white is 2)" if noise else ""
    asked = f", under a prompt (scale {profile.guidance_scale:g})" if profile.prompt else ""
    return seen + noisy + asked


def _counts(tally: Tally, one: str = "variant", several: str = "variants") -> str:
    written = tally.statuses["written"]
    by_kind = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.kinds.items())) or "none"
    more = counted(tally.statuses.total() - written - tally.left_out, "further attempt")
    reviewed = (
        f" A review left out {counted(tally.left_out, f'further {one}', f'further {several}')}."
        if tally.left_out
        else ""
    )
    return (
        f"medaug made {counted(written, one, several)} ({by_kind}) of "
        f"{counted(tally.sources, 'image or series', 'images or series')} of {counted(tally.patients, 'patient')} with "
        f"{counted(tally.labelled, 'labelled box', 'labelled boxes')}; {more} gave none.{reviewed}"
    )


def _prior(tally: Tally) -> str:
    priors = sorted((prior.name, prior.sha256) for prior in tally.priors)
    return " ".join(f"The prior was *{name}* (SHA-256 `{sha256}`)." for name, sha256 in priors)


def _gate(tally: Tally) -> str:
    names, rejected = sorted(tally.checks), counted(tally.statuses["rejected"] - tally.left_out, "variant")
    return f"A gate of {counted(len(names), 'check')} ({', '.join(names)}) rejected {rejected}."


def _versions(tally: Tally) -> str:
    return f"Versions: {', '.join(f'{name} {version}' for name, version in sorted(tally.versions))}."
