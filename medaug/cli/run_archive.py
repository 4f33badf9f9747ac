"""`medaug run` of an address: what is there is fetched into a folder that stays, then comes a run like any other."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medaug.cli.archives import access_of, installed
from medaug.cli.console import say
from medaug.cli.fetching import BodyPart, Date, Deidentify, Modality, Studies, Study, Wanted, carry_out, partial, show
from medaug.cli.object_storage import MOST, brought
from medaug.cli.options import INPUTS, address_in, store_in

if TYPE_CHECKING:
    from medaug.pacs.access import Access
    from medaug.pacs.fetch import Fetched

FilesOrArchive = Annotated[
    Path,
    typer.Argument(
        help=f"{INPUTS} Or an address (dicomweb://…, dimse://…, s3://…): what is there is fetched first.",
        show_default=False,
    ),
]


def wanted_of(  # noqa: PLR0913 - one parameter per option
    fetched: Annotated[
        Path | None,
        typer.Option(
            "--fetched",
            help="Of an archive's address, as all that follow: where images stay. [default: OUTPUT-fetched]",
            show_default=False,
        ),
    ] = None,
    study: Study = None,
    studies: Studies = None,
    modality: Modality = None,
    date: Date = "",
    body_part: BodyPart = "",
    deidentify: Deidentify = "",
    most: Annotated[float, typer.Option(min=0, help="Of s3://… alone: gigabytes that the export may have.")] = MOST,
) -> tuple[Path | None, float, Wanted]:
    """The options that only an address takes, beside those of who asks."""
    return fetched, most, Wanted(study, studies, modality, date, body_part, deidentify)


def or_archive(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a command on files into one that takes an archive's address in their place.

    Without an address nothing is loaded that could open a connection; with one, the last is closed before the command
    begins. Labels that came along are taken where none are given.
    """
    wanted = signature(wanted_of, eval_str=True).parameters
    access = signature(access_of, eval_str=True, locals={"Access": Any}).parameters
    own = [_either(each) for each in signature(command).parameters.values()]

    def called(**given: Any) -> None:
        asked = {name: given.pop(name) for name in wanted}
        who = {name: given.pop(name) for name in access}
        archive, store = address_in(given["input"]), store_in(given["input"])
        folder, most, series = wanted_of(**asked)
        if not store:
            _refuse({"most": wanted["most"]}, asked, "only an address in object storage takes it")
        if not archive:
            _refuse({**wanted, **access}, asked | who, but={"fetched", "most"} if store else set())
        if not archive and not store:
            command(**given)
            return
        folder = folder or given["output"].with_name(f"{given['output'].name}-fetched")
        _check(given, folder)
        if store:
            files, held_back = brought(store, folder, most, quiet=given["quiet"])
            there: dict[str, Any] = {"input": files}
        else:
            with installed("run"):
                done = _fetched(archive, access_of(**who), folder, series, quiet=given["quiet"])
            labels = given["annotations"] or [folder / "annotations" / kind for kind in sorted(done.annotations)]
            there, held_back = {"input": folder / "images", "annotations": labels}, partial(done)
        try:
            command(**given | there)
        except typer.Exit as ended:
            raise typer.Exit(ended.exit_code or (4 if held_back else 0)) from None

    parameters = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in (*own, *wanted.values(), *access.values())]
    called.__doc__ = command.__doc__
    called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return called


def _either(parameter: Parameter) -> Parameter:
    return parameter.replace(annotation=FilesOrArchive) if parameter.name == "input" else parameter


def _refuse(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
    why: str = "only an archive's address takes it",
    *,
    but: Container[str] = (),
) -> None:
    for name, parameter in parameters.items():
        if name not in but and given[name] not in (parameter.default, []):
            raise typer.BadParameter(why, param_hint=f"--{name.replace('_', '-')}")


def _check(given: Mapping[str, Any], folder: Path) -> None:
    """What can be told before an archive is asked for hours."""
    from medaug.execution.execute import check_disjoint

    if given["dry_run"]:
        raise typer.BadParameter("an archive's images are looked at once they are fetched", param_hint="--dry-run")
    check_disjoint(folder, given["output"])


def _fetched(archive: str, access: Access, folder: Path, series: Wanted, *, quiet: bool) -> Fetched:
    if not quiet:
        say("asking the archive…", err=True)
    done = carry_out(archive, access, folder, series.order())
    if done.left_out or not quiet:
        show(done, err=True)
    if not done.series:
        raise typer.Exit(3)
    return done
