"""`medaug run` and `medaug plan`, and how they speak."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.app import AnnotationFormat, Annotations, Identity, Input, PriorChoice, ProfileName, Seed, Variants, app

if TYPE_CHECKING:
    from medaug.execution.execute import Progress, Summary
    from medaug.execution.plan import Plan
    from medaug.execution.sources import Skip
    from medaug.profile import Profile


@app.command("run")
def run_command(  # noqa: PLR0913 - one parameter per option
    input: Input,  # noqa: A002 - the word in the help
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder, or one of the same run to continue.")],
    annotations: Annotations,
    profile: ProfileName = "bone-xray",
    variants: Variants = 1,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    prior: PriorChoice = None,
    identity_reason: Identity = None,
    annotation_format: AnnotationFormat = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Augment an export: derived DICOM series, manifests, a page and a record in OUTPUT."""
    if dry_run:
        plan_command(input, annotations, profile, variants, seed, prior, identity_reason, annotation_format)
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
        annotation_format=annotation_format,
        on_progress=_show_progress,
    )
    _show_summary(summary)
    raise typer.Exit(summary.exit_code)


@app.command("plan")
def plan_command(  # noqa: PLR0913 - likewise
    input: Input,  # noqa: A002 - the word in the help
    annotations: Annotations,
    profile: ProfileName = "bone-xray",
    variants: Variants = 1,
    seed: Seed = 0,
    prior: PriorChoice = None,
    identity_reason: Identity = None,
    annotation_format: AnnotationFormat = None,
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
        annotation_format=annotation_format,
    )
    _show_plan(planned)
    if not planned.units:
        raise typer.Exit(3)


def _profile(name: str, prior: str | None) -> Profile:
    from medaug import profile

    chosen = profile.load(name)
    if prior is None:
        return chosen
    from medaug.assemble import with_prior

    return with_prior(chosen, prior)


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
