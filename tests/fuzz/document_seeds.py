"""Seeds of annotations, archives and YAML, built in code."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from medaug.imaging.volume import Volume
from tests.fuzz.seeds import CANARY, Seeds
from tests.support import make
from tests.support.annotation_cases import WRITERS, loaded
from tests.support.paths import ROOT

Given = tuple[Path, Path, bytes]


def annotation_files(folder: Path, volume: Volume) -> list[Given]:
    """What is given to the reader, a file of it, and what that holds; for every format, the same order each time."""
    files = []
    for number, write in enumerate(WRITERS.values()):
        own = folder / str(number)
        own.mkdir(parents=True)
        given = write(own, volume)
        files += [(given, file, file.read_bytes()) for file in sorted(own.rglob("*")) if file.is_file()]
    return files


def annotation_seeds() -> Seeds:
    """Each after the number of its file among all, in one byte."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        volume = loaded(make.series(folder / "in", slices=4, rows=40, columns=48))
        for number, (_, _, data) in enumerate(annotation_files(folder / "annotations", volume)):
            yield f"annotation-{number}", bytes([number]) + data


def zip_seeds() -> Seeds:
    """Stored and deflated entries, names of Windows, an archive in an archive, a comment, an encrypted entry."""
    with TemporaryDirectory() as folder:
        image = make.radiograph(Path(folder) / "cr", rows=9, columns=10).read_bytes()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        yield f"one-{method}", packed({f"{CANARY}/1.dcm": image, "text": b"text"}, method)
    inner = packed({"1.dcm": image}, zipfile.ZIP_DEFLATED)
    yield "nested", packed({"a\\inner.zip": inner, "empty": b"", "../out": b"x", "/root": b"x"}, zipfile.ZIP_STORED)
    yield "comment", inner[:-2] + b"\x04\x00text"
    yield "encrypted", inner.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    yield "empty", packed({}, zipfile.ZIP_STORED)


def packed(entries: dict[str, bytes], method: int) -> bytes:
    """An archive in memory."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return stream.getvalue()


def yaml_seeds() -> Seeds:
    """Two profiles, a recipe, and what YAML can do beyond JSON."""
    recipe = ROOT / "medaug" / "training" / "recipes" / "yours-256.yaml"
    for path in (recipe, *(ROOT / "profiles" / f"{name}.yaml" for name in ("bone-xray", "degraded-xray"))):
        yield path.name, b"".join(line for line in path.read_bytes().splitlines(True) if not line.startswith(b"#"))
    yield "aliases", b"a: &a [1, 2]\nb: *a\nc: {<<: {d: 1}}\n"
    yield "tags", b"!!python/object:a.b {}\n--- !!set {a, b}\n? [a]\n: !!binary aGk=\n...\n"
    yield "scalars", b"- 0x1F\n- 0o17\n- 1_000\n- 1:20:30\n- .inf\n- 2001-12-14t21:59:43.10-05:00\n- ~\n- 'it''s'\n"
    yield "blocks", b'a: |2-\n    text\nb: >+\n  folded\n\nc: "\\x41\\u00e9"\n%YAML 1.1\n---\n'
