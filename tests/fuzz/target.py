"""Coverage-guided fuzzing of the pre-flight and the readers: python -m tests.fuzz.target FOLDER [libFuzzer's options].

Any bytes must end as a volume or as a refusal whose code is in the table and whose sentence repeats nothing of them.
FOLDER keeps the corpus; the seeds are put there first. What crashes is written beside the working directory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(
    include=["medaug.dicom", "medaug.formats.nifti", "medaug.formats.nrrd", "medaug.formats.raster"]
):
    from medaug.dicom.read.discover import discover
    from medaug.dicom.read.inspect import Notes, inspect, noting
    from medaug.dicom.read.read import read_series
    from medaug.formats.nifti import read_nifti
    from medaug.formats.nrrd import read_nrrd
    from medaug.formats.raster import kind_of, read_raster

from medaug.error_codes import CODES
from medaug.errors import ReadError
from tests.fuzz.seeds import CANARY, seeds


def outcomes(path: Path) -> Iterator[tuple[str, str]]:
    """Code and sentence of everything that is refused."""
    notes: Notes = {}
    found = discover(path, noting=noting(notes))
    yield from ((skip.code, skip.reason) for skip in found.skipped)
    for series in found.series:
        facts = inspect(series, notes)
        yield facts.code, " ".join((facts.reason, *facts.notes, facts.part, facts.modality, *facts.syntaxes))
        try:
            read_series(series)
        except ReadError as error:
            yield error.code, str(error)
    for read in (read_nifti, read_nrrd, *([read_raster] if kind_of(path) else [])):
        try:
            read(path)
        except ReadError as error:
            yield error.code, str(error)


def check(path: Path, data: bytes) -> None:
    """Raise where a refusal isn't one."""
    path.write_bytes(data)
    for code, sentence in outcomes(path):
        if code and code not in CODES:
            raise AssertionError(f"the code {code!r} is not in the table")
        if CANARY in sentence or path.name in sentence:
            raise AssertionError(f"{code} repeats the input")


def main(corpus: Path, *options: str) -> None:
    """Fuzz until an option ends it, or for ever."""
    corpus.mkdir(exist_ok=True)
    for name, data in seeds():
        (corpus / name).write_bytes(data)
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        path = Path(folder) / "ZQXNAME"
        atheris.Setup(
            [sys.argv[0], *options, "-rss_limit_mb=1536", "-timeout=20", str(corpus)],
            lambda data: check(path, data),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main(Path(sys.argv[1]), *sys.argv[2:])
