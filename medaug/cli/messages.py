"""How plans, progress and summaries are said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from medaug.cli.console import say
from medaug.cli.file_names import by_code, of_unit
from medaug.cli.progress import duration
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.execution.planning.foresight import Foresight
    from medaug.execution.planning.plan import Plan
    from medaug.execution.planning.sources import Skip
    from medaug.execution.planning.throughput import Forecast
    from medaug.execution.planning.units import Unit
    from medaug.execution.summary import Summary

UIDS_SHOWN = 3
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def show_plan(
    planned: Plan,
    foreseen: Mapping[str, Foresight] = _NOTHING,
    room: str = "",
    ahead: Forecast | None = None,
    *,
    names: bool = False,
) -> None:
    """What would be done; what was ``foreseen`` by source and of the run, and a sentence where there is no ``room``.

    ``names`` names INPUT's files, too.
    """
    from medaug.execution.planning.units import firsts_of

    firsts = firsts_of(planned.units)
    words = ("variant", "variants") if planned.profile.generates else ("classic copy", "classic copies")
    say(
        f"profile {planned.profile.name}, seed {planned.request.seed}: {counted(len(planned.units), *words)} of "
        f"{counted(len(firsts), 'source')}"
    )
    for unit in firsts:
        slices, rows, columns = unit.shape
        say(
            f"  {unit.recipe.source[:12]}  {unit.source.modality:5} {slices} × {rows} × {columns}  "
            f"{_boxes(unit)}{_donor(unit)}{_ahead(foreseen.get(unit.recipe.source))}"
        )
        show_files(of_unit(unit, planned.request.input) if names else ())
    if foreseen and len(foreseen) < len(firsts):
        say(f"  of the first {len(foreseen)} sources the free share was looked at")
    show_left_out(planned.skips, planned.unmatched, planned.notes, files=by_code(planned) if names else _NOTHING)
    say(f"time: {_time(ahead)}; disk: about {planned.bytes / 1e6:.0f} MB")
    if room:
        say(f"no room: {room}")


def _time(ahead: Forecast | None) -> str:
    if ahead is None:
        return "unknown until the first unit"
    here = f"{counted(ahead.cores, 'core')} and device {ahead.device}"
    return f"about {duration(ahead.seconds)} on {here}, held back by {ahead.advice}"


def _boxes(unit: Unit) -> str:
    labels = ", ".join(sorted({box.label for box in unit.boxes}))
    return f"{counted(len(unit.boxes), 'box', 'boxes')} ({labels})" if unit.boxes else "no label"


def _donor(unit: Unit) -> str:
    if unit.donor is None:
        return ""
    return f", and a lesion of {unit.donor.reference.key[:12]} ({unit.donor.box.label})"


def _ahead(foreseen: Foresight | None) -> str:
    if foreseen is None:
        return ""
    if foreseen.code:
        return f"; the run would refuse it [{foreseen.code}]: {foreseen.reason}"
    if not foreseen.free:
        return ""
    return f", {'about ' if foreseen.about else ''}{100 * foreseen.free:.0f} % free"


def show_summary(
    summary: Summary, files: Mapping[str, Sequence[str]] = _NOTHING, left_out: Mapping[str, Sequence[str]] = _NOTHING
) -> None:
    """What was done; with the ``files`` of units and those ``left_out``, by code, to name."""
    from medaug.audit.layout import PAGE
    from medaug.manifests.monai import MONAI

    say(counts_of(summary))
    for record in summary.records:
        if record.status != "written":
            say(f"  {record.status} {record.unit[:12]} [{record.code}] {record.message}")
            show_files(files.get(record.unit, ()))
    if summary.elsewhere:
        say(f"  {counted(summary.elsewhere, 'unit')} more in OUTPUT that these inputs don't make; in no list")
    show_left_out(summary.skips, summary.unmatched, summary.notes, files=left_out)
    if summary.counts["written"]:
        say(f"look at {summary.output / PAGE}; train on {summary.output / MONAI}")


def counts_of(summary: Summary) -> str:
    """How many units ended how, in a line."""
    counts = summary.counts
    parts = [f"{counts[status]} {status}" for status in ("written", "rejected", "failed", "crashed") if counts[status]]
    return f"{', '.join(parts) or 'nothing written'} ({summary.already_done} were done before)"


def left_out_of(skips: Sequence[Skip]) -> list[str]:
    """How many files were left out, a line for each code: no reason, no series, so that a log can hold it."""
    files: Counter[tuple[str, str]] = Counter()
    for skip in skips:
        files["refused" if skip.refused else "skipped", skip.code] += skip.files
    return [f"{how} [{code}] {counted(count, 'file')}" for (how, code), count in files.items()]


def show_left_out(
    skips: tuple[Skip, ...],
    unmatched: tuple[str, ...],
    notes: tuple[str, ...] = (),
    *,
    err: bool = False,
    files: Mapping[str, Sequence[str]] = _NOTHING,
) -> None:
    """Equal reasons on one line, with the first series they hold for; on stderr where stdout holds a file.

    ``files``, by code, are named below the first line of their code.
    """
    named = dict(files)
    alike: dict[tuple[bool, str, str], list[Skip]] = defaultdict(list)
    for skip in skips:
        alike[skip.refused, skip.code, skip.reason].append(skip)
    for (refused, code, reason), same in alike.items():
        uids = [skip.series_uid for skip in same if skip.series_uid and skip.series_uid not in reason]
        more = f" and {len(uids) - UIDS_SHOWN} more" if len(uids) > UIDS_SHOWN else ""
        where = f"; series {', '.join(uids[:UIDS_SHOWN])}{more}" if uids else ""
        count = counted(sum(skip.files for skip in same), "file")
        say(f"  {'refused' if refused else 'skipped'} [{code}] {count}: {reason}{where}", err=err)
        show_files(named.pop(code, ()))
    for sentence in unmatched:
        say(f"  unmatched: {sentence}", err=err)
    for sentence in notes:
        say(f"  note: {sentence}", err=err)


def show_files(names: Iterable[str]) -> None:
    """A line for each."""
    for name in names:
        say(f"    file {name}")
