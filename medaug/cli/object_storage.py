"""`medaug pull` and `medaug push`: an export out of object storage, and an output into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from medaug.cli.console import say
from medaug.cli.options import AsJson, app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.object_storage.pull import Pulled
    from medaug.object_storage.push import Pushed

MOST = 100.0  # gigabytes of an export, where nothing else is said
Done = TypeVar("Done")
Stored = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        help="s3://BUCKET/PREFIX; who asks and which server, from AWS's environment variables and files.",
        show_default=False,
    ),
]


@app.command("pull")
def pull_command(
    store: Stored,
    folder: Annotated[Path, typer.Option("--output", "-o", help="New folder, or one of the same pull to continue.")],
    most: Annotated[float, typer.Option(min=0, help="Gigabytes that the export may have.")] = MOST,
    as_json: AsJson = False,
) -> None:
    """Bring an export out of object storage, for `medaug run FOLDER/export`; given again, it continues."""
    from medaug.object_storage.object_store import ObjectStore
    from medaug.object_storage.place import place_of
    from medaug.object_storage.pull import EXPORT, pull

    with ObjectStore(place_of(store)) as place:
        done = pull(place, folder, most, _told(_files))
    if as_json:
        left = [{"code": c, "count": n, "reason": done.why[c]} for c, n in sorted(done.left_out.items())]
        said = {"files": done.files, "before": done.before, "bytes": done.bytes, "left_out": left}
        say(json.dumps(said, indent=2))
    else:
        _show(done)
        if done.files:
            say(f"go on with: medaug run {folder / EXPORT} -a LABELS -o OUTPUT")
    if not done.files:
        raise typer.Exit(3)
    if done.left_out:
        raise typer.Exit(4)


@app.command("push")
def push_command(
    output: Annotated[Path, typer.Argument(help="A folder that `medaug run` made or is making.", show_default=False)],
    store: Stored,
    as_json: AsJson = False,
) -> None:
    """Put an OUTPUT into object storage, unit by unit and its seal last; nothing there is overwritten."""
    from medaug.object_storage.object_store import ObjectStore
    from medaug.object_storage.place import place_of
    from medaug.object_storage.push import push

    with ObjectStore(place_of(store)) as place:
        done = push(output, place, _told(_units))
    if as_json:
        said = {"units": done.units, "before": done.before, "files": done.files, "sealed": done.sealed}
        say(json.dumps(said, indent=2))
    else:
        before = f"; {done.before} of them before" if done.before else ""
        say(f"{counted(done.units, 'unit')} in the store{before}; {counted(done.files, 'file')} put")
        if done.sealed:
            say("whole and sealed; `medaug verify STORE` checks it there")
        else:
            say("not sealed yet: when the run has ended, give the same command again")
    if not done.sealed:
        raise typer.Exit(4)


def brought(store: str, folder: Path, most: float, *, quiet: bool) -> tuple[Path, bool]:
    """`medaug pull` before a run: where the export lies, and whether any of it isn't as in the store."""
    from medaug.object_storage.object_store import ObjectStore
    from medaug.object_storage.place import place_of
    from medaug.object_storage.pull import EXPORT, pull

    with ObjectStore(place_of(store)) as place:
        done = pull(place, folder, most, _told(_files))
    if done.left_out or not quiet:
        _show(done, err=True)
    if not done.files:
        raise typer.Exit(3)
    return folder / EXPORT, bool(done.left_out)


def _show(done: Pulled, *, err: bool = False) -> None:
    before = f"; {done.before} of them before" if done.before else ""
    say(f"{counted(done.files, 'file')}, {done.bytes / 1e6:.1f} MB{before}", err=err)
    for code, number in sorted(done.left_out.items()):
        say(f"  not as in the store [{code}] {number}: {done.why[code]}", err=err)


def _told(line: Callable[[Done], str]) -> Callable[[Done], None]:
    """A line for every hundred."""
    seen = [0]

    def tell(done: Done) -> None:
        seen[0] += 1
        if seen[0] % 100 == 0:
            say(line(done), err=True)

    return tell


def _files(done: Pulled) -> str:
    return f"{counted(done.files, 'file')}…"


def _units(done: Pushed) -> str:
    return f"{counted(done.units, 'unit')}…"
