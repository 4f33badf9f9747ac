"""The page of `peers.py`: its table, and in which columns a peer is ahead of medaug."""

from __future__ import annotations

from typing import Any

import numpy as np

from medaug.benchmark.realism.judge import FOLDS
from tests.benchmarks.tables import markdown

DEFAULT = "bone-xray"
OURS = f"medaug, {DEFAULT}"
CLASSIC = ("nothing", "MONAI, classic", "TorchIO, classic")


def of_page(row: dict[str, Any]) -> dict[str, Any]:
    """A row as people read it; -120 dB of an error is none."""
    held = "the source's numbers" if row["box_db"] > 120 else f"{row['box_db']:.1f} dB"
    inside = "moves with it" if row["method"] in CLASSIC[1:] else held
    cost = {"method": row["method"], "images": row["images"], "CPU s": row["cpu_s"], "MiB": row["peak_mib"]}
    quality = {name: row.get(name) for name in ("change", "distance", "sharpness", "noise", "seam", "mottle")}
    ways = {f"AUC {way}": interval(row.get(f"auc_{way}")) for way in ("pasted", "restored")}
    return cost | {"in the box": inside} | quality | ways


def interval(three: list[float] | None) -> str | None:
    """An AUC as people read it."""
    return three and f"{three[0]:.2f} ({three[1]:.2f} to {three[2]:.2f})"


def least_told(row: dict[str, Any]) -> float | None:
    """The AUC of the way in which the judge tells a method less often."""
    found = [row[key][0] for key in ("auc_pasted", "auc_restored") if key in row]
    return min(found, default=None)


def better(peer: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """The columns in which a peer with a network is ahead of medaug."""
    less = [name for name in ("cpu_s", "peak_mib", "distance", "seam", "mottle") if peer[name] < ours[name]]
    aucs = least_told(peer), least_told(ours)
    less += ["the judge's AUC"] if None not in aucs and aucs[0] < aucs[1] else []
    off = {name: [abs(np.log(row[name])) for row in (peer, ours)] for name in ("sharpness", "noise")}
    return [*less, *(name for name, (theirs, mine) in off.items() if theirs < mine)]


def page(found: dict[str, Any]) -> str:
    rows, packages = found["rows"], ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    before, after = (three[0] for three in found["load"])
    (ours,) = [row for row in rows if row["method"] == OURS]
    ahead = "\n".join(
        f"* {row['method']}: ahead of medaug in {', '.join(better(row, ours)) or 'nothing'}."
        for row in rows
        if row["method"] not in CLASSIC and row is not ours
    )
    return f"""# What else a user could take

Held-out radiographs at 256 px, the same boxes, one thread; peers that need a network have the embedded prior's.
Medians. Written by `tests/benchmarks/peers.py`, which says what each column is. The judge tells patches of generated
regions from real ones; 0.5 is chance, and a method of fewer than {2 * FOLDS} images isn't judged. *Restored* gives a
peer medaug's own way back, the source plus what was changed; alone, it hands out what the pasted column judges.

Measured {found["when"]} on one core of a machine that others used (load {before:.1f} to {after:.1f} on two cores), so
CPU time counts and wall time doesn't; {packages}.

{markdown([of_page(row) for row in rows])}

{ahead}

MiB are of the whole process, libraries included, and of medaug's solver at this size alone: a run reads and writes
beside it. A peer with more change is compared at another strength. Peers have their own defaults: the weight of DPS
is deepinv's, found for images and not for these latents, and a better one may be nearer.
"""
