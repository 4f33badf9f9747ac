"""How a plan is carried out; nothing in here decides a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from medaug.errors import RunError

ExecutorName = Literal["serial", "processes", "ray"]


@dataclass(frozen=True)
class Options:
    """How a plan is carried out.

    Attributes:
        device: ``auto``, ``cpu`` or a torch device.
        key_file: 32 secret bytes for a new OUTPUT; drawn at random otherwise.
        extend: take another plan than the one that OUTPUT was made for.
        shard: (i, n): only the units of share i of n, from 0.
        workers: how many; None for one, with Ray for one on each device or processor of the cluster.
        max_failures: the share of failed or crashed units, in (0, 1], above which a run stops.
        executor: ``serial``, ``processes`` or ``ray``; None for serial with one worker, else processes.
        address: of a Ray cluster; None starts one on this machine.
    """

    device: str = "auto"
    key_file: Path | None = None
    extend: bool = False
    shard: tuple[int, int] | None = None
    workers: int | None = None
    max_failures: float = 0.5
    executor: ExecutorName | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.shard is not None and not 0 <= self.shard[0] < self.shard[1]:
            raise RunError(f"shard: expected i/n with i from 0 to n - 1, found {self.shard[0]}/{self.shard[1]}")
        if self.workers is not None and self.workers < 1:
            raise RunError(f"workers: expected at least 1, found {self.workers}")
        if not 0 < self.max_failures <= 1:
            raise RunError(f"max_failures: expected a share above 0 and up to 1, found {self.max_failures:g}")
        if self.executor not in {None, *get_args(ExecutorName)}:
            raise RunError(f"executor: expected one of {', '.join(get_args(ExecutorName))}, found {self.executor!r}")
        if self.chosen == "serial" and (self.workers or 1) > 1:
            raise RunError(f"executor: serial has one worker, found {self.workers}; leave one of the two out")
        if self.address is not None and self.chosen != "ray":
            raise RunError("address: it is of a Ray cluster; give --executor ray as well")

    @property
    def chosen(self) -> ExecutorName:
        """The executor."""
        return self.executor or ("processes" if (self.workers or 1) > 1 else "serial")


DEFAULTS = Options()
