"""`medaug fetch`: images and their annotations out of an archive, into a folder that `medaug run` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.archives import ArchiveAddress, installed, speaking
from medaug.cli.console import say
from medaug.cli.fetching import BodyPart, Date, Deidentify, Modality, Studies, Study, Wanted, carry_out, partial, show
from medaug.cli.options import AsJson, app

if TYPE_CHECKING:
    from medaug.pacs.access import Access
    from medaug.pacs.fetch import Fetched


@app.command("fetch")
@speaking
def fetch_command(  # noqa: PLR0913 - one parameter per option
    access: Access,
    archive: ArchiveAddress,
    folder: Annotated[Path, typer.Option("--output", "-o", help="New folder, or one of the same fetch to continue.")],
    study: Study = None,
    studies: Studies = None,
    modality: Modality = None,
    date: Date = "",
    body_part: BodyPart = "",
    annotations: Annotated[
        bool, typer.Option(help="Fetch SEG, RTSTRUCT and SR of the same studies that refer to the images, too.")
    ] = True,
    deidentify: Deidentify = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="32 secret bytes for a new folder: the same key, the same pseudonyms.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch images and their annotations from a PACS, for `medaug run FOLDER/images`; given again, it continues."""
    with installed("fetch"):
        order = Wanted(study, studies, modality, date, body_part, deidentify).order(annotations=annotations)
        done = carry_out(archive, access, folder, order, key)
    if as_json:
        say(json.dumps(_data(done), indent=2))
    else:
        show(done)
        _show_way_on(done, folder)
    if not done.series:
        raise typer.Exit(3)
    if partial(done):
        raise typer.Exit(4)


def _show_way_on(done: Fetched, folder: Path) -> None:
    if done.series:
        labels = "".join(f" -a {folder / 'annotations' / kind}" for kind in sorted(done.annotations))
        say(f"go on with: medaug run {folder / 'images'}{labels or ' -a LABELS'} -o OUTPUT")


def _data(done: Fetched) -> dict[str, object]:
    return {
        "series": done.series,
        "images": done.images,
        "annotations": dict(done.annotations),
        "before": done.before,
        "left_out": [{"code": c, "count": n, "reason": done.why[c]} for c, n in sorted(done.left_out.items())],
    }
