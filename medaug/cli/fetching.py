"""What `medaug fetch` and `medaug run` of an archive share: which series are asked for, and how it is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.archives import address, waiting
from medaug.cli.console import say
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.pacs.access import Access
    from medaug.pacs.fetch import Fetched, Order

UID = re.compile(r"[0-9]+(\.[0-9]+)+")
DATES = re.compile(r"\d{8}|\d{8}-(\d{8})?|-\d{8}")
MAX_LIST = 64 << 20  # bytes of a study list: a million UIDs
ASIDE = {"not-about-these", "not-asked-for", "not-an-image"}  # left out, and nothing is missing

Study = Annotated[list[str] | None, typer.Option("--study", help="Study Instance UID; repeatable.", show_default=False)]
Studies = Annotated[
    Path | None, typer.Option("--studies", help="File with a Study Instance UID in each line.", show_default=False)
]
Modality = Annotated[
    list[str] | None, typer.Option("--modality", help="Such as CT or DX; repeatable.", show_default=False)
]
Date = Annotated[str, typer.Option(help="Of the study: 20240131, 20240101-20241231, 20240101- or -20241231.")]
BodyPart = Annotated[str, typer.Option(help="Body Part Examined, such as CHEST.")]
Deidentify = Annotated[
    str,
    typer.Option(
        help="basic, or basic:OPTION,…: structured, labels=WORD+WORD, dates, full-dates, patient, uids.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Wanted:
    """Options that say which series, and how they become nobody's."""

    study: list[str] | None = None
    studies: Path | None = None
    modality: list[str] | None = None
    date: str = ""
    body_part: str = ""
    deidentify: str = ""

    def order(self, *, annotations: bool = True) -> Order:
        """What a fetch is to do.

        Raises:
            typer.BadParameter: no UID, or no date.
            RunError: the list of studies can't be read.
            ArchiveError: there is no such de-identification.
        """
        from medaug.pacs.archive import Query
        from medaug.pacs.deidentify.options import deidentification_of
        from medaug.pacs.fetch import Order

        named = (*(self.study or ()), *(_listed(self.studies) if self.studies else ()))
        query = Query(_uids(named), tuple(self.modality or ()), _dates(self.date), self.body_part)
        how = deidentification_of(self.deidentify) if self.deidentify else None
        return Order(query, how, annotations, sleep=waiting)


def carry_out(archive: str, access: Access, folder: Path, order: Order, key: Path | None = None) -> Fetched:
    """Fetch into a folder, with a line for every hundred images; no connection is left when it returns."""
    from medaug.pacs.connect import connected
    from medaug.pacs.fetch import fetch
    from medaug.pacs.folder import Asked, opened

    where = address(archive)
    asked = Asked(archive, order.how.text if order.how else "")
    with opened(folder, asked, key) as opened_folder, connected(where, access) as node:
        return fetch(node, opened_folder, order, _told())


def partial(done: Fetched) -> bool:
    """Whether something that was asked for is missing."""
    return bool(set(done.left_out) - ASIDE)


def show(done: Fetched, *, err: bool = False) -> None:
    """What came, and what didn't."""
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(done.annotations.items()))
    before = f"; {done.before} of them before" if done.before else ""
    about = f", {found}" if found else ""
    say(f"{counted(done.images, 'image')} of {counted(done.series, 'series', 'series')}{about}{before}", err=err)
    for code, number in sorted(done.left_out.items()):
        say(f"  left out [{code}] {number}: {done.why[code]}", err=err)


def _told() -> Callable[[Fetched], None]:
    """A line for every hundred images that arrive."""
    told = [0]

    def tell(done: Fetched) -> None:
        if done.images - told[0] >= 100:
            told[0] = done.images
            say(f"{counted(done.images, 'image')} of {counted(done.series, 'series', 'series')}…", err=True)

    return tell


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
