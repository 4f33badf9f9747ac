"""Plans, boxes and summaries as plain data for ``--json``: no name, no path of the input, unless it was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from medaug.cli.console import say
from medaug.cli.file_names import by_code, of_units

if TYPE_CHECKING:
    from medaug.execution.planning.foresight import Foresight
    from medaug.execution.planning.plan import Plan
    from medaug.execution.planning.sources import Skip
    from medaug.execution.planning.throughput import Forecast
    from medaug.execution.summary import Summary


def say_json(data: object) -> None:
    """Print it."""
    say(json.dumps(data, indent=2, ensure_ascii=False))


def plan_data(
    planned: Plan, foreseen: Mapping[str, Foresight], room: str = "", ahead: Forecast | None = None
) -> dict[str, Any]:
    """What `medaug plan` says: a line a source, what is left out, time and disk."""
    return {
        "profile": planned.profile.name,
        "seed": str(planned.request.seed),
        "variants": len(planned.units),
        "sources": [
            source | {"free": None if seen is None else seen.free, "about": bool(seen and seen.about)}
            | {"code": seen.code if seen else "", "reason": seen.reason if seen else ""}
            for source in boxes_data(planned)["sources"]
            for seen in (foreseen.get(source["source"]),)
        ],
        **_left_out(planned.skips, planned.unmatched, planned.notes),
        "seconds": ahead.seconds if ahead else None,
        "held_back_by": ahead.held_by if ahead else None,
        "bytes": planned.bytes,
        "no_room": room,
    }  # fmt: skip


def boxes_data(planned: Plan) -> dict[str, Any]:
    """What `medaug boxes` says: per source its boxes, half-open voxels along (slice, row, column)."""
    from medaug.execution.planning.units import firsts_of
    from medaug.imaging.boxes import plain

    sources = [
        {
            "source": unit.recipe.source,
            "modality": unit.source.modality,
            "series_uid": unit.reference.series_uid,
            "shape": unit.shape,
            "boxes": [plain(box) for box in unit.boxes],
            **({"donor": unit.donor.reference.key, "lesion": plain(unit.donor.box)} if unit.donor else {}),
        }
        for unit in firsts_of(planned.units)
    ]
    return {"sources": sources, **_left_out(planned.skips, planned.unmatched)}


def summary_data(summary: Summary) -> dict[str, Any]:
    """What `medaug run` says when it is done."""
    refused = (record for record in summary.records if record.status != "written")
    return {
        "output": str(summary.output),
        "exit_code": summary.exit_code,
        "counts": dict(summary.counts),
        "planned": summary.planned,
        "already_done": summary.already_done,
        "elsewhere": summary.elsewhere,
        "others": summary.others,
        "not_written": [
            {"unit": each.unit, "status": each.status, "code": each.code, "message": each.message} for each in refused
        ],
        **_left_out(summary.skips, summary.unmatched, summary.notes),
    }


def with_names(data: dict[str, Any], planned: Plan) -> dict[str, Any]:
    """What a plan or a run says, with INPUT's files: of each source or unit that it names, and those left out."""
    from medaug.execution.planning.units import firsts_of

    firsts = {unit.recipe.source: unit.recipe.id for unit in firsts_of(planned.units)}
    listed = [(one, firsts[one["source"]]) for one in data.get("sources", ())]
    listed += [(one, one["unit"]) for one in data.get("not_written", ())]
    files = of_units(planned, {unit for _, unit in listed})
    for one, unit in listed:
        one["files"] = files.get(unit, [])
    gone = [{"file": name, "code": code} for code, names in by_code(planned).items() for name in names]
    return data | {"left_out": gone}


def _left_out(skips: Iterable[Skip], unmatched: Iterable[str], notes: Iterable[str] = ()) -> dict[str, Any]:
    return {"skipped": [asdict(skip) for skip in skips], "unmatched": list(unmatched), "notes": list(notes)}
