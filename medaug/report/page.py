"""``index.html``: the page that people look at. One file, no script, nothing loaded from anywhere but OUTPUT."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import chain, groupby
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from medaug.audit.layout import PAGE, PREVIEW, PROFILE
from medaug.audit.listed import LEFT_OUT
from medaug.audit.record import Limit, Record
from medaug.audit.record_order import Ordered, Tally, kind_of
from medaug.audit.recorded_source import RecordedSource
from medaug.errors import ProfileError
from medaug.profile.load import parse_profile_keys
from medaug.report.pictures import NAMES
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import blocks
from medaug.storage.disk_map import Reiterable
from medaug.storage.plain_files import is_plain, open_plain, read_document

FILES_SHOWN = 4  # of a series; the others stand in record.json
PNG_HEAD = 24  # bytes: signature, then the IHDR chunk with width and height


@dataclass(frozen=True)
class PagePicture:
    """A preview as the page needs it; the size keeps the layout still while pictures load."""

    kind: str
    path: str
    width: int
    height: int


@dataclass(frozen=True)
class PageEntry:
    """One unit of OUTPUT."""

    record: Record
    output: Path

    @property
    def pictures(self) -> tuple[PagePicture, ...]:
        """The previews that are there; read each time they are asked for."""
        return _pictures(self.record, self.output)

    @property
    def compared(self) -> tuple[PagePicture, ...]:
        """Source and result, as far as they show the same place: a moved image doesn't lie where its source does."""
        pair = tuple(one for one in self.pictures if one.kind in {"source", "result"})
        return pair if len(pair) == 2 and self.record.moved is None else ()

    @property
    def verdict(self) -> str:
        """The checks in a few words."""
        checks = self.record.checks
        if self.record.kind == "classic":
            return "nothing was generated"
        passed = sum(check.passed for check in checks)
        return f"{passed} of {len(checks)} checks passed" if checks else "no checks were run"


@dataclass(frozen=True)
class Group:
    """A source and what was made of it; the entries are to be taken once, before the next group."""

    first: PageEntry
    others: Iterator[PageEntry]

    @property
    def source(self) -> RecordedSource:
        """The source."""
        return self.first.record.source

    @property
    def entries(self) -> Iterator[PageEntry]:
        """What was made of it."""
        return chain([self.first], self.others)

    @property
    def kind(self) -> str:
        """Its modality, or its format where that states none."""
        return kind_of(self.first.record)

    @property
    def labels(self) -> str:
        """The labels of the source with their number, such as ``2 × nodule``."""
        boxes = Counter(box.label for box in self.first.record.boxes)
        return ", ".join(f"{count} × {label}" for label, count in sorted(boxes.items())) or "no boxes"


def write_page(records: Iterable[Record], output: Path, *, skipped: Sequence[tuple[str, str, int]]) -> Path:
    """Write OUTPUT/index.html: totals, what was left out and why, and every variant with its pictures and checks.

    Everything is escaped, the Content-Security-Policy allows images of OUTPUT and the page's own style and nothing
    else, and pictures load as they come into view, so that hundreds of variants don't slow it. Same inputs, same bytes.
    It is written as it is made: one record is in memory at a time.

    Args:
        records: the last one of every unit.
        output: OUTPUT; previews are found by the records' folders.
        skipped: (code, reason, files) of what the run left out.

    Raises:
        OutputError: the file can't be written; an older one is as it was.
    """
    ordered = Ordered.of(records)
    counts = ordered.tally.statuses
    count, left_out = counts.total() - counts["written"] - ordered.tally.left_out, ordered.tally.left_out
    others = Reiterable(lambda: (record for record in ordered if record.status != "written"))
    missing = Reiterable(lambda: (record for record in others if record.code not in LEFT_OUT), lambda: count)
    decided = Reiterable(lambda: (record for record in others if record.code in LEFT_OUT), lambda: left_out)
    style = _asset("page.css")
    parts = _template().generate(
        style=Markup(style),  # noqa: S704 - the package's own file
        policy=_policy(style),
        tiles=_tiles(ordered.tally, skipped),
        facts={**_facts(ordered), **_domain(output)},
        copies=ordered.tally.copies,
        groups=Reiterable(lambda: _groups(ordered, output)),
        missing=missing if count else (),
        decided=decided if left_out else (),
        retried=bool(counts["failed"] + counts["crashed"]),
        skipped=sorted(skipped),
        files_shown=FILES_SHOWN,
    )
    return replace_file(output / PAGE, blocks(parts))


