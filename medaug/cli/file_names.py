"""Names of INPUT's files for the owner's screen (``--show-names``); they enter no OUTPUT and no log file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medaug.execution.planning.plan import Plan
    from medaug.execution.planning.units import Unit


def relative(files: Iterable[Path], root: Path) -> list[str]:
    """Files below INPUT as POSIX paths, each once, in their order."""
    from medaug.execution.planning.naming import relative_name

    return [relative_name(file, root) for file in dict.fromkeys(files)]


def of_unit(unit: Unit, root: Path) -> list[str]:
    """The files that a unit is made from, in slice order; then its donor's."""
    donor = unit.donor.reference.files if unit.donor else ()
    return relative((*unit.reference.files, *donor), root)


def of_units(planned: Plan, units: Collection[str]) -> dict[str, list[str]]:
    """Unit key → its files, of some units of a plan."""
    named = (unit for unit in planned.units if unit.recipe.id in units) if units else ()
    return {unit.recipe.id: of_unit(unit, planned.request.input) for unit in named}


def by_code(planned: Plan) -> Mapping[str, list[str]]:
    """Code → files that no unit is made of."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file, code in planned.left_out:
        found[code].append(file)
    return {code: relative(files, planned.request.input) for code, files in found.items()}
