"""How long a run will take on this machine, and what holds it back: measured costs, in the model of `flow`."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from medaug.execution.planning.flow import Bottleneck, Costs, Machine, simulated
from medaug.execution.planning.plan import Plan
from medaug.execution.planning.request import RunRequest, io_workers_beside
from medaug.inverse.device import resolve_device
from medaug.processes.threads import cores, of_a_solve
from medaug.profile.components import moves

# Seconds of a core, measured with radiographs of 2500 × 2000 (tests/benchmarks/flow.py, docs/how-to/throughput.md)
READ_FIRST, READ_FURTHER = 0.04, 0.001  # for each million voxels
WRITE, WRITE_ANY = 0.024, 0.08  # likewise, and for any unit: evidence, record, commit
MOVE = 0.12  # likewise, where the image moves: every pixel is fetched through the map
STEP = 0.06  # of a solve on a processor, at 256 px, for each slice
DEVICE_STEP = 0.002 / 6  # likewise on a device: assumed, since none was measured
DISK = 500e6  # bytes a second: assumed, a local disk's
PASSED = 1000  # units that the model lets pass; the others go at its rate
MEANT = {"reading": "add cores", "solving": "add a device", "disk": "write to a faster one"}


@dataclass(frozen=True)
class Forecast:
    """What a run will be like.

    Attributes:
        seconds: it will take.
        held_by: what holds it back: reading and writing, solving, or the disk.
        cores: of this machine.
        device: by its name.
        io_workers: processes of each worker that read and write.
    """

    seconds: float
    held_by: Bottleneck
    cores: int
    device: str
    io_workers: int

    @property
    def advice(self) -> str:
        """What holds it back, and what helps, such as ``solving: add a device``."""
        return f"{self.held_by}: {MEANT[self.held_by]}"


def forecast(planned: Plan) -> Forecast | None:
    """What a run of a plan will be like; None for a prior of unknown speed, or nothing to do."""
    count, request = len(planned.units), planned.request
    if planned.profile.prior_path is not None or not count:
        return None
    device, workers = resolve_device(request.device), request.workers or 1
    io_workers = _io_workers(request, device, workers, count)
    mine = max(1, count // workers)
    batch = 1 if device == "cpu" else planned.profile.rows
    machine = Machine(max(1, io_workers), batch, DISK / workers)
    costs = costs_of(planned, device)
    flow = simulated(costs, machine, min(mine, PASSED), request.variants)
    seconds = flow.seconds + max(0, mine - PASSED) / flow.rate
    seconds = max(seconds, count * _of_cores(costs, request.variants, device) / cores())
    return Forecast(seconds, flow.held_by, cores(), device, io_workers)


def costs_of(planned: Plan, device: str) -> Costs:
    """Of a unit of this plan in the mean."""
    count, profile = len(planned.units), planned.profile
    shapes = [0, 0]
    for unit in planned.units:
        shapes[0], shapes[1] = shapes[0] + prod(unit.shape), shapes[1] + unit.shape[0]
    millions, slices = shapes[0] / count / 1e6, max(1, round(shapes[1] / count))
    step = STEP / of_a_solve() if device == "cpu" else DEVICE_STEP
    row = profile.solver.steps * step * (profile.size / 256) ** 2
    write = WRITE * millions + WRITE_ANY
    fetch = MOVE * millions if moves(profile.regions.kind) else 0.0
    return Costs(
        READ_FIRST * millions + fetch, READ_FURTHER * millions + fetch, write, row, slices, planned.bytes / count
    )


def _of_cores(costs: Costs, variants: int, device: str) -> float:
    """Seconds of a core that a unit takes in the mean: the model's parts work beside each other, if there are cores."""
    solve = costs.solve * costs.rows * of_a_solve() if device == "cpu" else 0.0
    return (costs.first + (variants - 1) * costs.further) / variants + costs.write + solve


def _io_workers(request: RunRequest, device: str, workers: int, units: int) -> int:
    """As a run has it."""
    if request.io_workers is not None:
        return request.io_workers
    return io_workers_beside(device, max(2, cores() // workers), units)
