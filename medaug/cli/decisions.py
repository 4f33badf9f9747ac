"""`medaug reject`, `medaug accept` and `medaug decisions`: a person's word on each variant, without a browser."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.console import say
from medaug.cli.options import AsJson, app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.audit.decisions import Decision, ReaderVerdict

decisions_app = typer.Typer(help="What readers and rules decided of variants.", no_args_is_help=True)
app.add_typer(decisions_app, name="decisions")

Output = Annotated[Path, typer.Argument(help="A folder that `medaug run` made.", show_default=False)]
Units = Annotated[
    list[str],
    typer.Argument(help="Unit keys, or their first 8 or more digits: names below variants/.", show_default=False),
]
Reader = Annotated[
    str,
    typer.Option(
        "--reader", "-r", envvar="MEDAUG_READER", help="Whose word it is, by name or pseudonym.", show_default=False
    ),
]
Final = Annotated[
    bool, typer.Option("--final", help="Outweigh all words that aren't final, such as after a consensus reading.")
]
File = Annotated[Path, typer.Argument(help="A file that `medaug decisions export` wrote.", show_default=False)]


@app.command("reject")
def reject_command(
    output: Output,
    units: Units,
    reason: Annotated[str, typer.Option(help="Why, by its word; a profile may add words.", show_default=False)],
    reader: Reader,
    remove: Annotated[bool, typer.Option("--remove", help="Remove their files; their records stay.")] = False,
    final: Final = False,
) -> None:
    """Take variants out of every list, for good: they are not made again, and the record says who and why."""
    _decide(output, units, "rejected", reader, reason=reason, final=final, remove=remove)


@app.command("accept")
def accept_command(output: Output, units: Units, reader: Reader, final: Final = False) -> None:
    """Say that variants are good; a profile may list accepted ones only."""
    _decide(output, units, "accepted", reader, final=final)


@decisions_app.command("undo")
def undo_command(output: Output, units: Units, reader: Reader) -> None:
    """Take a reader's word on variants back; the record keeps that it was said."""
    _decide(output, units, "withdrawn", reader)


@decisions_app.command("list")
def list_command(output: Output, as_json: AsJson = False) -> None:
    """The last word of each reader on each variant."""
    from medaug.audit.decisions import decided
    from medaug.execution.output.open import attach

    words = decided(attach(output).ledger)
    latest = [one for said in words.values() for one in said.latest if one.verdict != "withdrawn"]
    if as_json:
        say(json.dumps([asdict(one) for one in latest], indent=2))
        return
    for one in latest:
        say(_line(one))
    standing = [said.verdict for said in words.values()]
    say(f"{standing.count('accepted')} accepted, {standing.count('rejected')} rejected")


@decisions_app.command("export")
def export_command(
    output: Output,
    file: Annotated[Path, typer.Option("--output", "-o", help="New JSON file.", show_default=False)],
) -> None:
    """Write all decisions to a file, for a copy of OUTPUT that another reader has."""
    from medaug.execution.output.decision_files import export_decisions
    from medaug.execution.output.open import attach

    say(f"{counted(export_decisions(attach(output), file), 'decision')} in {file}")


@decisions_app.command("import")
def import_command(output: Output, file: File) -> None:
    """Take another reader's decisions into the record; all of them, or none where one doesn't fit."""
    from medaug.execution.output.decision_files import import_decisions
    from medaug.execution.output.open import attach

    done = import_decisions(attach(output), file)
    say(f"{counted(done.taken, 'decision')} taken, {done.known} known before")


@decisions_app.command("agreement")
def agreement_command(output: Output, as_json: AsJson = False) -> None:
    """How far readers who worked blind to each other agree, on what both decided: raw, and Cohen's kappa."""
    from medaug.audit.agreement import agreements
    from medaug.audit.decisions import decided
    from medaug.execution.output.open import attach

    pairs = agreements(decided(attach(output).ledger).values())
    if as_json:
        more = [{"units": one.units, "raw": one.raw, "kappa": one.kappa} for one in pairs]
        say(json.dumps([asdict(one) | facts for one, facts in zip(pairs, more, strict=True)], indent=2))
        return
    for one in pairs:
        kappa = "not defined" if one.kappa is None else f"{one.kappa:.2f}"
        say(
            f"{one.readers[0]} and {one.readers[1]}: {counted(one.units, 'variant')} decided by both, {one.raw:.0%} "
            f"alike, kappa {kappa}; {one.first_alone} accepted by the first alone, {one.second_alone} by the second"
        )
    if not pairs:
        say("no two readers decided the same variant")


def _decide(
    output: Path,
    units: list[str],
    verdict: ReaderVerdict,
    reader: str,
    *,
    reason: str = "",
    final: bool = False,
    remove: bool = False,
) -> None:
    from medaug.execution.output.decide import Word, decide
    from medaug.execution.output.open import attach

    made = decide(attach(output), units, Word(verdict, reader, reason, final=final), remove=remove)
    gone = ", files removed" if remove else ""
    say(f"{counted(len(made), 'variant')} {verdict}{gone}; the lists and the seal are written again, unsigned")


def _line(one: Decision) -> str:
    more = " ".join(filter(None, (one.reason, "final" if one.final else "", "removed" if one.removed else "")))
    return f"{one.unit[:16]}  {one.verdict:8}  {one.reader}  {one.made[:19]}  {more}".rstrip()
