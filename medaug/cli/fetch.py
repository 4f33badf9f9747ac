"""`medaug fetch`: images and their annotations out of an archive, into a folder that `medaug run` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.archives import ArchiveAddress, address, installed, speaking, waiting
from medaug.cli.console import say
from medaug.cli.options import AsJson, app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.pacs.access import Access
    from medaug.pacs.fetch import Fetched

UID = re.compile(r"[0-9]+(\.[0-9]+)+")
DATES = re.compile(r"\d{8}|\d{8}-(\d{8})?|-\d{8}")
MAX_LIST = 64 << 20  # bytes of a study list: a million UIDs


@app.command("fetch")
@speaking
def fetch_command(  # noqa: PLR0913 - one parameter per option
    access: Access,
    archive: ArchiveAddress,
    folder: Annotated[Path, typer.Option("--output", "-o", help="New folder, or one of the same fetch to continue.")],
    study: Annotated[
        list[str] | None, typer.Option("--study", help="Study Instance UID; repeatable.", show_default=False)
    ] = None,
    studies: Annotated[
        Path | None, typer.Option("--studies", help="File with a Study Instance UID in each line.", show_default=False)
    ] = None,
    modality: Annotated[
        list[str] | None, typer.Option("--modality", help="Such as CT or DX; repeatable.", show_default=False)
    ] = None,
    date: Annotated[str, typer.Option(help="Of the study: 20240131, 20240101-20241231, 20240101- or -20241231.")] = "",
    body_part: Annotated[str, typer.Option(help="Body Part Examined, such as CHEST.")] = "",
    annotations: Annotated[
        bool, typer.Option(help="Fetch SEG, RTSTRUCT and SR of the same studies that refer to the images, too.")
    ] = True,
    deidentify: Annotated[
        str,
        typer.Option(
            help="basic, or basic:OPTION,…: structured, labels=WORD+WORD, dates, full-dates, patient, uids.",
            show_default=False,
        ),
    ] = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="32 secret bytes for a new folder: the same key, the same pseudonyms.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch images and their annotations from a PACS, for `medaug run FOLDER/images`; given again, it continues."""
    with installed("fetch"):
        from medaug.pacs.archive import Query
        from medaug.pacs.connect import connected
        from medaug.pacs.deidentify.options import deidentification_of
        from medaug.pacs.fetch import Order, fetch
        from medaug.pacs.folder import Asked, opened

    named = (*(study or ()), *(_listed(studies) if studies else ()))
    query = Query(_uids(named), tuple(modality or ()), _dates(date), body_part)
    how = deidentification_of(deidentify) if deidentify else None
    where = address(archive)
    with (
        opened(folder, Asked(archive, how.text if how else ""), key) as opened_folder,
        connected(where, access) as node,
    ):
        done = fetch(node, opened_folder, Order(query, how, annotations, sleep=waiting), _told())
    if as_json:
        say(json.dumps(_data(done), indent=2))
    else:
        _show(done, folder)
    if not done.series:
        raise typer.Exit(3)
    if set(done.left_out) - {"not-about-these", "not-asked-for", "not-an-image"}:
        raise typer.Exit(4)


def _told() -> Callable[[Fetched], None]:
    """A line for every hundred images that arrive."""
    told = [0]

    def tell(done: Fetched) -> None:
        if done.images - told[0] >= 100:
            told[0] = done.images
            say(f"{counted(done.images, 'image')} of {counted(done.series, 'series', 'series')}…", err=True)

    return tell


def _show(done: Fetched, folder: Path) -> None:
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(done.annotations.items()))
    before = f"; {done.before} of them before" if done.before else ""
    about = f", {found}" if found else ""
    say(f"{counted(done.images, 'image')} of {counted(done.series, 'series', 'series')}{about}{before}")
    for code, number in sorted(done.left_out.items()):
        say(f"  left out [{code}] {number}: {done.why[code]}")
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


def _listed(path: Path) -> tuple[str, ...]:
    from medaug.errors import RunError
    from medaug.storage.plain_files import read_document

    try:
        lines = read_document(path, MAX_LIST).splitlines()
    except (OSError, UnicodeDecodeError):
        raise RunError("studies: the list can't be read; give a text file with a UID in each line") from None
    return tuple(line.strip() for line in lines if line.strip())


def _uids(given: tuple[str, ...]) -> tuple[str, ...]:
    if not all(len(uid) <= 64 and UID.fullmatch(uid) for uid in given):
        raise typer.BadParameter("expected Study Instance UIDs", param_hint="--study")
    return tuple(dict.fromkeys(given))


def _dates(text: str) -> str:
    if text and not DATES.fullmatch(text):
        raise typer.BadParameter("expected YYYYMMDD, or two with a - between them", param_hint="--date")
    return text
