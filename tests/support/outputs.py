"""What an OUTPUT holds, and whether it is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medaug.audit import ledger
from medaug.audit.record import Record
from medaug.errors import OutputError
from medaug.execution.output import leases
from tests.support import null

NUMBERS = (1, 2)


Work = Callable[..., Record]


def settled(output: Path, key: Path, work: Work = null.work, **options: object) -> dict[str, bytes]:
    null.run(output, *NUMBERS, key=key, work=work, **options)
    return null.files(output)


def faults_of(output: Path) -> list[str]:
    """What no moment of a run may show, checked on the files alone."""
    found = []
    for folder in sorted((output / "variants").glob("*")):
        try:
            record = Record.from_json((folder / "record.json").read_text())
        except (OSError, ValueError):
            found.append("a visible unit has no whole record")
            continue
        found += [f"{part.path} is not whole" for part in record.outputs if not whole(output / part.path, record.unit)]
    for record in written(output):
        if not (output / record.folder / "record.json").is_file():
            found.append("the ledger names a unit that isn't there")
    return found


def whole(path: Path, unit: str) -> bool:
    return path.is_file() and path.read_bytes() == unit.encode() * (null.PAYLOAD // 64)


def written(output: Path) -> list[Record]:
    segments = ledger.segments(output / "ledger")
    return [line.record for path in segments for line in ledger.lines(path) if line.record.status == "written"]


def continued(
    output: Path, key: Path, expected: dict[str, bytes], work: Work = null.work, **options: object
) -> list[str]:
    """What is wrong after the same command was given again."""
    try:
        ended = settled(output, key, work, **options)
    except OutputError as error:
        return [f"it can't be continued: {error}"]
    found = sorted(name for name in ended.keys() | expected.keys() if ended.get(name) != expected.get(name))
    found += ledger.verify_chain(output / "ledger")
    lines = [record.unit for record in written(output)]
    return found + (["not one line per unit"] if len(lines) != len(NUMBERS) or len(set(lines)) != len(lines) else [])


UNIT = null.unit(1).recipe.id


def dead(staging: Path, unit: str = UNIT, *, host: str = "", stage: str = "solve", name: str = "1-aaaaaaaa") -> Path:
    folder = staging / f"{unit[:16]}.{host or leases._host()}-{name}"
    folder.mkdir()
    marker = staging / f"{folder.name}.lock"
    marker.write_text(stage)
    return marker
