"""`medaug verify`, `medaug replay`, `medaug seal` and `medaug keys`."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medaug.cli.console import say
from medaug.cli.options import STORE, AsJson, PriorChoice, app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.execution.replay import Replay
    from medaug.verification.faults import Fault
    from medaug.verification.pixel_links import Links
    from medaug.verification.verify import Verdict

FAILED = 5  # exit code
keys_app = typer.Typer(help="Keys that sign seals.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

Output = Annotated[Path, typer.Argument(help="The folder that `medaug run` made; only read.", show_default=False)]
Source = Annotated[Path | None, typer.Option("--source", "-s", help="What it was made from; found by content.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, xpu or mps; cuda:N, xpu:N.")]


Anywhere = Annotated[
    str, typer.Argument(help="The folder that `medaug run` made, or s3://BUCKET/PREFIX; only read.", show_default=False)
]


@app.command("verify")
def verify_command(  # noqa: PLR0913 - one parameter per option
    output: Anywhere,
    source: Source = None,
    public_key: Annotated[Path | None, typer.Option(help="The key that must have signed the seal.")] = None,
    anchor: Annotated[
        Path | None, typer.Option(help="What another stated of the newest seal: a time stamp token, a log's receipt.")
    ] = None,
    replay: Annotated[int, typer.Option(min=0, help="Make this many units again, drawn at random.")] = 0,
    by_pixels: Annotated[
        Path | None, typer.Option(help="Instead: link the images in this folder to the record by their pixels.")
    ] = None,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="With --by-pixels: name the files, which may name a patient.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that read images.")] = 2,
    prior: PriorChoice = None,
    as_json: AsJson = False,
) -> None:
    """Check that an OUTPUT is what its record says; with --source, that every protected voxel is the source's."""
    stored, folder = STORE.match(output) is not None, Path(output)
    if stored and (replay or by_pixels):
        raise typer.BadParameter("--replay and --by-pixels read a folder, not object storage")
    if by_pixels is not None:
        _link(folder, by_pixels, names=show_names, as_json=as_json)
        return
    if replay and source is None:
        raise typer.BadParameter("--replay makes units again from the source: give --source, too")
    judge = partial(_verdict_stored, output) if stored else partial(_verdict, folder)
    verdict = judge(source=source, public_key=public_key, anchor=anchor, workers=workers)
    again = _replayed(folder, replay, source, prior) if replay and source and verdict.units else ()
    faults = (*verdict.faults, *(fault for replayed in again for fault in _replay_faults(replayed)))
    if as_json:
        say(json.dumps(_as_data(verdict, faults, again), indent=2))
    else:
        _show(verdict, faults, again)
    raise typer.Exit(FAILED if faults else 0)


@app.command("replay")
def replay_command(
    output: Output,
    unit: Annotated[str, typer.Argument(help="A unit key, or its first 8 or more digits.", show_default=False)],
    source: Annotated[Path, typer.Option("--source", "-s", help="What it was made from.", show_default=False)],
    device: Device = "auto",
    prior: PriorChoice = None,
) -> None:
    """Make one variant again from its recipe, and compare its pixels with the record; nothing is written."""
    from medaug.execution.replay import replay

    (again,) = replay(output, [unit], source, device=device, prior=prior)
    _show_replay(again)
    raise typer.Exit(0 if again.same else FAILED)


@app.command("seal")
def seal_command(
    output: Output,
    key: Annotated[Path | None, typer.Option("--key", help="Ed25519 private key, see `medaug keys new`.")] = None,
    anchor: Annotated[
        Path | None, typer.Option(help="Instead: lay this time stamp token or log's receipt beside the seal as it is.")
    ] = None,
) -> None:
    """Seal an OUTPUT again, with a signature where a key is given; verify it first."""
    from medaug.audit.anchor import add_anchor
    from medaug.audit.seal import seal

    if anchor is not None:
        if key is not None:
            raise typer.BadParameter("--anchor leaves the seal as it is: seal with --key first, then have it anchored")
        say(f"anchored; sha256 of the anchor: {add_anchor(output, anchor)}")
        return
    seal(output, key=key)
    say("sealed and signed" if key else "sealed, without a signature")


@keys_app.command("new")
def keys_new(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder, made when missing.", show_default=False)],
) -> None:
    """Make a key pair: the private key seals, the public one is for those who verify."""
    from medaug.audit.keys import new_keys

    private, public = new_keys(output)
    say(f"{private.name}: keep it secret (mode 0600)\n{public.name}: give it to those who verify")