def _groups(ordered: Iterable[Record], output: Path) -> Iterator[Group]:
    """Source by source, what has pictures or was written."""
    entries = (PageEntry(record, output) for record in ordered)
    shown = (entry for entry in entries if _is_shown(entry))
    return (Group(next(part), part) for _, part in groupby(shown, key=lambda entry: entry.record.source.key))


def _is_shown(entry: PageEntry) -> bool:
    record = entry.record
    return record.status == "written" or (record.code not in LEFT_OUT and bool(entry.pictures))


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["limit"] = _limit
    environment.filters["figure"] = _figure
    return environment.from_string(_asset("page.html.jinja"))


def _policy(style: str) -> str:
    """Images of OUTPUT (``file:`` too, where browsers don't count it as 'self') and this very style."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; img-src 'self' file:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _pictures(record: Record, output: Path) -> tuple[PagePicture, ...]:
    """The previews that exist, with the size that their headers state."""
    pictures = []
    for kind in NAMES:
        path = f"{record.folder}/{PREVIEW}/{kind}.png"
        if is_plain(output / path, follow=False):
            with open_plain(output / path, follow=False) as file:
                head = file.read(PNG_HEAD)
            pictures.append(
                PagePicture(kind, path, int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
            )
    return tuple(pictures)


def _tiles(tally: Tally, skipped: Sequence[tuple[str, str, int]]) -> list[tuple[str, int, str]]:
    """(word, number, tone) of the header."""
    counts, gate = tally.statuses, tally.statuses["rejected"] - tally.left_out
    return [
        ("classic copies written" if tally.copies else "variants written", counts["written"], "good"),
        ("sources", tally.sources, ""),
        ("patients", tally.patients, ""),
        ("boxes", tally.boxes, ""),
        ("rejected", gate, "warn" if gate else ""),
        *([("left out by decision", tally.left_out, "")] if tally.left_out else []),
        ("failed", counts["failed"] + counts["crashed"], "bad" if counts["failed"] + counts["crashed"] else ""),
        ("files left out", sum(files for _, _, files in skipped), ""),
    ]


def _facts(records: Iterable[Record]) -> Mapping[str, str]:
    """What holds for all records; several values are listed."""
    columns: dict[str, set[str]] = {name: set() for name in ("medaug", "prior", "profile", "device", "created")}
    for record in records:
        columns["medaug"].add(record.versions.get("medaug", ""))
        columns["prior"].add(f"{record.prior.name} ({record.prior.sha256[:12]})" if record.prior else "")
        columns["profile"].add(record.profile_sha256[:12])
        columns["device"].add(record.device)
        columns["created"].add(record.created)
    return {name: ", ".join(sorted(values - {""})) for name, values in columns.items() if values - {""}}


def _domain(output: Path) -> Mapping[str, str]:
    """The parts that the profile of OUTPUT names, where it is there."""
    try:
        parts = parse_profile_keys(read_document(output / PROFILE, follow=False), PROFILE).get("domain")
    except (OSError, UnicodeDecodeError, ProfileError):
        return {}
    return {"domain": ", ".join(map(str, parts)) or "everywhere"} if isinstance(parts, list) else {}


def _limit(limit: Limit) -> str:
    low, high = limit
    if low is not None and high is not None:
        return f"{low:.4g} … {high:.4g}"
    if low is not None:
        return f"≥ {low:.4g}"
    return "none" if high is None else f"≤ {high:.4g}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
