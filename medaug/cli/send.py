"""`medaug send`: variants and their evidence into an archive."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.archives import ArchiveAddress, address, installed, speaking, waiting
from medaug.cli.console import say
from medaug.cli.options import AsJson, app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.pacs.access import Access
    from medaug.pacs.sending.send import Sent


class Study(StrEnum):
    """Into which study variants go."""

    keep = "keep"
    new = "new"


class ProofChoice(StrEnum):
    """How an archive is held to what it took."""

    pixels = "pixels"
    counted = "count"
    none = "none"


@app.command("send")
@speaking
def send_command(  # noqa: PLR0913 - one parameter per option
    access: Access,
    output: Annotated[Path, typer.Argument(help="A folder that `medaug run` made.", show_default=False)],
    archive: ArchiveAddress,
    study: Annotated[
        Study, typer.Option(help="keep: the source's study; new: one of their own, marked synthetic.")
    ] = Study.keep,
    evidence: Annotated[bool, typer.Option(help="Send segmentations and reports of the variants, too.")] = True,
    proof: Annotated[
        ProofChoice, typer.Option(help="pixels: retrieve all and compare; count: ask whether they are there; none.")
    ] = ProofChoice.pixels,
    allow_same_archive: Annotated[
        str, typer.Option("--allow-same-archive", help="Why it may be where the sources came from; recorded.")
    ] = "",
    fetched: Annotated[
        Path | None, typer.Option(help="The folder that `medaug fetch` filled, where it gave pseudonyms.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send variants and their evidence to a PACS, and make sure that it kept them; given again, it continues."""
    with installed("send"):
        from medaug.pacs.connect import connected
        from medaug.pacs.sending.send import Parcel, send
    from medaug.audit.layout import is_known, read_format
    from medaug.errors import OutputError

    try:
        if not is_known(read_format(output)):
            raise OutputError("OUTPUT: another version of medaug made it")
    except (OSError, ValueError):
        raise OutputError("OUTPUT: expected a folder that `medaug run` made") from None
    where = address(archive)
    parcel = Parcel(output, archive, study.value, evidence, proof.value, allow_same_archive, fetched, sleep=waiting)
    with connected(where, access) as node:
        done = send(node, parcel)
    if as_json:
        say(json.dumps(_data(done), indent=2))
    else:
        _show(done)
    if not done.instances:
        raise typer.Exit(3)
    if "archive-refused" in done.left_out:
        raise typer.Exit(4)


def _show(done: Sent) -> None:
    before = f"; {done.before} of them before" if done.before else ""
    say(f"{counted(done.instances, 'instance')} of {counted(done.variants, 'variant')} in the archive{before}")
    for code, number in sorted(done.left_out.items()):
        say(f"  left out [{code}] {number}: {done.why[code]}")


def _data(done: Sent) -> dict[str, object]:
    return {
        "variants": done.variants,
        "instances": done.instances,
        "before": done.before,
        "left_out": [{"code": c, "count": n, "reason": done.why[c]} for c, n in sorted(done.left_out.items())],
    }
