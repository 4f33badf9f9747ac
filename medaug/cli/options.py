"""The command groups, and the options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medaug.cli import completion
from medaug.cli.console import say
from medaug.cli.progress import files_in
from medaug.errors import RunError
from medaug.version import __version__

if TYPE_CHECKING:
    from medaug.execution.planning.request import RunRequest

_LATER = {"RunRequest": Any}  # loaded when a command runs

app = typer.Typer(
    help="Augment labelled medical images by solving an inverse problem: the label is kept by construction.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
profile_app = typer.Typer(help="The choices behind a run, as strict YAML.", no_args_is_help=True)
prior_app = typer.Typer(help="The diffusion model that generates.", no_args_is_help=True)
app.add_typer(profile_app, name="profile")
app.add_typer(prior_app, name="prior")


STORE = re.compile(r"(s3|gs|gcs|az|abfs)s?:/", re.IGNORECASE)  # a path has lost a slash


def address_in(given: Path) -> str:
    """The archive's address that INPUT is, with the slash that paths lose; "" for files."""
    text = given.as_posix()
    return text.replace(":/", "://", 1) if re.match(r"(dicomweb|dimse|https?)(\+\w+)?:/", text) else ""


def store_in(given: Path) -> str:
    """The address of object storage that INPUT is, with the slash that paths lose; "" for others."""
    text = given.as_posix()
    return text.replace(":/", "://", 1) if STORE.match(text) else ""


def _files(given: Path) -> Path:
    if address_in(given):
        raise RunError(
            "INPUT: expected a folder or a file, found an archive's address, which `medaug run` alone takes: first "
            "`medaug fetch ARCHIVE -o FOLDER`, then give FOLDER/images"
        )
    if store_in(given):
        raise RunError(
            "INPUT: expected a folder or a file, found an address of object storage, which `medaug run` alone takes: "
            "first `medaug pull STORE -o FOLDER`, then give FOLDER/export"
        )
    return given


def not_stored(given: Path) -> Path:
    """OUTPUT, which is never an address: a run opens no socket."""
    if store_in(given):
        raise RunError(
            "OUTPUT: expected a folder, found an address of object storage; a run opens no connection: run into a "
            "folder, and give it to `medaug push OUTPUT STORE` while the run is on, or after it"
        )
    return given


