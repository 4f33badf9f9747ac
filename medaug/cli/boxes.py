"""`medaug boxes`: which boxes lie on which series, and the same boxes in another format."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.app import AnnotationFormat, Annotations, Identity, Input, ProfileName, app
from medaug.cli.words import show_left_out

if TYPE_CHECKING:
    from medaug.execution.plan import Plan


class Target(StrEnum):
    """Formats that boxes are written in."""

    coco = "coco"
    csv = "csv"
    yolo = "yolo"


@app.command("boxes")
def boxes_command(
    input: Input,  # noqa: A002 - the word in the help
    annotations: Annotations,
    profile: ProfileName = "bone-xray",
    identity_reason: Identity = None,
    annotation_format: AnnotationFormat = None,
    to: Annotated[Target | None, typer.Option(help="Convert them, image by image.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="New file (yolo: new folder) in place of the screen.")
    ] = None,
) -> None:
    """Show the boxes that a run would keep, per series; with --to, write them in another format."""
    from medaug.execution.plan import plan

    planned = plan(
        input,
        profile=profile,
        annotations=annotations,
        identity_reason=identity_reason,
        annotation_format=annotation_format,
    )
    if to is None:
        _show(planned)
    else:
        _convert(planned, to, output)
    show_left_out(planned.skips, planned.unmatched, err=to is not None)
    if not planned.units:
        raise typer.Exit(3)


def _show(planned: Plan) -> None:
    for unit in planned.units:
        slices, rows, columns = unit.shape
        modality = unit.source.modality
        typer.echo(f"{unit.recipe.source[:12]}  {modality:5} {slices} × {rows} × {columns}  {len(unit.boxes)} boxes")
        for box in unit.boxes:
            k, i, j = (f"{low}…{high - 1}" for low, high in zip(box.start, box.stop, strict=True))
            typer.echo(f"  {box.label}: slices {k}, rows {i}, columns {j}")


def _convert(planned: Plan, to: Target, output: Path | None) -> None:
    from medaug.errors import OutputError
    from medaug.execution import conversion

    images = list(conversion.labelled(planned.units))
    if to is Target.yolo:
        if output is None:
            raise OutputError("boxes: YOLO is a folder of files; say where with -o")
        files = {output / name: text for name, text in conversion.to_yolo(images).items()}
    else:
        text = conversion.to_csv(images) if to is Target.csv else conversion.to_coco(images)
        if output is None:
            typer.echo(text, nl=False)
            return
        files = {output: text}
    if output.exists():
        raise OutputError("boxes: OUTPUT exists; give a new name, nothing is overwritten")
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"boxes: the disk did not take them ({error.strerror}); check OUTPUT") from None
