"""A run of units that take no time dies at one step of the disk after the other, and is given again each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support import null
from tests.support.disk import Disk, Killed, copy
from tests.support.outputs import NUMBERS, Work, continued, faults_of, settled


def deaths(
    tmp_path: Path, how: str, work: Work, stride: int, first: int, **options: object
) -> Iterator[tuple[int, Path, Path]]:
    """Run until step k for k = first, first + stride, …; yields (k, key, what is left) until a run survives."""
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    step = first - stride
    while True:
        step += stride
        output = tmp_path / f"out{step}"
        disk = Disk(step)
        try:
            with disk.watched():
                null.run(output, *NUMBERS, key=key, work=work, **options)
        except Killed:
            left = tmp_path / f"left{step}"
            yield step, key, disk.after_power_loss(output, left) if how == "power" else copy(output, left)
        else:
            return


def first_fault(
    tmp_path: Path,
    how: str,
    work: Callable[[], Work] = lambda: null.work,
    stride: int = 1,
    first: int = 1,
    **options: object,
) -> tuple[str, int]:
    """The first fault over all deaths, or "", and the step of the last death that was tried.

    Args:
        tmp_path: where it runs.
        how: ``kill`` or ``power``.
        work: what makes the work of a run.
        stride: from one death to the next.
        first: step that a run dies at.
        options: of `RunRequest`.
    """
    (tmp_path / "key").write_bytes(bytes(range(32)))
    expected = settled(tmp_path / "whole", tmp_path / "key", work(), **options)
    step = 0
    for step, key, left in deaths(tmp_path, how, work(), stride, first, **options):
        faults = faults_of(left) or continued(left, key, expected, work(), **options)
        if faults:
            return faults[0], step
    return "", step
