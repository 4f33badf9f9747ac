"""`medaug boxes`: which boxes lie on which series, and the same boxes in another format."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.as_data import boxes_data, say_json
from medaug.cli.console import say
from medaug.cli.messages import show_left_out
from medaug.cli.options import AsJson, app, asking
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.execution.planning.plan import Plan
    from medaug.execution.planning.request import RunRequest


class Target(StrEnum):
    """Formats that boxes are written in."""

    coco = "coco"
    csv = "csv"
    monai = "monai"
    sr = "sr"
    yolo = "yolo"


@app.command("boxes")
@asking("variants", "seed", "prior", "strength", "protect", "within", "pictures", "unlabelled")
def boxes_command(
    request: RunRequest,
    to: Annotated[Target | None, typer.Option(help="Convert them, image by image.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="New file (yolo, sr: new folder) in place of the screen.")
    ] = None,
    plain_names: Annotated[
        bool, typer.Option("--plain-names", help="With --to: name images by their files, not by UIDs alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the boxes that a run would keep, per series; with --to, write them in another format."""
    from medaug.execution.planning.plan import plan_for

    planned = plan_for(request)
    if to is None and as_json:
        say_json(boxes_data(planned))
    elif to is None:
        _show(planned)
    else:
        _convert(planned, to, output, request.input if plain_names else None)
    show_left_out(planned.skips, planned.unmatched, err=to is not None or as_json)
    if not planned.units:
        raise typer.Exit(3)


def _show(planned: Plan) -> None:
    for unit in planned.units:
        slices, rows, columns = unit.shape
        boxes = counted(len(unit.boxes), "box", "boxes")
        say(f"{unit.recipe.source[:12]}  {unit.source.modality:5} {slices} × {rows} × {columns}  {boxes}")
        for box in unit.boxes:
            k, i, j = (f"{low}…{high - 1}" for low, high in zip(box.start, box.stop, strict=True))
            say(f"  {box.label}: slices {k}, rows {i}, columns {j}")


def _convert(planned: Plan, to: Target, output: Path | None, names: Path | None) -> None:
    from medaug.errors import OutputError

    if output is None and to in (Target.yolo, Target.sr):
        raise OutputError(f"boxes: {to.name} is a folder of files; say where with -o")
    if output is not None and output.exists():
        raise OutputError("boxes: OUTPUT exists; give a new name, nothing is overwritten")
    try:
        _write(planned, to, output, names)
    except OSError as error:
        raise OutputError(f"boxes: the disk did not take them ({error.strerror}); check OUTPUT") from None


def _write(planned: Plan, to: Target, output: Path | None, names: Path | None) -> None:
    from medaug.execution.execute import moment
    from medaug.execution.exports import box_formats as conversion

    if to is Target.sr and output is not None:
        conversion.write_sr(planned.units, output, moment())
        return
    images = list(conversion.labelled(planned.units, names))
    if to is Target.yolo and output is not None:
        for name, text in conversion.to_yolo(images).items():
            _put(output / name, text)
        return
    if to is Target.monai:
        text = conversion.to_monai(planned.units, names)
    else:
        text = conversion.to_csv(images) if to is Target.csv else conversion.to_coco(images)
    if output is None:
        say(text, nl=False)
    else:
        _put(output, text)


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
