"""Coverage-guided fuzzing: python -m tests.fuzz.target TARGET FOLDER SECONDS [libFuzzer's options].

TARGET is one of `targets.TARGETS`. Any bytes must be read or be refused as `targets` says, in 20 s of processor time
and 1 GiB over what was held before. FOLDER keeps the corpus, which the seeds start; what breaks a rule is written once
for each place to FOLDER/../found-TARGET, and the fuzzing goes on until its SECONDS of processor time are spent. Then
one line of JSON says what came of it, and the exit status is 1 where anything was found.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(
    include=["medaug.annotations", "medaug.dicom", "medaug.formats", "medaug.profile", "medaug.storage", "yaml"]
):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.watch import Watch, rules

TOKENS = ("1e308", "-1", "9" * 40, "null", "[]", "{}", "ud800", "nan", "&a", "*a", "<<:", "0x", "!!python", "- ", ": ")
OPTIONS = ("-rss_limit_mb=4096", "-timeout=1200")  # the last resort: `Watch` keeps the limits, of processor time, too


def main(target: str, corpus: Path, seconds: float, options: Sequence[str]) -> None:
    """Fuzz until so much processor time is spent."""
    kind = TARGETS[target]
    corpus.mkdir(exist_ok=True, parents=True)
    for name, data in kind.seeds():
        (corpus / name).write_bytes(data)
    words = corpus.parent / f"words-{target}"
    words.write_text("".join(f'"{token}"\n' for token in TOKENS))
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        watch = Watch(target, kind.prepared(Path(folder)), corpus.parent / f"found-{target}", seconds)
        atheris.Setup([sys.argv[0], *OPTIONS, f"-dict={words}", *options, str(corpus)], lambda data: rules(watch, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
