"""The command line: parse, call, print, exit code. Nothing else.

Exit codes: 0 all done, 1 unexpected, 2 usage or profile, 3 nothing usable, 4 partial, 130 interrupted (give the same
command again).
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from medaug import __version__
from medaug.errors import MedaugError, SourceError, place_of

if TYPE_CHECKING:
    from medaug.execution.execute import Progress, Summary
    from medaug.execution.plan import Plan
    from medaug.execution.sources import Skip
    from medaug.profile import Profile

app = typer.Typer(
    help="Augment labelled medical images by solving an inverse problem: the label is kept by construction.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
profile_app = typer.Typer(help="The choices behind a run, as strict YAML.", no_args_is_help=True)
prior_app = typer.Typer(help="The diffusion model that generates.", no_args_is_help=True)
app.add_typer(profile_app, name="profile")
app.add_typer(prior_app, name="prior")

Input = Annotated[Path, typer.Argument(help="Folder or file of DICOM and NIfTI; never changed.", show_default=False)]
ProfileName = Annotated[str, typer.Option("--profile", "-p", help="A shipped profile's name or a YAML file.")]
Annotations = Annotated[
    list[Path],
    typer.Option(
        "--annotations", "-a", help="File or folder with boxes; may be given several times.", show_default=False
    ),
]
Variants = Annotated[int, typer.Option(min=1, max=10_000, help="Variants per source.")]
Seed = Annotated[int, typer.Option(min=0, help="The run's seed: same seed, same images.")]
Identity = Annotated[
    str | None,
    typer.Option(
        "--accept-identity", help="Why an export may be used that doesn't declare identity was removed; recorded."
    ),
]
PriorFolder = Annotated[
    Path | None, typer.Option("--prior", help="A folder in diffusers' layout, in place of the profile's prior.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def main() -> None:
    """Entry point: turns known errors into one sentence and an exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app()
    except SourceError as error:
        _fail(str(error), 3 if error.code in {"no-input", "empty-input"} else 2)
    except MedaugError as error:
        _fail(str(error), 2)
    except Exception as error:  # noqa: BLE001 - an input's name may stand in its message: only the place is shown
        _fail(f"unexpected {type(error).__name__} at {place_of(error)}; please report this line", 1)
    except Interrupted:
        _fail("interrupted; give the same command again, it continues", 130)


