"""`medaug prior`: what there is, what it is, whether it works, and how it travels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli import completion
from medaug.cli.as_data import say_json
from medaug.cli.console import say
from medaug.cli.options import AsJson, prior_app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.inverse.priors.card import PriorCard

Prior = Annotated[
    str,
    typer.Argument(
        help="A stored prior's name, or a prior's folder.", show_default=False, autocompletion=completion.priors
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name to store it under; its own if left out.")]


@prior_app.command("list")
def prior_list(as_json: AsJson = False) -> None:
    """The embedded priors and the stored ones: name, digest, size, calibrated or not."""
    from medaug.inverse.priors.card import read_card
    from medaug.inverse.priors.embedded import EMBEDDED_PRIORS
    from medaug.inverse.priors.library.lookup import store_root, stored, stored_card

    root = store_root()
    own = {name: read_card(folder) for name, folder in EMBEDDED_PRIORS.items()}
    cards = own | {name: stored_card(root, name) for name in stored(root)}
    if as_json:
        say_json([_facts(name, card) for name, card in cards.items()])
        return
    for name, card in cards.items():
        say(_line(name, card))


@prior_app.command("show")
def prior_show(
    prior: Annotated[
        str | None,
        typer.Argument(
            help="A name of `medaug prior list` or a folder; radiographs' if left out.",
            autocompletion=completion.priors,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A card is JSON with and without it.")] = False,  # noqa: ARG001
) -> None:
    """A prior's card, in JSON: who made it of what, its digest, its fidelity, what it is not for."""
    from medaug.inverse.priors.library.lookup import folder_of
    from medaug.inverse.priors.loaders.load import card_of

    say(card_of(folder_of(prior)).to_json())


@prior_app.command("add")
def prior_add(
    folder: Annotated[Path, typer.Argument(help="A prior's folder; it is left as it is.", show_default=False)],
    name: Name = None,
    link: Annotated[bool, typer.Option("--link", help="Link to the files instead of copying them.")] = False,
) -> None:
    """Put a prior into your store, with a digest of each file and a card."""
    from medaug.inverse.priors.library.lookup import store_root
    from medaug.inverse.priors.library.store import add

    card = add(folder, store_root(), name, link=link)
    say(_line(card.name, card))


@prior_app.command("check")
def prior_check(
    prior: Prior = "embedded",
    image: Annotated[Path | None, typer.Option(help="DICOM or NIfTI for the round trip; else a phantom.")] = None,
    profile: Annotated[str, typer.Option("--profile", "-p", help="Whose window the image is seen through.")] = (
        "bone-xray"
    ),
    as_json: AsJson = False,
) -> None:
    """Hash every file again, run the network once, and send an image through the autoencoder."""
    from medaug.inverse.priors.latent_prior import padded
    from medaug.inverse.priors.library.check import examine, phantom
    from medaug.inverse.priors.library.lookup import folder_of
    from medaug.inverse.priors.loaders.load import load_folder, rehash
    from medaug.training.own_images import presented

    folder = folder_of(prior)
    loaded = load_folder(folder)
    rehash(folder, loaded.card)
    if not as_json:
        say(f"ok  {'files':32} {len(loaded.card.files)}, sha256 {loaded.card.sha256}")
    size = loaded.card.size
    images = phantom(size) if image is None else presented(image, profile, size, limit=8).tensor
    findings = examine(padded(loaded, size), images)
    for finding in () if as_json else findings:
        say(f"{'ok ' if finding.ok else 'NO '} {finding.name:32} {finding.found}")
    if as_json:
        said = [{"name": finding.name, "ok": finding.ok, "found": finding.found} for finding in findings]
        say_json({"sha256": loaded.card.sha256, "files": len(loaded.card.files), "findings": said})
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@prior_app.command("export")
def prior_export(
    prior: Prior,
    output: Annotated[Path, typer.Option("--output", "-o", help="New file.")],
) -> None:
    """Write a prior as one file, for a site without a network; prints the file's digest."""
    from medaug.inverse.priors.library.lookup import folder_of
    from medaug.inverse.priors.library.prior_archive import export_prior
    from medaug.inverse.priors.loaders.load import card_of

    folder = folder_of(prior)
    say(f"{export_prior(folder, card_of(folder), output)}  {output.name}")


@prior_app.command("import")
def prior_import(
    file: Annotated[Path, typer.Argument(help="What `medaug prior export` wrote.", show_default=False)],
    name: Name = None,
) -> None:
    """Take a prior out of its file into your store; every digest is compared."""
    from medaug.inverse.priors.library.lookup import store_root
    from medaug.inverse.priors.library.prior_archive import import_prior

    card = import_prior(file, store_root(), name)
    say(_line(card.name, card))


@prior_app.command("fetch")
def prior_fetch(
    hub_id: Annotated[str, typer.Argument(help="OWNER/MODEL on the Hugging Face hub.", show_default=False)],
    revision: Annotated[str, typer.Option(help="The full commit, 40 hex digits.")],
    sha256: Annotated[str, typer.Option(help="The prior's digest, as `medaug prior show` prints it.")],
    name: Name = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You read and accept its licence.")] = False,
) -> None:
    """Download a model into your store: the only command that downloads anything. Safetensors only, pinned."""
    from medaug.inverse.priors.library.fetch import fetch, look
    from medaug.inverse.priors.library.lookup import store_root

    offer = look(hub_id, revision)
    say(f"{hub_id}: licence {offer.licence}; {counted(offer.files, 'file')}, {offer.bytes / 1e6:.0f} MB")
    if not accept_licence:
        say("nothing was fetched: read the licence, then give --accept-licence", err=True)
        raise typer.Exit(2)
    card = fetch(hub_id, revision, sha256, offer, store_root(), name)
    say(_line(card.name, card))


def _facts(name: str, card: PriorCard) -> dict[str, object]:
    solvers = sorted({weights.solver for weights in card.weights})
    return {"name": name, "sha256": card.sha256, "size": card.size, "calibrated": solvers, "licence": card.licence}


def _line(name: str, card: PriorCard) -> str:
    solvers = ", ".join(sorted({weights.solver for weights in card.weights}))
    calibrated = f"calibrated for {solvers}" if solvers else "not calibrated"
    return f"{name:24} {card.sha256[:16]}  {card.size:4} px  {calibrated}  {card.licence}"
