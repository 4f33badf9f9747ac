"""`medaug status`, `medaug finish` and `medaug quarantine`: what stands in OUTPUT."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medaug.cli.as_data import say_json
from medaug.cli.console import say
from medaug.cli.options import AsJson, app
from medaug.cli.progress import duration
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.execution.output.quarantine import Quarantined

quarantine_app = typer.Typer(help="Units that are left alone, and why.", no_args_is_help=True)
app.add_typer(quarantine_app, name="quarantine")

Output = Annotated[Path, typer.Argument(help="A folder that `medaug run` made.", show_default=False)]


@app.command("status")
def status_command(output: Output, as_json: AsJson = False) -> None:
    """How far a run is, from its files alone: done, rejected, failed, quarantined, rate, time left."""
    from medaug.execution.output.status import status

    now = status(output)
    if as_json:
        facts = {**asdict(now), "counts": dict(now.counts), "left": now.left, "eta_seconds": now.eta_seconds}
        say(json.dumps(facts, indent=2))
        return
    parts = [f"{now.counts[name]} {name}" for name in ("written", "rejected", "failed", "crashed")]
    say(f"{counted(now.planned, 'unit')}: {', '.join(parts)}, {now.quarantined} quarantined")
    rate = f"{_figure(now.per_hour)} an hour" if now.per_hour else "rate not known yet"
    eta = f"about {duration(now.eta_seconds)}" if now.eta_seconds is not None else "not known yet"
    still = f", {rate}; time left: {eta}" if now.left else ""
    say(f"{now.left} to do, {now.working} being worked on{still}")
    if now.left_out:
        say(f"{counted(now.left_out, 'written unit')} left out of the lists by decision: `medaug decisions list`")
    if now.elsewhere:
        say(f"{counted(now.elsewhere, 'unit')} of other plans in OUTPUT; in no list")


def _figure(rate: float) -> str:
    """Two digits that count: no more is known."""
    return f"{rate:.1f}" if rate < 10 else f"{float(f'{rate:.2g}'):.0f}"


@app.command("finish")
def finish_command(output: Output) -> None:
    """Write the manifests and the page again, for what is there now: after the last shard.

    A unit whose folder was removed by hand is in no list, but stays in the ledger, so `medaug verify` misses it: the
    same `medaug run` makes it again.
    """
    from medaug.audit.layout import PAGE
    from medaug.execution.output.lists import write_lists
    from medaug.execution.output.open import attach
    from medaug.manifests.monai import MONAI

    store = attach(output)
    gone = sum(record.status == "written" and not store.holds(record.unit) for record in write_lists(store))
    say(f"look at {output / PAGE}; train on {output / MONAI}")
    if gone:
        say(
            f"{counted(gone, 'written unit')} of the ledger not there, and in no list: `medaug verify` calls that a "
            "fault; give the same `medaug run` again to make what is missing",
            err=True,
        )
        raise typer.Exit(4)


@quarantine_app.command("list")
def quarantine_list(output: Output, as_json: AsJson = False) -> None:
    """One line for each unit that is left alone."""
    from medaug.execution.output.open import read_stamp
    from medaug.execution.output.quarantine import entries

    read_stamp(output)
    quarantined = entries(output)
    if as_json:
        say_json(_as_data(quarantined))
        return
    for entry in quarantined:
        say(f"{entry.unit[:16]}  {entry.code}  at {entry.stage}  variant {entry.variant} of {entry.source[:12]}")


@quarantine_app.command("explain")
def quarantine_explain(
    output: Output,
    unit: Annotated[str, typer.Argument(help="First digits of its key, as listed.")],
    as_json: AsJson = False,
) -> None:
    """Why a unit is left alone, and what to do."""
    from medaug.errors import OutputError
    from medaug.execution.output.open import read_stamp
    from medaug.execution.output.quarantine import MEANINGS, entries

    read_stamp(output)
    matching = [entry for entry in entries(output) if entry.unit.startswith(unit)]
    if not matching:
        raise OutputError("quarantine: no unit of that key is left alone; `medaug quarantine list` shows all")
    if as_json:
        say_json(_as_data(matching))
        return
    for entry in matching:
        say(f"{entry.unit[:16]}  series {entry.series_uid}, variant {entry.variant}")
        say(f"  [{entry.code}] {entry.message}")
        say(f"  {MEANINGS.get(entry.code, '')}")


@quarantine_app.command("retry")
def quarantine_retry(
    output: Output,
    units: Annotated[list[str] | None, typer.Argument(help="First digits of keys; all if left out.")] = None,
) -> None:
    """Let units be tried again by the next run."""
    from medaug.execution.output.open import attach
    from medaug.execution.output.quarantine import entries, release

    count = release(attach(output), units or [entry.unit for entry in entries(output)])
    say(f"{counted(count, 'unit')} will be tried again; give the same `medaug run` once more")


def _as_data(quarantined: Sequence[Quarantined]) -> list[dict[str, Any]]:
    from medaug.execution.output.quarantine import MEANINGS

    return [{**asdict(entry), "meaning": MEANINGS.get(entry.code, "")} for entry in quarantined]
