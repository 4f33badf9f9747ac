"""An OUTPUT of many variants that don't exist, and a client of the page's server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from PIL import Image
from starlette.testclient import TestClient

from medaug.audit.ledger import Line, spell
from medaug.audit.record import CheckResult, Output, Record
from medaug.audit.segments import START, digest
from medaug.imaging.boxes import Box
from medaug.review.planes import Planes
from medaug.review.server import application
from medaug.review.session import Session
from tests.support import null
from tests.support.records import digest as named
from tests.support.records import record

TOKEN, PORT = "a-token-of-the-tests", 8765
PLACE = f"http://127.0.0.1:{PORT}"


def client(output: Path, source: Path | None = None) -> TestClient:
    """As the page itself: its own origin, and addresses below the token."""
    session = Session.of(output)
    app = application(session, Planes(session.store, source), TOKEN, PORT)
    return TestClient(app, base_url=f"{PLACE}/{TOKEN}/", headers={"Origin": PLACE}, raise_server_exceptions=True)


def variant(number: int, labels: tuple[str, ...] = ("nodule",)) -> Record:
    """One of many: five of a source, every third a CT, its figures rising with the number."""
    built = record(str(number))
    source = replace(built.source, key=named("source", number // 5), modality="CT" if number % 3 == 0 else "CR")
    path = f"variants/{built.unit[:16]}/image/0001.dcm"
    return replace(
        built,
        source=source,
        variant=number % 5,
        checks=(
            CheckResult("seam", number / 1000, (None, 2.5), True),
            CheckResult("changed_share", (number * 7 % 100) / 100, (0.02, None), True),
        ),
        outputs=(Output(path, named("out", number), named("pixels", number), "2.25.1"),),
        boxes=tuple(Box((0, 1, 1), (1, 2, 2), label) for label in labels),
    )


def many(output: Path, records: list[Record]) -> Path:
    """An OUTPUT of these variants, with a preview each and no images."""
    lines = {one.unit: spell(Line(START, one, 1.0, "2026-01-02T03:04:05.000+00:00")) for one in records}
    for one in records:
        _preview(output, one.unit)
        (output / one.folder / "record.json").write_text(one.to_json() + "\n")
    return _filled(output, lines)


def thousands(output: Path, count: int) -> Path:
    """As `many`, of copies of one record under other names: quick to make, and alike in size."""
    pattern = spell(Line(START, variant(1), 1.0, "2026-01-02T03:04:05.000+00:00"))
    unit, source, pixels = variant(1).unit, variant(1).source.key, variant(1).outputs[0].pixels_sha256
    lines, places = {}, []
    for number in range(count):
        new, place = named("unit", number), named("source", number // 5)
        text = pattern.replace(unit.encode(), new.encode()).replace(unit[:16].encode(), new[:16].encode())
        text = text.replace(source.encode(), place.encode())
        lines[new] = text.replace(pixels.encode(), named("pixels", number).encode())
        places.append((place, new))
        (output / "variants" / new[:16]).mkdir(parents=True)
    for _, new in sorted(places)[:60]:  # the gallery's first page
        _preview(output, new)
    return _filled(output, lines)


def _preview(output: Path, unit: str) -> None:
    folder = output / "variants" / unit[:16] / "preview"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("L", (384, 384), 90).save(folder / "result.png")


def _filled(output: Path, lines: dict[str, bytes]) -> Path:
    made = output.with_name("made")
    null.run(made, 1)
    plan = json.loads((made / "plan.json").read_text())
    (made / "plan.json").write_text(json.dumps(plan | {"units": sorted(lines)}))
    for name in ("plan.json", "profile.yaml", "FORMAT.json", "private"):
        (made / name).rename(output / name)
    (output / "ledger").mkdir()
    previous, chained = START, []
    for line in lines.values():
        chained.append(line.replace(START.encode(), previous.encode(), 1))
        previous = digest(chained[-1])
    (output / "ledger" / "bulk.jsonl").write_bytes(b"".join(line + b"\n" for line in chained))
    return output