INPUTS = "Folder, file or zip archive of DICOM, NIfTI, NRRD, PNG, JPEG or TIFF; never changed."
Input = Annotated[
    Path,
    typer.Argument(
        help=INPUTS,
        show_default=False,
        callback=_files,
    ),
]
ProfileName = Annotated[
    str,
    typer.Option(
        "--profile", "-p", help="A shipped profile's name or a YAML file.", autocompletion=completion.profiles
    ),
]
Annotations = Annotated[
    list[Path],
    typer.Option(
        "--annotations", "-a", help="File or folder with boxes; may be given several times.", show_default=False
    ),
]
MaybeAnnotations = Annotated[
    list[Path] | None,
    typer.Option(
        "--annotations", "-a", help="File or folder with boxes; may be given several times.", show_default=False
    ),
]
AnnotationFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Their format, told by content when left out: coco, csv, cvat, gsps, labelmap, labelme, labelstudio, "
        "luna, monai, rtstruct, seg, slicer, sr, voc, yolo.",
        autocompletion=completion.formats,
    ),
]
Readers = Annotated[
    str,
    typer.Option(help="Where several people read an image (csv, rad_id): union, majority, or one reader's name."),
]
Lesions = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        help="Only labels of this name are lesions, others are kept as context; * and ? stand for letters; "
        "repeatable. Of an RT Structure Set also by interpreted type.",
        show_default=False,
    ),
]
Ignored = Annotated[
    list[str] | None,
    typer.Option("--ignore-label", help="Labels of this name, likewise, are taken for nothing.", show_default=False),
]
Protect = Annotated[
    list[Path] | None,
    typer.Option(help="DICOM Segmentation or label map whose structures stay as they are.", show_default=False),
]
Within = Annotated[
    list[Path] | None,
    typer.Option(help="The same, but nothing outside of its structures changes.", show_default=False),
]
Variants = Annotated[int, typer.Option(min=1, max=10_000, help="Variants per source.")]
Seed = Annotated[int, typer.Option(min=0, help="The run's seed: same seed, same images.")]
Identity = Annotated[
    str | None,
    typer.Option(
        "--accept-identity", help="Why an export may be used that doesn't declare identity was removed; recorded."
    ),
]
PriorChoice = Annotated[
    str | None,
    typer.Option(
        "--prior",
        help="A stored prior's name or a prior's folder, in place of the profile's prior.",
        autocompletion=completion.priors,
    ),
]
StrengthChoice = Annotated[
    str | None,
    typer.Option(
        "--strength",
        help="How much changes: subtle, medium, strong, or 0 to 1. [default: as the profile says]",
        autocompletion=completion.strengths,
    ),
]
Slices = Annotated[
    bool,
    typer.Option(
        "--slices", help="Take each slice as an image of its own, also where the series is no regular volume."
    ),
]
PicturesAs = Annotated[
    str | None,
    typer.Option(
        "--as",
        help="What variants of PNG, JPEG and TIFF are: file, or secondary-capture (DICOM).",
        autocompletion=completion.pictures,
    ),
]
Unlabelled = Annotated[
    str | None,
    typer.Option(
        "--unlabelled",
        help="Images without labels: skip, or keep-nothing (all of them may change). [default: skip]",
        autocompletion=completion.unlabelled,
    ),
]
ShowNames = Annotated[
    bool, typer.Option("--show-names", help="Name the files, on the screen only: what is refused can be found.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def _request(  # noqa: PLR0913 - one parameter per option
    input: Input,  # noqa: A002 - the word in the help
    annotations: MaybeAnnotations = None,
    profile: ProfileName = "bone-xray",
    variants: Variants = 1,
    seed: Seed = 0,
    prior: PriorChoice = None,
    strength: StrengthChoice = None,
    accept_identity: Identity = None,
    format: AnnotationFormat = None,  # noqa: A002 - likewise
    readers: Readers = "union",
    label: Lesions = None,
    ignore_label: Ignored = None,
    protect: Protect = None,
    within: Within = None,
    slices: Slices = False,
    pictures: PicturesAs = None,
    unlabelled: Unlabelled = None,
) -> RunRequest:
    """The options that `medaug run`, `plan` and `boxes` share, in one value."""
    from medaug.errors import AnnotationError
    from medaug.execution.planning.request import RunRequest

    if not annotations and unlabelled is None:
        raise AnnotationError("annotations: give boxes with --annotations, or --unlabelled keep-nothing")
    return RunRequest.of(
        input,
        annotations=annotations or (),
        profile=profile,
        variants=variants,
        seed=seed,
        prior=prior,
        strength=strength,
        accept_identity=accept_identity,
        format=format,
        readers=readers,
        label=label or (),
        ignore_label=ignore_label or (),
        protect=protect or (),
        within=within or (),
        slices=slices,
        pictures=pictures,
        unlabelled=unlabelled,
    )


def asking(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn ``command(request, …)`` into a command that takes the shared options in place of the request.

    Args:
        without: those of them that the command doesn't take.
    """
    shared = {n: p for n, p in signature(_request, eval_str=True, locals=_LATER).parameters.items() if n not in without}

    def asked(command: Callable[..., None]) -> Callable[..., None]:
        own = list(signature(command, eval_str=True, locals=_LATER).parameters.values())[1:]

        def called(**given: Any) -> None:
            if not given.get("quiet"):  # said before anything slow is imported
                say(f"reading {files_in(given['input'])}…", err=True)
            command(_request(**{name: given.pop(name) for name in shared}), **given)

        parameters = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in (*shared.values(), *own)]
        called.__doc__ = command.__doc__
        called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return called

    return asked


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Version.")] = False) -> None:
    if version:
        say(__version__)
        raise typer.Exit