@app.command("run")
def run_command(  # noqa: PLR0913 - one parameter per option
    input: Input,  # noqa: A002 - the word in the help
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder, or one of the same run to continue.")],
    annotations: Annotations,
    profile: ProfileName = "bone-xray",
    variants: Variants = 1,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    prior: PriorFolder = None,
    identity_reason: Identity = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Augment an export: derived DICOM series, manifests, a page and a record in OUTPUT."""
    if dry_run:
        plan_command(input, annotations, profile, variants, seed, prior, identity_reason)
        return
    import medaug

    summary = medaug.run(
        input,
        output,
        profile=_profile(profile, prior),
        annotations=annotations,
        variants=variants,
        seed=seed,
        device=device,
        identity_reason=identity_reason,
        on_progress=_show_progress,
    )
    _show_summary(summary)
    raise typer.Exit(summary.exit_code)


@app.command("plan")
def plan_command(
    input: Input,  # noqa: A002 - the word in the help
    annotations: Annotations,
    profile: ProfileName = "bone-xray",
    variants: Variants = 1,
    seed: Seed = 0,
    prior: PriorFolder = None,
    identity_reason: Identity = None,
) -> None:
    """Say what `medaug run` would do: series, boxes, skips with reasons, time and disk."""
    from medaug.execution.plan import plan

    planned = plan(
        input,
        profile=_profile(profile, prior),
        annotations=annotations,
        variants=variants,
        seed=seed,
        identity_reason=identity_reason,
    )
    _show_plan(planned)
    if not planned.units:
        raise typer.Exit(3)


@profile_app.command("list")
def profile_list() -> None:
    """Shipped profiles, a line each."""
    from medaug import profile

    for name in profile.shipped():
        typer.echo(f"{name:14} {profile.load(name).description}")


@profile_app.command("show")
def profile_show(name: Annotated[str, typer.Argument(help="A shipped profile's name or a YAML file.")]) -> None:
    """A profile with every default filled in."""
    from medaug import profile

    typer.echo(profile.load(name).to_yaml(), nl=False)


@profile_app.command("check")
def profile_check(name: Annotated[str, typer.Argument(help="A shipped profile's name or a YAML file.")]) -> None:
    """Check a profile; exit code 2 and the faults if there are any."""
    from medaug import profile

    checked = profile.load(name)
    typer.echo(f"{checked.name}: valid, sha256 {checked.sha256}")


@profile_app.command("schema")
def profile_schema() -> None:
    """JSON Schema of a profile, for editors."""
    from medaug import profile

    typer.echo(json.dumps(profile.schema(), indent=2))


@prior_app.command("show")
def prior_show(
    folder: Annotated[Path | None, typer.Argument(help="A folder; the embedded prior if left out.")] = None,
) -> None:
    """A prior's card: who made it of what, its digest, its fidelity, what it is not for."""
    from medaug.assemble import card_of

    typer.echo(card_of(folder).to_json())


@prior_app.command("train")
def prior_train(
    recipe: Annotated[Path, typer.Option(help="Recipe file; the embedded prior's lies in medaug/training/recipes.")],
    data: Annotated[Path, typer.Option(help="Folder of training images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoints, log and the finished prior.")],
) -> None:
    """Train a prior; the same command again resumes from the last checkpoint."""
    from medaug.training.train import train

    train(recipe, data, output, resume=True)


@app.command("doctor")
def doctor_command(as_json: AsJson = False) -> None:
    """What is there: versions, device, codecs, prior digests, a writable temporary folder."""
    from medaug.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([{"name": f.name, "ok": f.ok, "found": f.found} for f in findings], indent=2))
    for finding in () if as_json else findings:
        typer.echo(f"{'ok ' if finding.ok else 'NO '} {finding.name:28} {finding.found}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def _profile(name: str, prior: Path | None) -> Profile:
    from medaug import profile

    chosen = profile.load(name)
    if prior is None:
        return chosen
    from medaug.assemble import with_folder_prior

    return with_folder_prior(chosen, prior)


def _show_plan(planned: Plan) -> None:
    sources = {unit.recipe.source: unit for unit in planned.units}
    typer.echo(
        f"profile {planned.profile.name}, seed {planned.seed}: {len(planned.units)} variants of {len(sources)} sources"
    )
    for key, unit in sources.items():
        slices, rows, columns = unit.shape
        labels = ", ".join(sorted({box.label for box in unit.boxes}))
        typer.echo(
            f"  {key[:12]}  {unit.source.modality:5} {slices} × {rows} × {columns}  {len(unit.boxes)} boxes ({labels})"
        )
    _show_skips(planned.skips, planned.unmatched)
    time = (
        "unknown until the first unit"
        if planned.seconds is None
        else f"about {_duration(planned.seconds)} on 2 CPU cores"
    )
    typer.echo(f"time: {time}; disk: about {planned.bytes / 1e6:.0f} MB")


def _show_progress(progress: Progress) -> None:
    record = progress.record
    what = record.status if record.status == "written" else f"{record.status} ({record.code}): {record.message}"
    line = f"[{progress.done}/{progress.total}] {record.unit[:12]} {what}, {_duration(progress.eta_seconds)} left"
    if sys.stderr.isatty() and record.status == "written":
        end = "\n" if progress.done == progress.total else ""
        typer.echo(f"\r\033[K{line}", err=True, nl=False)
        typer.echo(end, err=True, nl=False)
    else:
        typer.echo(line, err=True)


def _show_summary(summary: Summary) -> None:
    counts = summary.counts
    parts = [f"{counts[status]} {status}" for status in ("written", "rejected", "failed", "crashed") if counts[status]]
    typer.echo(f"{', '.join(parts) or 'nothing written'} ({summary.already_done} were done before)")
    for record in summary.records:
        if record.status != "written":
            typer.echo(f"  {record.status} {record.unit[:12]} [{record.code}] {record.message}")
    _show_skips(summary.skips, summary.unmatched)
    if counts["written"]:
        typer.echo(f"look at {summary.output / 'index.html'}; train on {summary.output / 'monai.json'}")


def _show_skips(skips: tuple[Skip, ...], unmatched: tuple[str, ...]) -> None:
    for skip in skips:
        typer.echo(f"  {'refused' if skip.refused else 'skipped'} [{skip.code}] {skip.files} files: {skip.reason}")
    for sentence in unmatched:
        typer.echo(f"  unmatched: {sentence}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Interrupted(BaseException):
    """SIGINT or SIGTERM came. Not KeyboardInterrupt, which the command-line library would turn into a silent exit."""


def _interrupt(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)  # a second one is immediate
    raise Interrupted


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"medaug: {message}", err=True)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
