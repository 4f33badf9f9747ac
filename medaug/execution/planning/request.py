"""What `medaug run`, `plan` and `boxes` and the Python API are asked, in one value with the options' own names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Required, TypedDict, Unpack, get_args

from pydantic import ValidationError

from medaug.errors import AnnotationError, ProfileError, RunError
from medaug.processes.shared_memory import AVAILABLE
from medaug.profile.components import Volumes
from medaug.profile.load import load_profile
from medaug.profile.prior_choice import with_prior
from medaug.profile.profile import Profile
from medaug.profile.strength import with_strength

ExecutorName = Literal["serial", "processes", "ray"]
Paths = str | Path | Sequence[str | Path]
MANY = 32  # units from which on processes that only solve, or only read and write, are worth their start, some 3 s
PICTURES = ("file", "secondary-capture")
UNLABELLED = ("skip", "keep-nothing")
CHANGES = ("prior", "strength", "slices", "pictures", "unlabelled")  # of the profile


class RunOptions(TypedDict, total=False):
    """The options of a run by their names on the command line; `RunRequest` says what each is.

    ``profile`` is a shipped profile's name, a path, or a profile. ``prior``, ``slices`` and ``pictures`` (``--as``)
    change it: another prior, by its name or folder; each slice taken as an image of its own; variants of pictures as
    ``file`` or ``secondary-capture``; images without labels ``skip``, left out, or ``keep-nothing``, varied all over,
    for which annotations may be empty. So does ``strength``, by the profile's ladder: ``subtle``, ``medium``,
    ``strong``, or a number from 0 to 1.
    """

    profile: Required[str | Path | Profile]
    annotations: Required[Paths]
    prior: str | Path | None
    strength: str | float | None
    slices: bool
    pictures: str | None
    unlabelled: str | None
    variants: int
    seed: int
    accept_identity: str | None
    format: str | None
    readers: str
    label: str | Sequence[str]
    ignore_label: str | Sequence[str]
    protect: Paths
    within: Paths
    device: str
    key: str | Path | None
    extend: bool
    workers: int | None
    io_workers: int | None
    executor: ExecutorName | None
    address: str | None
    shard: tuple[int, int] | None
    max_failures: float
    plain_names: bool
    with_sources: bool


@dataclass(frozen=True)
class RunRequest:
    """What a run is to be made of, and how it is carried out; nothing from ``device`` on decides what is planned.

    Attributes:
        input: a folder, file or zip archive of images; never changed.
        profile: the resolved profile.
        annotations: files and folders with boxes.
        variants: variants per source, at least 1.
        seed: the run's seed.
        accept_identity: why the export may be used although it doesn't declare that identity was removed; recorded.
        format: a name of docs/reference/annotations.md for all of ``annotations``; None tells by content.
        readers: where several people read an image (a csv with rad_id): ``union``, ``majority``, or one reader's name.
        label: patterns of the labels that are lesions; all where there is none. The others are context: kept, and in no
            list. They fit a label's name or, in an RT Structure Set, its interpreted type.
        ignore_label: patterns of labels that are taken for nothing: where they lie may be repainted.
        protect: Segmentations or label maps whose structures must not change.
        within: the same; nothing outside of their structures may change.
        device: ``auto``, ``cpu`` or a torch device.
        key: a file of 32 secret bytes that new UIDs and patient tokens come from; with the same key and
            SOURCE_DATE_EPOCH, another OUTPUT gets the same bytes. Drawn at random otherwise.
        extend: other images, annotations, variants or seed may come into an OUTPUT that is there.
        workers: how many; None for one, with Ray for one on each device or processor of the cluster. A script that
            asks for several processes needs ``if __name__ == "__main__":``.
        io_workers: processes of each worker that read and write, beside one that solves; 0 for none. None for as many
            as the cores allow where a device solves many units, else none.
        executor: ``serial``, ``processes`` or ``ray``; None for serial with one worker, else processes.
        address: of a Ray cluster; None starts one on this machine.
        shard: (i, n): only the units of share i of n, from 0.
        max_failures: the share of failed or crashed units, in (0, 1], above which a run stops.
        plain_names: name source files in OUTPUT's lists by their path in ``input``, which may name a patient; keyed
            names otherwise.
        with_sources: list the labelled real images in monai.json, too; their paths stand there then.

    Raises:
        AnnotationError: fewer than one variant.
        RunError: the rest makes no sense together.
    """

    input: Path
    profile: Profile
    annotations: tuple[Path, ...] = ()
    variants: int = 1
    seed: int = 0
    accept_identity: str | None = None
    format: str | None = None
    readers: str = "union"
    label: tuple[str, ...] = ()
    ignore_label: tuple[str, ...] = ()
    protect: tuple[Path, ...] = ()
    within: tuple[Path, ...] = ()
    device: str = "auto"
    key: Path | None = None
    extend: bool = False
    workers: int | None = None
    io_workers: int | None = None
    executor: ExecutorName | None = None
    address: str | None = None
    shard: tuple[int, int] | None = None
    max_failures: float = 0.5
    plain_names: bool = False
    with_sources: bool = False

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise AnnotationError(f"variants: expected at least 1, got {self.variants}")
        if self.shard is not None and not 0 <= self.shard[0] < self.shard[1]:
            raise RunError(f"shard: expected i/n with i from 0 to n - 1, found {self.shard[0]}/{self.shard[1]}")
        if self.workers is not None and self.workers < 1:
            raise RunError(f"workers: expected at least 1, found {self.workers}")
        if self.io_workers is not None and self.io_workers < 0:
            raise RunError(f"io_workers: expected 0 or more, found {self.io_workers}")
        if self.io_workers and not AVAILABLE:
            raise RunError("io_workers: they share memory in a way that only Linux has; leave it out")
        if not 0 < self.max_failures <= 1:
            raise RunError(f"max_failures: expected a share above 0 and up to 1, found {self.max_failures:g}")
        if self.executor not in {None, *get_args(ExecutorName)}:
            raise RunError(f"executor: expected one of {', '.join(get_args(ExecutorName))}, found {self.executor!r}")
        if self.chosen_executor == "serial" and (self.workers or 1) > 1:
            raise RunError(f"executor: serial has one worker, found {self.workers}; leave one of the two out")
        if self.address is not None and self.chosen_executor != "ray":
            raise RunError("address: it is of a Ray cluster; give --executor ray as well")

    @property
    def chosen_executor(self) -> ExecutorName:
        """The executor, also where none is named."""
        return self.executor or ("processes" if (self.workers or 1) > 1 else "serial")

    @classmethod
    def of(cls, input: str | Path, **options: Unpack[RunOptions]) -> RunRequest:  # noqa: A002 - the option's word
        """The request with these options; those left out have the defaults above.

        Raises:
            ProfileError: the profile is wrong.
            PriorError: there is no such prior.
            RunError: as above.
            TypeError: there is no such option, or profile or annotations are left out.
        """
        given: dict[str, Any] = dict(options)
        change = {name: given.pop(name, None) for name in CHANGES}
        given |= {name: _paths(given[name]) for name in ("annotations", "protect", "within") if name in given}
        given |= {name: _words(given[name]) for name in ("label", "ignore_label") if name in given}
        if missing := {"profile", "annotations"} - given.keys():
            raise TypeError(f"missing: {', '.join(sorted(missing))}")
        profile = given.pop("profile")
        if not isinstance(profile, Profile):
            profile = load_profile(str(profile))
        if given.get("key") is not None:
            given["key"] = Path(given["key"])
        return cls(Path(input), _changed(profile, **change), **given)


def io_workers_beside(device: str, share: int, units: int = MANY) -> int:
    """Processes that read and write for a worker where no number was asked for.

    Args:
        device: by its name. On a processor there are none: its solves take longer than all else.
        share: cores that the worker may use; what launches its solves needs one.
        units: of the run; for fewer than `MANY` there are none.
    """
    return max(0, share - 1) if AVAILABLE and device != "cpu" and units >= MANY else 0


def _paths(given: Paths) -> tuple[Path, ...]:
    return (Path(given),) if isinstance(given, str | Path) else tuple(map(Path, given))


def _words(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _changed(
    profile: Profile,
    prior: str | Path | None,
    strength: str | float | None,
    slices: bool | None,
    pictures: str | None,
    unlabelled: str | None,
) -> Profile:
    """A profile with what the options say in place of some of it."""
    if strength is not None:
        profile = with_strength(profile, strength)
    if slices:
        profile = profile.model_copy(update={"volumes": Volumes(slices="each")})
    if pictures not in {None, *PICTURES}:
        raise RunError(f"pictures: expected {' or '.join(PICTURES)}")
    if pictures is not None:
        profile = profile.model_copy(update={"pictures": pictures})
    if unlabelled not in {None, *UNLABELLED}:
        raise RunError(f"unlabelled: expected {' or '.join(UNLABELLED)}")
    if unlabelled is not None:
        profile = _checked(profile, unlabelled=unlabelled)
    return profile if prior is None else with_prior(profile, str(prior))


def _checked(profile: Profile, **changes: str) -> Profile:
    """With keys changed that others must go along with.

    Raises:
        ProfileError: they don't.
    """
    try:
        return Profile.model_validate(dict(profile) | changes)
    except ValidationError as error:
        raise ProfileError(f"profile {profile.name!r}: {error.errors()[0]['msg']}") from None
