"""`medaug benchmark`: do variants help a detector, on the user's own labelled images?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.console import say
from medaug.cli.options import AnnotationFormat, Annotations, Identity, Input, PriorChoice, ProfileName, Slices, app
from medaug.cli.progress import duration
from medaug.cli.realism import judge_export
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.benchmark.design.design import Design
    from medaug.benchmark.results_folder import TrainingRecord
    from medaug.execution.summary import Progress

SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


@app.command("benchmark")
def benchmark_command(  # noqa: PLR0913 - one parameter per option
    input: Input,  # noqa: A002 - the word in the help
    output: Annotated[
        Path, typer.Option("--output", "-o", help="BENCH: a new folder, or one to go on with.", show_default=False)
    ],
    annotations: Annotations,
    profile: ProfileName = "bone-xray",
    arms: Annotated[
        str,
        typer.Option(
            help="Of real, duplicates, naive, random-erasing, copy-paste, round-trip, blur, noise, medaug, "
            "naive+medaug, pretraining, naive-pretraining, pretraining+naive, paper; medaug@strong takes "
            "another strength, medaug:PROFILE another profile."
        ),
    ] = "real,duplicates,naive,medaug,naive+medaug",
    primary: Annotated[str, typer.Option(help="The arm whose contrast with duplicates is declared.")] = "medaug",
    fractions: Annotated[str, typer.Option(help="Shares of the real training images.")] = "0.25",
    ratios: Annotated[str, typer.Option(help="Added images for each real one.")] = "1",
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of an arm in each fold.")] = 3,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the images, each tested once.")] = 3,
    parts: Annotated[
        Path | None, typer.Option(help="CSV with file, part (train, val, test) and, if known, patient, for --folds.")
    ] = None,
    arm_profile: Annotated[
        list[Path] | None,
        typer.Option(
            help="A YAML file whose profile arms name, as in medaug:mine; may be given several times.",
            show_default=False,
        ),
    ] = None,
    detector: Annotated[str, typer.Option(help="frozen, retinanet, random-features or command.")] = "frozen",
    detector_command: Annotated[
        str, typer.Option(help="An external trainer, with {data} and {project}; for --detector command.")
    ] = "",
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps of each training, equal in all arms.")] = 400,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side of the pictures in px.")] = 320,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, training sets and orders.")] = 0,
    budget: Annotated[
        str | None, typer.Option(help="Such as 2h or 45min: seeds, then arms, are left out until it fits.")
    ] = None,
    report_only: Annotated[bool, typer.Option("--report-only", help="Train nothing; report what is done.")] = False,
    realism: Annotated[
        bool, typer.Option("--realism", help="Train no detector: make a variant of each image, and have them judged.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how long it would take, and do nothing.")] = False,
    prior: PriorChoice = None,
    accept_identity: Identity = None,
    format: AnnotationFormat = None,  # noqa: A002 - likewise
    slices: Slices = False,
) -> None:
    """Train a detector with and without variants, and say whether they help: a table, curves and one sentence."""
    from medaug.benchmark.benchmark import plan_benchmark, report_benchmark, run_benchmark
    from medaug.benchmark.report.tables import sentence
    from medaug.benchmark.request import BenchmarkRequest
    from medaug.execution.planning.request import RunRequest
    from medaug.profile.load import load_profile

    if report_only:
        say(sentence(report_benchmark(output)))
        return
    design = _design(
        (arms, fractions, ratios),
        primary,
        parts=parts is not None,
        seeds=seeds,
        folds=1 if parts else folds,
        steps=steps,
        size=size,
        detector=detector,
        seed=seed,
    )
    run = RunRequest.of(
        input,
        annotations=annotations,
        profile=profile,
        prior=prior,
        accept_identity=accept_identity,
        format=format,
        slices=slices,
    )
    if realism and dry_run:
        raise typer.BadParameter("--realism makes and judges variants; give one of the two", param_hint="--dry-run")
    if realism:
        judge_export(run, output)
        return
    profiles = tuple(load_profile(str(path)) for path in arm_profile or ())
    request = BenchmarkRequest(run, output, design, detector_command, parts, profiles)
    planned = plan_benchmark(request, None if budget is None else _seconds(budget))
    _show(planned.request.design, planned.variants, planned.seconds)
    if dry_run:
        return
    results = run_benchmark(planned, _trained, _varied)
    say(sentence(results))
    say(f"look at {output / 'report.html'}")


def _design(lists: tuple[str, str, str], primary: str, *, detector: str, parts: bool, **numbers: int) -> Design:
    from medaug.benchmark.design.design import Design

    arms, fractions, ratios = lists
    return Design(
        tuple(arm.strip() for arm in arms.split(",")),
        _numbers(fractions, "--fractions"),
        _numbers(ratios, "--ratios"),
        detector=detector,
        parts=parts,
        declared=primary.strip(),
        **numbers,
    )


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter("expected numbers with commas between, such as 0.25,1", param_hint=option) from None


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)", text.strip())
    if not found:
        raise typer.BadParameter("expected a time, such as 2h, 45min or 90s", param_hint="--budget")
    return float(found[1]) * SECONDS[found[2]]


def _show(design: Design, variants: int, seconds: float) -> None:
    primary = design.primary
    trainings = counted(len(list(design.trainings)), "training")
    dealt = "parts as given" if design.parts else counted(design.folds, "fold")
    say(
        f"{trainings}: {', '.join(design.arms)}; {dealt}, {counted(design.seeds, 'seed')}, "
        f"{counted(design.steps, 'gradient step')} each; detector {design.detector}"
    )
    say(
        f"declared: {primary.arm.arm} less {primary.control.arm} at {100 * primary.arm.fraction:g} % of the images, "
        f"ratio {primary.arm.ratio:g}"
    )
    external = "; the trainings' own time is unknown" if design.detector == "command" else ""
    say(f"{counted(variants, 'variant')} to make; time: about {duration(seconds)} on one core{external}")


def _trained(done: int, of: int, record: TrainingRecord) -> None:
    say(
        f"[{done}/{of}] {record.arm}, {100 * record.fraction:g} %, ratio {record.ratio:g}, fold {record.fold}, seed "
        f"{record.seed}: AP50 {record.figures.ap50:.3f} in {duration(record.seconds)}",
        err=True,
    )


def _varied(progress: Progress) -> None:
    if progress.done % 20 == 0 or progress.done == progress.total:
        say(f"variants {progress.done}/{progress.total}, {duration(progress.eta_seconds)} left", err=True)
