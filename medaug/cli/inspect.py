"""`medaug inspect`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.as_data import say_json
from medaug.cli.console import say
from medaug.cli.options import AsJson, Input, ShowNames, app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.dicom.read.inspect import SeriesFacts
    from medaug.execution.planning.inventory import Inventory


FEW = 3  # pictures alike that are shown one by one


@app.command("inspect")
def inspect_command(
    input: Input,  # noqa: A002 - the word in the help
    annotations: Annotated[
        list[Path] | None, typer.Option("--annotations", "-a", help="Count the boxes of each series, too.")
    ] = None,
    show_names: ShowNames = False,
    as_json: AsJson = False,
) -> None:
    """Say what INPUT holds, from headers: each series, whether it can be used, and why not; no name unless asked."""
    from medaug.execution.planning.inventory import inventory

    held = inventory(input, annotations or ())
    if as_json:
        say_json(_jsonable(held, input, paths=show_names))
    else:
        _show_all(held, input, names=show_names)
    if not held.usable:
        raise typer.Exit(3)


def _show_all(held: Inventory, root: Path, *, names: bool) -> None:
    for alike in [[series] for series in held.series] if names else _alike(held.series):
        _show(alike)
        for name in _names(held, alike[0], root) if names else ():
            say(f"    file {name}")
    refused: dict[str, list[str]] = defaultdict(list)
    for name, code in _left_out(held, root) if names else ():
        refused[code].append(name)
    left_out: Counter[tuple[bool, str, str]] = Counter()
    for skip in held.skips:
        left_out[skip.refused, skip.code, skip.reason] += skip.files
    for (is_refused, code, reason), files in left_out.items():
        say(f"{'refused' if is_refused else 'skipped'} [{code}] {counted(files, 'file')}: {reason}")
        for name in refused.pop(code, ()):
            say(f"    file {name}")
    for sentence in held.unmatched:
        say(f"unmatched: {sentence}")
    for sentence, count in Counter(note for series in held.series for note in series.notes).items():
        say(f"note, {counted(count, 'series', 'series')}: {sentence}")
    say(_total(held))


def _total(held: Inventory) -> str:
    left_out = {refused: sum(skip.files for skip in held.skips if skip.refused is refused) for refused in (True, False)}
    return (
        f"in all {counted(len(held.series), 'series', 'series')}, {held.usable} usable; "
        f"{counted(left_out[True], 'file')} refused, {left_out[False]} skipped"
    )


def _names(held: Inventory, series: SeriesFacts, root: Path) -> Iterator[str]:
    from medaug.execution.planning.naming import relative_name

    return (relative_name(path, root) for path in held.files.get((series.series_uid, series.part), ()))


def _alike(every: Iterable[SeriesFacts]) -> list[list[SeriesFacts]]:
    """Pictures that differ in their size and boxes alone, together: their names are digests, which tell nobody much."""
    groups: dict[object, list[SeriesFacts]] = defaultdict(list)
    for series in every:
        facts = (series.object_class, series.syntaxes, series.window, series.spacing, series.identity, series.notes)
        groups[(*facts, series.usable, series.reason) if series.modality == "RASTER" else id(series)].append(series)
    together = [[group] if len(group) > FEW else [[series] for series in group] for group in groups.values()]
    return [alike for one in together for alike in one]


def _show(alike: list[SeriesFacts]) -> None:
    series = alike[0]
    verdict = "usable " if series.usable else f"refused [{series.code}]"
    shape = " × ".join(_span(lengths) for lengths in zip(*(each.shape for each in alike), strict=True))
    spacing = " × ".join(f"{x:.3g}" for x in series.spacing) + " mm" if series.spacing else "no spacing"
    window = f"window {series.window.center:g}/{series.window.width:g}" if series.window else "no window"
    part = f" ({series.part})" if series.part else ""
    what = f"{series.series_uid}{part}" if len(alike) == 1 else f"{len(alike)} pictures (--json has each)"
    say(
        f"{verdict} {what}\n"
        f"    {series.modality}, {series.object_class}, {', '.join(series.syntaxes)}\n"
        f"    {shape}, {spacing}, {window}, identity {series.identity}"
    )
    if series.boxes is not None:
        boxes = sum((Counter(each.boxes) for each in alike), Counter[str]())
        without = sum(not each.boxes for each in alike) if len(alike) > 1 else 0
        none = f"; {without} without" if without and boxes else ""
        say(f"    boxes: {', '.join(f'{n} {label}' for label, n in boxes.items()) or 'none'}{none}")
    if series.reason:
        say(f"    {series.reason}")


def _span(lengths: Iterable[int]) -> str:
    least, most = min(every := list(lengths)), max(every)
    return str(least) if least == most else f"{least}…{most}"


def _left_out(held: Inventory, root: Path) -> Iterator[tuple[str, str]]:
    from medaug.execution.planning.naming import relative_name

    return ((relative_name(path, root), code) for path, code in held.left_out)


def _jsonable(held: Inventory, root: Path, *, paths: bool) -> dict[str, object]:
    series = [
        {**asdict(each), "usable": each.usable} | ({"files": list(_names(held, each, root))} if paths else {})
        for each in held.series
    ]
    data: dict[str, object] = {
        "series": series,
        "skipped": [asdict(skip) for skip in held.skips],
        "unmatched": held.unmatched,
    }
    if not paths:
        return data
    return data | {"left_out": [{"file": name, "code": code} for name, code in _left_out(held, root)]}
