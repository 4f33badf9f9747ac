"""`medaug run` and `medaug plan`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from medaug.cli.as_data import plan_data, say_json, summary_data, with_names
from medaug.cli.file_names import by_code, of_units
from medaug.cli.messages import counts_of, left_out_of, show_plan, show_summary
from medaug.cli.options import AsJson, ShowNames, app, asking, not_stored
from medaug.cli.progress import Voice, following
from medaug.cli.run_archive import or_archive
from medaug.processes.run_on import at_work
from medaug.version import __version__

if TYPE_CHECKING:
    from medaug.execution.planning.plan import Plan
    from medaug.execution.planning.request import RunRequest
    from medaug.execution.summary import Summary


@app.command("run")
@or_archive
@asking()
def run_command(  # noqa: PLR0913 - one parameter per option
    request: RunRequest,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="New folder, or one of the same run to continue.", callback=not_stored),
    ],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, xpu or mps; cuda:N, xpu:N.")] = "auto",
    key: Annotated[
        Path | None, typer.Option("--key", help="32 secret bytes for a new OUTPUT: the same key gives the same bytes.")
    ] = None,
    extend: Annotated[bool, typer.Option("--extend", help="Take other inputs into an OUTPUT that is there.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Each holds its own prior. [default: 1; with Ray one a device]")
    ] = None,
    io_workers: Annotated[
        str, typer.Option("--io-workers", help="Processes of each worker that read and write: auto, or 0, 1, …")
    ] = "auto",
    executor: Annotated[
        str | None, typer.Option(help="serial, processes or ray. [default: processes with several workers]")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; none starts one on this machine.")] = None,
    shard: Annotated[str | None, typer.Option(help="i/n: only share i of n, from 0; for job arrays.")] = None,
    max_failures: Annotated[float, typer.Option(help="Stop when more than this share of units fails.")] = 0.5,
    plain_names: Annotated[
        bool, typer.Option("--plain-names", help="Name source files in the lists as they are, not by keyed names.")
    ] = False,
    with_sources: Annotated[
        bool, typer.Option("--with-sources", help="List the labelled real images in monai.json, too, by their paths.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say errors and the summary only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="On a terminal, a line for each unit, too.")] = False,
    log_file: Annotated[
        Path | None, typer.Option("--log-file", help="Add what is said to this file, with times; no name enters it.")
    ] = None,
    show_names: ShowNames = False,
    as_json: AsJson = False,
) -> None:
    """Augment an export: derived DICOM series, manifests, a page and a record in OUTPUT."""
    request = replace(
        request,
        device=device,
        key=key,
        extend=extend,
        workers=workers,
        io_workers=_io_workers(io_workers),
        executor=cast("Any", executor),
        address=address,
        shard=_shard(shard),
        max_failures=max_failures,
        plain_names=plain_names,
        with_sources=with_sources,
    )
    with following(quiet=quiet, verbose=verbose, log_file=log_file) as voice:
        voice.keep(f"medaug {__version__}: reading")
        planned = _planned(request, voice, None if dry_run else output)
        summary = None if dry_run else _done(planned, output, voice)
        for line in [] if summary is None else (counts_of(summary), *left_out_of(summary.skips)):
            voice.keep(line)
    if summary is None:
        _show(planned, output, names=show_names, as_json=as_json)
    else:
        _sum_up(summary, planned, names=show_names, as_json=as_json)
        raise typer.Exit(summary.exit_code)


@app.command("plan")
@asking()
def plan_command(request: RunRequest, show_names: ShowNames = False, as_json: AsJson = False) -> None:
    """Say what `medaug run` would do: series, boxes, skips with reasons, time and disk."""
    with following() as voice:
        planned = _planned(request, voice)
    _show(planned, names=show_names, as_json=as_json)


def _planned(request: RunRequest, voice: Voice, output: Path | None = None) -> Plan:
    from medaug.execution.planning.plan import plan_for

    if output is not None:
        from medaug.execution.execute import check_disjoint

        check_disjoint(request.input, output)
    return plan_for(request, voice.reading)


def _done(planned: Plan, output: Path, voice: Voice) -> Summary:
    from medaug.execution.execute import execute

    at_work()
    on_step = voice.step if voice.steps else None
    return execute(planned, output, on_progress=voice.progress, on_step=on_step, on_stage=voice.stage)


def _sum_up(summary: Summary, planned: Plan, *, names: bool, as_json: bool) -> None:
    if as_json:
        data = summary_data(summary)
        say_json(with_names(data, planned) if names else data)
    elif names:
        bad = {record.unit for record in summary.records if record.status != "written"}
        show_summary(summary, of_units(planned, bad), by_code(planned))
    else:
        show_summary(summary)


def _show(planned: Plan, output: Path | None = None, *, names: bool, as_json: bool) -> None:
    from medaug.execution.planning.foresight import foresee, space_missing
    from medaug.execution.planning.throughput import forecast

    foreseen = {each.source: each for each in foresee(planned)}
    full, ahead = space_missing(planned, output) if output else "", forecast(planned)
    if as_json:
        data = plan_data(planned, foreseen, full, ahead)
        say_json(with_names(data, planned) if names else data)
    else:
        show_plan(planned, foreseen, full, ahead, names=names)
    if all(each.code for each in foreseen.values()):
        raise typer.Exit(3)


def _io_workers(text: str) -> int | None:
    if not (text == "auto" or text.isdecimal()):
        raise typer.BadParameter("expected auto or a number from 0", param_hint="--io-workers")
    return None if text == "auto" else int(text)


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    share, slash, count = text.partition("/")
    if not (slash and share.isdecimal() and count.isdecimal()):
        raise typer.BadParameter("expected i/n, such as 0/8", param_hint="--shard")
    return int(share), int(count)
