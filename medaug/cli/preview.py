"""`medaug preview`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli import completion
from medaug.cli.console import say
from medaug.cli.messages import show_left_out
from medaug.cli.options import app, asking
from medaug.cli.progress import following

if TYPE_CHECKING:
    from medaug.execution.planning.request import RunRequest
    from medaug.execution.preview import Preview


@app.command("preview")
@asking("variants", "strength", "slices", "pictures")
def preview_command(
    request: RunRequest,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page; the picture lies beside it as PNG.")] = Path(
        "preview.html"
    ),
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=100, help="Sources, spread over the plan.")] = 4,
    strength: Annotated[
        list[str] | None,
        typer.Option(
            help="Strengths to try; repeatable. [default: all three, where there is a ladder]",
            autocompletion=completion.strengths,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, xpu or mps; cuda:N, xpu:N.")] = "auto",
) -> None:
    """Show a few sources at a few strengths on one sheet, with regions and checks; nothing else is written."""
    from medaug.errors import OutputError
    from medaug.execution.planning.plan import plan_for
    from medaug.execution.preview import preview
    from medaug.profile.strength import NAMES

    if output.suffix != ".html":
        raise OutputError("preview: expected a name that ends in .html; the picture lies beside it")
    with following() as voice:
        planned = plan_for(replace(request, device=device), voice.reading)
        if planned.profile.generates:
            voice.say("loading the prior…")
        wanted = strength or (NAMES if planned.profile.strengths else ("",))
        shown = preview(planned, number, wanted, voice.solving)
    for sentence in shown.refused:
        say(f"refused {sentence}")
    show_left_out(planned.skips, planned.unmatched, planned.notes)
    if not shown.rows:
        raise typer.Exit(3)
    _write(shown, output, planned.profile.name)


def _write(shown: Preview, output: Path, name: str) -> None:
    from medaug.errors import OutputError
    from medaug.report import sheet

    picture = sheet.png(shown.rows)
    try:
        output.with_suffix(".png").write_bytes(picture)
        output.write_text(sheet.page(picture, shown.tried, f"medaug preview: {name}"), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"preview: the disk did not take it ({error.strerror}); check --output") from None
    say(f"look at {output} and {output.with_suffix('.png')}")