def _verdict(output: Path, **how: Any) -> Verdict:
    from medaug.benchmark.folder_format import is_benchmark
    from medaug.verification.verify import verify

    if is_benchmark(output):
        from medaug.benchmark.verify_results import verify_benchmark

        return verify_benchmark(output)
    return verify(output, **how)


def _verdict_stored(address: str, **how: Any) -> Verdict:
    from medaug.object_storage.place import place_of
    from medaug.object_storage.stored_output import opened
    from medaug.verification.verify import verify

    with opened(place_of(address)) as files:
        return verify(files, **how)


def _replayed(output: Path, count: int, source: Path, prior: str | Path | None) -> tuple[Replay, ...]:
    """Units that nobody can foresee: the draw is the system's, not the run's."""
    from medaug.audit import layout, ledger
    from medaug.execution.replay import replay

    records = ledger.shelved(output / layout.LEDGER)
    written = sum(record.status == "written" for record in records)
    numbers = set(random.SystemRandom().sample(range(written), min(count, written)))
    units = (record.unit for record in records if record.status == "written")
    drawn = [unit for number, unit in enumerate(units) if number in numbers]
    return tuple(replay(output, drawn, source, prior=prior))


def _replay_faults(replayed: Replay) -> list[Fault]:
    from medaug.verification.faults import Fault

    changed = ", ".join(f"{name} {then} → {now}" for name, (then, now) in replayed.changes.items())
    return [
        Fault(
            "replay-differs",
            f"{counted(d.voxels, 'stored value')} changed, by {d.greatest:g} at most"
            + (f"; not as recorded: {changed}" if changed else ""),
            d.path,
            replayed.unit,
        )
        for d in replayed.differences
    ]


def _show(verdict: Verdict, faults: tuple[Fault, ...], again: tuple[Replay, ...]) -> None:
    for fault in faults:
        say(_line(fault))
    for replayed in again:
        _show_replay(replayed)
    voxels = counted(verdict.compared, "protected voxel")
    compared = f", {voxels} compared with the source" if verdict.compared else ""
    signed = ", signed by the given key" if verdict.signed else ""
    units, files = counted(verdict.units, "unit"), counted(verdict.files, "file")
    say(f"{units}, {files}{compared}{signed}: {counted(len(faults), 'fault')}")
    for sentence in verdict.unchecked:
        say(f"not checked: {sentence}")


def _line(fault: Fault) -> str:
    place = " ".join(filter(None, (fault.file, f"unit {fault.unit[:16]}" if fault.unit else "")))
    return f"[{fault.code}] {place + ': ' if place else ''}{fault.message}"


def _show_replay(replayed: Replay) -> None:
    verdict = "the same" if replayed.same else f"{len(replayed.differences)} of {replayed.images} images differ"
    say(f"replayed unit {replayed.unit[:16]}: {verdict}")
    for name, (then, now) in replayed.changes.items():
        say(f"  {name}: recorded {then or 'nothing'}, now {now}")
    for d in replayed.differences:
        say(f"  {d.path}: {counted(d.voxels, 'stored value')} changed, by {d.greatest:g} at most")


def _as_data(verdict: Verdict, faults: tuple[Fault, ...], again: tuple[Replay, ...]) -> dict[str, object]:
    return {
        "sound": not faults,
        "faults": [asdict(fault) for fault in faults],
        "units": verdict.units,
        "files": verdict.files,
        "compared": verdict.compared,
        "signed": verdict.signed,
        "replayed": [{"unit": one.unit, "same": one.same, "changes": one.changes} for one in again],
        "unchecked": list(verdict.unchecked),
    }


def _link(output: Path, folder: Path, *, names: bool, as_json: bool) -> None:
    from medaug.verification.pixel_links import link_by_pixels, numbered

    links = link_by_pixels(output, folder)
    links = links if names else numbered(links, folder)
    if as_json:
        linked = {name: [{"unit": unit, "path": path} for unit, path in units] for name, units in links.linked.items()}
        counts = {"ignored": links.ignored, "absent": links.absent}
        faults = [asdict(fault) for fault in links.faults]
        say(json.dumps({"sound": not faults, "faults": faults, "linked": linked, **counts}, indent=2))
    else:
        _show_links(links)
    raise typer.Exit(FAILED if links.faults else 0)


def _show_links(links: Links) -> None:
    for name, units in links.linked.items():
        say(f"{name} = {' = '.join(path for _, path in units)}")
    for fault in links.faults:
        say(_line(fault))
    say(
        f"{counted(len(links.linked), 'image')} linked, {len(links.faults)} unknown, "
        f"{counted(links.ignored, 'other file')}; {counted(links.absent, 'image')} of the record missing"
    )
