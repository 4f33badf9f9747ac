"""The sentence that a benchmark ends with, and its tables in Markdown; from results.json and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medaug.benchmark.arms.arm_table import chosen

Data = Mapping[str, Any]


def sentence(results: Data) -> str:
    """What was found of the primary contrast; it holds either way."""
    found, done = results["primary"], results["trainings"]
    if found["estimate"] is None:
        return f"Nothing can be said yet: {done['done']} of {done['of']} trainings are done."
    where = f"On this data, at {100 * found['arm']['fraction']:g} % of the images"
    what = f"{_named(found['arm']['arm'])} at a ratio of {found['arm']['ratio']:g}"
    interval = f"95 % interval {signed(found['low'])} to {signed(found['high'])}"
    design = f"{_folds(results['design'])}, {found['seeds']} seeds"
    partial = "" if done["done"] == done["of"] else f" ({done['done']} of {done['of']} trainings are done)"
    if found["low"] > 0 or found["high"] < 0:
        word = ("gain" if found["low"] > 0 else "lose") + ("" if found["arm"]["arm"] == "medaug" else "s")
        size = signed(abs(found["estimate"]))
        return f"{where}, {what} {word} {size} AP50 over duplicates, {interval}, {design}{partial}."
    return (
        f"{where}, no gain of {what} over duplicates was shown: {signed(found['estimate'])} AP50, {interval}, {design}"
        f"{partial}; this design finds a true difference of {signed(found['detectable'])} four times out of five."
    )


def _named(arm: str) -> str:
    return "variants" if arm == "medaug" else f"the arm `{arm}`"


def signed(value: float) -> str:
    """Three digits, as AP is written: ``.031``, ``−.004``."""
    return ("−" if round(value, 3) < 0 else "") + f"{abs(value):.3f}".removeprefix("0")


def markdown(results: Data) -> str:
    """The report without pictures."""
    done = results["trainings"]
    return "\n".join(
        [
            "# Does it help?",
            "",
            f"**{sentence(results)}**",
            "",
            *facts(results),
            "",
            "## Every arm",
            "",
            f"{done['done']} of {done['of']} trainings; means over folds and seeds.",
            "",
            *arms_table(results),
            "",
            "## Contrasts",
            "",
            *contrasts_table(results),
            "",
            *power(results),
            "",
        ]
    )


def facts(results: Data) -> list[str]:
    """What was compared, as a list."""
    design, images, real = results["design"], results["images"], results["real"]
    labelled = f"{images['labelled']} labelled images in {results['groups']} groups of patients and near-duplicates"
    span = f"{real[0]} to {real[1]}" if real and real[0] < real[-1] else "".join(map(str, real[:1]))
    each = f" of {span} real images" if real else ""
    declared = _named(results["primary"]["arm"]["arm"])
    return [
        f"* {labelled}, {images['normal']} normal ones; {_dealt(design)}.",
        f"* {design['seeds']} seeds in each fold; a seed draws its own training set{each}.",
        f"* Detector `{design['detector']}` at {design['size']} px, {design['steps']} gradient steps in every arm.",
        f"* Declared before the run: {declared} less duplicates is the primary contrast; Holm is over the others.",
    ]


def _folds(design: Data) -> str:
    return "parts as given" if design.get("parts") else f"{design['folds']} folds"


def _dealt(design: Data) -> str:
    if design.get("parts"):
        return "training, validation and test as they were given, but for what shares a group with the test"
    return f"{design['folds']} folds by group, each image tested once"


def arms_table(results: Data) -> list[str]:
    """AP50 with the standard deviation over seeds, AP50–95 by size, F1, FROC, and what the losses came to."""
    head = ("arm", "real", "ratio", "AP50", "± seeds", "AP50–95", "small / medium / large", "F1", "FROC at ⅛ / 1 / 8")
    losses = {_size(curve): _last_losses(curve["points"]) for curve in results["curves"]}
    rows = (
        (
            f"`{row['arm']}`",
            f"{100 * row['fraction']:g} %",
            f"{row['ratio']:g}",
            signed(row["ap50"]),
            _or_dash(row["ap50_seeds"]),
            signed(row["ap"]),
            " / ".join(_or_dash(row["by_size"][name]) for name in ("small", "medium", "large")),
            signed(row["f1"]),
            " / ".join(signed(row["froc"][rate]) for rate in ("0.125", "1", "8")),
            losses[_size(row)],
        )
        for row in results["settings"]
    )
    said = [f"`{name}`: {chosen(name).arm.says}" for name in dict.fromkeys(row["arm"] for row in results["settings"])]
    return [*_table((*head, "loss: box / objectness"), rows), "", "; ".join(said) + "."]


def _size(row: Data) -> tuple[object, ...]:
    return row["arm"], row["fraction"], row["ratio"]


def _last_losses(points: Sequence[Data]) -> str:
    """Means over the trainings at the last step that was told of."""
    last = points[-1] if points else {}
    return " / ".join(_or_dash(last.get(f"{name}_loss")) for name in ("box", "objectness"))


def contrasts_table(results: Data) -> list[str]:
    """Differences of AP50 with their intervals; the primary one first."""
    head = ("contrast", "real", "ratio", "difference", "95 % interval", "p", "p (Holm)")
    some = [found for found in (results["primary"], *results["others"]) if found["estimate"] is not None]
    rows = (
        (
            f"`{found['arm']['arm']}` − `{found['control']['arm']}`{'' if 'holm' in found else ' (primary)'}",
            f"{100 * found['arm']['fraction']:g} %",
            f"{found['arm']['ratio'] or found['control']['ratio']:g}",
            signed(found["estimate"]),
            f"{signed(found['low'])} to {signed(found['high'])}",
            f"{found['p']:.3f}",
            f"{found['holm']:.3f}" if "holm" in found else "",
        )
        for found in some
    )
    return _table(head, rows)


def power(results: Data) -> list[str]:
    """How large a difference would have been seen, and how many seeds .03 needs."""
    found = results["primary"]
    if found["estimate"] is None:
        return []
    seeds = found["seeds_for_003"]
    enough = f"{seeds} seeds in each fold" if seeds else "more patients: no number of seeds is enough"
    power = (
        f"Power: of the primary contrast, a true difference of {signed(found['detectable'])} is found with 80 % "
        f"probability. Its standard error is {signed(found['error'])}, of which {signed(found['seed_error'])} is of "
        f"seeds. A difference of .03 needs {enough}."
    )
    return [power]


def _or_dash(value: float | None) -> str:
    return "–" if value is None else signed(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]
