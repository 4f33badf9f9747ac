"""`medaug run` and `medaug plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from medaug.cli.messages import Voice, show_plan, show_summary
from medaug.cli.options import (
    AnnotationFormat,
    Annotations,
    Identity,
    Input,
    PicturesAs,
    PriorChoice,
    ProfileName,
    Protect,
    Readers,
    Seed,
    Slices,
    Variants,
    Within,
    app,
)

if TYPE_CHECKING:
    from medaug.execution.planning.plan import Plan
    from medaug.profile.profile import Profile


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
    readers: Readers = "union",
    protect: Protect = None,
    within: Within = None,
    slices: Slices = False,
    pictures: PicturesAs = None,
    key_file: Annotated[
        Path | None, typer.Option("--key", help="32 secret bytes for a new OUTPUT: the same key gives the same bytes.")
    ] = None,
    extend: Annotated[bool, typer.Option("--extend", help="Take other inputs into an OUTPUT that is there.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Each holds its own prior. [default: 1; with Ray one a device]")
    ] = None,
    executor: Annotated[
        str | None, typer.Option(help="serial, processes or ray. [default: processes with several workers]")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; none starts one on this machine.")] = None,
    shard: Annotated[str | None, typer.Option(help="i/n: only share i of n, from 0; for job arrays.")] = None,
    max_failures: Annotated[float, typer.Option(help="Stop when more than this share of units fails.")] = 0.5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Augment an export: derived DICOM series, manifests, a page and a record in OUTPUT."""
    from medaug.execution.execute import check_apart, execute
    from medaug.execution.planning.options import Options
    from medaug.execution.planning.plan import plan

    if not dry_run:
        check_apart(input, output)
    options = Options(device, key_file, extend, _shard(shard), workers, max_failures, cast("Any", executor), address)
    planned = plan(
        input,
        profile=chosen_profile(profile, prior, slices=slices, pictures=pictures),
        annotations=annotations,
        variants=variants,
        seed=seed,
        identity_reason=identity_reason,
        annotation_format=annotation_format,
        readers=readers,
        protect=protect or (),
        within=within or (),
    )
    if dry_run:
        _tell(planned)
        return
    voice = Voice()
    summary = execute(planned, output, options, on_progress=voice.progress, on_step=voice.step if voice.live else None)
    show_summary(summary)
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
    readers: Readers = "union",
    protect: Protect = None,
    within: Within = None,
    slices: Slices = False,
    pictures: PicturesAs = None,
) -> None:
    """Say what `medaug run` would do: series, boxes, skips with reasons, time and disk."""
    from medaug.execution.planning.plan import plan

    planned = plan(
        input,
        profile=chosen_profile(profile, prior, slices=slices, pictures=pictures),
        annotations=annotations,
        variants=variants,
        seed=seed,
        identity_reason=identity_reason,
        annotation_format=annotation_format,
        readers=readers,
        protect=protect or (),
        within=within or (),
    )
    _tell(planned)


def _tell(planned: Plan) -> None:
    show_plan(planned)
    if not planned.units:
        raise typer.Exit(3)


def chosen_profile(
    name: str, prior: str | None = None, *, slices: bool = False, pictures: str | None = None
) -> Profile:
    """A profile by its name or file, with what the command line says in place of some of it."""
    from medaug.profile.components import Volumes
    from medaug.profile.load import load_profile

    chosen = load_profile(name)
    if slices:
        chosen = chosen.model_copy(update={"volumes": Volumes(slices="each")})
    if pictures not in {None, "file", "secondary-capture"}:
        raise typer.BadParameter("expected file or secondary-capture", param_hint="--as")
    if pictures is not None:
        chosen = chosen.model_copy(update={"pictures": pictures})
    if prior is None:
        return chosen
    from medaug.profile.prior_choice import with_prior

    return with_prior(chosen, prior)


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    share, slash, count = text.partition("/")
    if not (slash and share.isdecimal() and count.isdecimal()):
        raise typer.BadParameter("expected i/n, such as 0/8", param_hint="--shard")
    return int(share), int(count)
