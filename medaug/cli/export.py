"""`medaug export`: the variants as a data set of another program."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from medaug.cli.console import say
from medaug.cli.options import app
from medaug.errors import counted


class Form(StrEnum):
    """Data sets that are written."""

    yolo = "yolo"
    nnunet = "nnunet"
    fiftyone = "fiftyone"
    imagefolder = "imagefolder"


@app.command("export")
def export_command(
    output: Annotated[Path, typer.Argument(help="A folder that `medaug run` made.", show_default=False)],
    to: Annotated[
        Form,
        typer.Option(
            help="Pictures with boxes: yolo, fiftyone, imagefolder (Hugging Face); nnunet: volumes with masks.",
            show_default=False,
        ),
    ],
    folder: Annotated[Path, typer.Option("--output", "-o", help="New folder, outside OUTPUT.", show_default=False)],
    parts: Annotated[
        Path | None, typer.Option(help="CSV with series_uid and part: where the real images stand.")
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out variants of patients who are not in training.")
    ] = False,
    source: Annotated[Path | None, typer.Option(help="nnunet: what OUTPUT was made from.")] = None,
    annotations: Annotated[
        list[Path] | None, typer.Option("--annotations", "-a", help="nnunet: the masks that OUTPUT was made with.")
    ] = None,
) -> None:
    """Write the variants as a data set of another program; all of them for training, none for validation or test."""
    from medaug.errors import ManifestError
    from medaug.execution.exports import datasets
    from medaug.manifests.png_datasets import FORMS
    from medaug.manifests.splits import read_parts

    request = datasets.Request(output, folder, read_parts(parts) if parts else None, leave_out)
    if to is Form.nnunet:
        if source is None or not annotations:
            raise ManifestError(
                "nnunet: its labels are masks; give --source INPUT and --annotations MASKS, as for the run"
            )
        done = datasets.to_nnunet(request, source, annotations)
    elif to is Form.yolo:
        done = datasets.to_yolo(request)
    else:
        done = datasets.to_pictures(request, FORMS[to.value])
    left = f"; {counted(done.left_out, 'variant')} left out" if done.left_out else ""
    say(f"{counted(done.images, 'image')} of {counted(done.units, 'variant')} in {folder}{left}")
