"""What is fuzzed: for each target its seeds, and what must hold of any bytes.

They are read, or refused with a code of the table and a sentence that repeats nothing of them where a person's data may
stand. Any other exception is a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medaug.annotations.registry import SENTENCES, Matched, read_annotations, read_masks
from medaug.dicom.read.discover import discover
from medaug.dicom.read.inspect import Notes, inspect, noting
from medaug.dicom.read.read import read_series
from medaug.error_codes import CODES
from medaug.errors import AnnotationError, ProfileError, ReadError
from medaug.formats.nifti import read_nifti
from medaug.formats.nrrd import nrrd_geometry, nrrd_labels, read_nrrd
from medaug.formats.raster import kind_of, read_raster
from medaug.imaging.volume import Volume
from medaug.profile.load import parse_profile
from medaug.storage import archive
from medaug.storage.strict_yaml import parse_yaml
from medaug.training.recipe import read_recipe
from tests.fuzz import document_seeds, seeds
from tests.fuzz.seeds import CANARY
from tests.fuzz.watch import Check
from tests.support.annotation_cases import loaded
from tests.support.make import series

Refusals = Iterator[tuple[str, str]]
PREFIX = "ZQXNAME"  # of a file: no message may repeat it


@dataclass(frozen=True)
class Target:
    """Seeds by name, and a check made in a folder of its own."""

    seeds: Callable[[], Iterator[tuple[str, bytes]]]
    prepared: Callable[[Path], Check]


def dicom(path: Path) -> Refusals:
    """The pre-flight, the listing, the parser and the decoder; archives are looked into."""
    notes: Notes = {}
    try:
        found = discover(path, noting=noting(notes))
    except ReadError as error:  # an archive without an entry is an export without a file
        yield error.code, str(error)
        return
    yield from ((skip.code, skip.reason) for skip in found.skipped)
    for group in found.series:
        facts = inspect(group, notes)
        yield facts.code, " ".join((facts.reason, *facts.notes, facts.part, facts.modality, *facts.syntaxes))
        try:
            read_series(group)
        except ReadError as error:
            yield error.code, str(error)


def images(path: Path) -> Refusals:
    """Readers of NIfTI and of pictures."""
    for read in (read_nifti, *([read_raster] if kind_of(path) else [])):
        yield from _refused(lambda read=read: read(path))


def nrrd(path: Path) -> Refusals:
    """As image and as label map."""
    for read in (read_nrrd, nrrd_geometry, nrrd_labels):
        yield from _refused(lambda read=read: read(path))


def zipped(path: Path) -> Refusals:
    """Every entry is hashed and listed."""
    yield from _refused(lambda: [archive.sha256_of(each) for each in _members(path)])
    for each in _members(path):
        yield from _refused(lambda each=each: archive.sha256_of(each))
    yield from dicom(path)


def _members(path: Path) -> list[Path]:
    try:
        return [each for each in archive.members(path) if isinstance(each, Path)]
    except ReadError:
        return []


def _refused(read: Callable[[], object]) -> Refusals:
    try:
        read()
    except ReadError as error:
        yield error.code, str(error)


def refusals(outcomes: Callable[[Path], Refusals], path: Path, data: bytes) -> None:
    """Raise where a refusal of a file isn't one."""
    path.write_bytes(data)
    for code, sentence in outcomes(path):
        if code and code not in CODES:
            raise AssertionError(f"the code {code!r} is not in the table")
        if CANARY in sentence or PREFIX in sentence:
            raise AssertionError(f"{code} repeats the input")


def _of_a_file(outcomes: Callable[[Path], Refusals], suffix: str = "") -> Callable[[Path], Check]:
    return lambda folder: lambda data: refusals(outcomes, folder / f"{PREFIX}{suffix}", data)


def yaml(folder: Path) -> Check:
    """As YAML, as a profile and as a recipe of training."""
    path = folder / "a.yaml"

    def check(data: bytes) -> None:
        text = data.decode("utf-8", errors="replace")
        path.write_bytes(data)
        for read, refusal in (
            (lambda: parse_yaml(text), ValueError),
            (lambda: parse_profile(text, "profile"), ProfileError),
            (lambda: read_recipe(path), ProfileError),
        ):
            try:
                read()
            except refusal:
                continue

    return check


def annotations(folder: Path) -> Check:
    """The first byte chooses a file of a format, which the others replace."""
    volume = loaded(series(folder / "in", slices=4, rows=40, columns=48))
    files = document_seeds.annotation_files(folder / "annotations", volume)

    def check(data: bytes) -> None:
        given, file, original = files[data[0] % len(files) if data else 0]
        file.write_bytes(data[1:])
        try:
            _annotated(given, volume)
        finally:
            file.write_bytes(original)

    return check


def _annotated(given: Path, volume: Volume) -> None:
    for read in (read_annotations, read_masks):
        try:
            found = read(given, [volume])
        except AnnotationError as error:
            if error.code not in CODES:
                raise AssertionError(f"the code {error.code!r} is not in the table") from error
            continue
        if isinstance(found, Matched):
            for sentence in found.unmatched_annotations:
                assert sentence.split(":")[0] in SENTENCES


TARGETS = {
    "annotations": Target(document_seeds.annotation_seeds, annotations),
    "dicom": Target(seeds.dicom_seeds, _of_a_file(dicom)),
    "images": Target(seeds.image_seeds, _of_a_file(images)),
    "nrrd": Target(seeds.nrrd_seeds, _of_a_file(nrrd, ".nrrd")),
    "yaml": Target(document_seeds.yaml_seeds, yaml),
    "zip": Target(document_seeds.zip_seeds, _of_a_file(zipped)),
}
