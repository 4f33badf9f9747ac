"""Fuzzing of annotation readers and YAML by mutation: ``python tests/benchmarks/fuzz_annotations.py SECONDS [SEED]``.

Files of every format are cut, repeated, overwritten and crossed at random; each must be read, or be refused by an
AnnotationError (of YAML a ValueError). What ends in any other way is printed with its place. No coverage guides it:
`tests/fuzz/target.py` does that, with atheris, for the pre-flight and the readers of images.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from medaug.annotations.registry import read_annotations
from medaug.errors import AnnotationError, place_of
from medaug.imaging.volume import Volume
from medaug.storage.strict_yaml import parse_yaml
from tests.support.annotation_cases import WRITERS, loaded
from tests.support.make import series

TOKENS = (b"1e308", b"-1", b"9" * 400, b"null", b"[]", b"{}", b'"\\ud800"', b"\0", b"\xff", b"nan", b"&a", b"*a", b"<")


def mutated(data: bytes, draw: random.Random) -> bytes:
    """One to four changes."""
    for _ in range(draw.randint(1, 4)):
        a, b = sorted(draw.randint(0, len(data)) for _ in range(2))
        b = min(b, a + 64)
        part = draw.choice((b"", draw.choice(TOKENS), data[a:b] * 3, draw.randbytes(b - a)))
        data = data[:a] + part + data[b:]
    return data


def outcome(read: Callable[[], object], refusal: type[Exception]) -> str:
    """``read``, ``refused``, or what else it was and where."""
    try:
        read()
    except refusal:
        return "refused"
    except Exception as error:  # noqa: BLE001 - that is what is sought
        return f"{type(error).__name__} at {place_of(error)}"
    return "read"


def main(seconds: float, seed: int) -> None:
    """Fuzz for so long, and print what came of it."""
    draw, found = random.Random(seed), Counter[str]()
    with TemporaryDirectory() as name:
        folder = Path(name)
        volume = loaded(series(folder / "in", slices=4, rows=40, columns=48))
        originals = _originals(folder, volume)
        until = time.process_time() + seconds
        while time.process_time() < until:
            kind, path, data = draw.choice(originals)
            path.write_bytes(changed := mutated(data, draw))
            found[f"{kind}: {outcome(lambda p=path: read_annotations(p, [volume]), AnnotationError)}"] += 1
            path.write_bytes(data)
            text = changed.decode("latin-1")
            found[f"yaml: {outcome(lambda t=text: parse_yaml(t), ValueError)}"] += 1
    for what, count in sorted(found.items()):
        print(f"{count:8} {what}")


def _originals(folder: Path, volume: Volume) -> list[tuple[str, Path, bytes]]:
    """Every format's file, with what it holds."""
    files = []
    for number, (kind, write) in enumerate(WRITERS.items()):
        own = folder / str(number)
        own.mkdir()
        path = write(own, volume)
        file = path if path.is_file() else next(each for each in sorted(path.rglob("*")) if each.is_file())
        files.append((kind, file, file.read_bytes()))
    return files


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
