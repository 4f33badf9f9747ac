"""`medaug prior convert` and `calibrate`: making a prior of a bundle, and making one fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.console import say
from medaug.cli.options import Identity, ProfileName, prior_app

if TYPE_CHECKING:
    from medaug.training.calibration import WeightFigures

Images = Annotated[Path, typer.Argument(help="Folder or file of DICOM and NIfTI; never changed.", show_default=False)]


@prior_app.command("convert")
def prior_convert(  # noqa: PLR0913 - one parameter per option
    bundle: Annotated[Path, typer.Argument(help="A 2-D MONAI bundle's folder; left as it is.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the prior.")],
    scale_factor: Annotated[float | None, typer.Option(min=1e-6, help="Of its latents, from its training.")] = None,
    images: Annotated[Path | None, typer.Option(help="DICOM or NIfTI to estimate the scale from.")] = None,
    value_range: Annotated[
        tuple[float, float] | None, typer.Option(help="Grey levels of black and white; its metadata's if left out.")
    ] = None,
    axes: Annotated[str | None, typer.Option(help="rows-columns or ras; ras where its metadata names nibabel.")] = None,
    profile: ProfileName = "bone-xray",
    identity_reason: Identity = None,
) -> None:
    """Turn a MONAI bundle into a prior of safetensors. Its pickles are opened in a process apart, for tensors only."""
    from medaug.inverse.priors.loaders.monai import known_axes
    from medaug.inverse.priors.loaders.monai_convert import convert_bundle
    from medaug.training.own_images import presented

    card = convert_bundle(
        bundle,
        output,
        scale_factor=scale_factor,
        images=(lambda size: presented(images, profile, size, limit=32, identity_reason=identity_reason).tensor)
        if images
        else None,
        value_range=value_range,
        axes=None if axes is None else known_axes(axes),
    )
    say(f"{card.name}: {card.size} px, sha256 {card.sha256}")


@prior_app.command("calibrate")
def prior_calibrate(  # noqa: PLR0913 - one parameter per option
    prior: Annotated[str, typer.Argument(help="A stored prior's name, or a prior's folder.", show_default=False)],
    images: Images,
    profile: ProfileName = "bone-xray",
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="The profile's if left out.")] = None,
    start: Annotated[float | None, typer.Option(min=0.001, max=1.0, help="The profile's if left out.")] = None,
    size: Annotated[int | None, typer.Option(min=32, max=2048, help="Px; the profile's if left out.")] = None,
    count: Annotated[int, typer.Option(min=1, max=64, help="Images used, from as many sources as there are.")] = 4,
    budget: Annotated[float, typer.Option(min=0, help="Most that may be left on observed pixels, of range 2.")] = 0.05,
    identity_reason: Identity = None,
) -> None:
    """Find omega and gamma on a few of your images, and write them on the prior's card."""
    from medaug.errors import PriorError
    from medaug.inverse.priors.card import write_card
    from medaug.inverse.priors.embedded import is_embedded
    from medaug.inverse.priors.latent_prior import padded
    from medaug.inverse.priors.library.lookup import folder_of
    from medaug.inverse.priors.loaders.load import load_folder
    from medaug.profile.load import load_profile
    from medaug.training.calibration import calibrate, calibrated
    from medaug.training.own_images import presented

    folder = folder_of(prior)
    if is_embedded(folder):
        raise PriorError(
            "an embedded prior's card is part of medaug: copy it with `medaug prior add`, then name it",
            code="prior-name",
        )
    chosen = load_profile(profile)
    side, count_steps, first = size or chosen.size, steps or chosen.solver.steps, start or chosen.solver.start
    x = presented(images, profile, side, limit=count, identity_reason=identity_reason).tensor
    loaded = load_folder(folder)
    figures = calibrate(padded(loaded, side), x, count_steps, first, budget=budget, on_figures=_show)
    write_card(folder, calibrated(loaded.card, figures, count_steps, first, budget))
    best = figures[0]
    say(f"{loaded.card.name}: omega {best.omega:g}, gamma {best.gamma:g} at {count_steps} steps from {first:g}")


def _show(figures: WeightFigures) -> None:
    say(
        f"omega {figures.omega:<6g} gamma {figures.gamma:<6g} observed {figures.observed:.3f}  seam {figures.seam:.2f}"
        f"  sharp {figures.sharp:.2f}  change {figures.change:.3f}"
    )
