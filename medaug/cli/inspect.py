"""`medaug inspect`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.options import AsJson, Input, app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.dicom.read.inspect import SeriesFacts
    from medaug.execution.planning.inventory import Inventory


@app.command("inspect")
def inspect_command(
    input: Input,  # noqa: A002 - the word in the help
    annotations: Annotated[
        list[Path] | None, typer.Option("--annotations", "-a", help="Count the boxes of each series, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what INPUT holds, from headers: each series, whether it can be used, and why not. Never a name."""
    from medaug.execution.planning.inventory import inventory

    held = inventory(input, annotations or ())
    if as_json:
        typer.echo(json.dumps(_jsonable(held), indent=2))
    else:
        for series in held.series:
            _show(series)
        for skip in held.skips:
            files = counted(skip.files, "file")
            typer.echo(f"{'refused' if skip.refused else 'skipped'} [{skip.code}] {files}: {skip.reason}")
        for sentence in held.unmatched:
            typer.echo(f"unmatched: {sentence}")
    if not held.usable:
        raise typer.Exit(3)


def _show(series: SeriesFacts) -> None:
    verdict = "usable " if series.usable else f"refused [{series.code}]"
    slices, rows, columns = series.shape
    spacing = " × ".join(f"{x:.3g}" for x in series.spacing) + " mm" if series.spacing else "no spacing"
    window = f"window {series.window.center:g}/{series.window.width:g}" if series.window else "no window"
    part = f" ({series.part})" if series.part else ""
    typer.echo(
        f"{verdict} {series.series_uid}{part}\n"
        f"    {series.modality}, {series.object_class}, {', '.join(series.syntaxes)}\n"
        f"    {slices} × {rows} × {columns}, {spacing}, {window}, identity {series.identity}"
    )
    if series.boxes is not None:
        typer.echo(f"    boxes: {', '.join(f'{n} {label}' for label, n in series.boxes.items()) or 'none'}")
    for sentence in filter(None, (series.reason, *series.notes)):
        typer.echo(f"    {sentence}")


def _jsonable(held: Inventory) -> dict[str, object]:
    series = [{**asdict(each), "usable": each.usable} for each in held.series]
    return {"series": series, "skipped": [asdict(skip) for skip in held.skips], "unmatched": held.unmatched}
