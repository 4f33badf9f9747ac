"""The model of a pipeline, where the right values are known."""

from __future__ import annotations

import pytest

from medaug.execution.planning.flow import Costs, Machine, simulated
from medaug.execution.worker import tickets


def test_one_process_passes_as_many_units_as_its_costs_allow() -> None:
    flow = simulated(Costs(0.3, 0.1, 0.2, 0.001), Machine(1), 400, 4)
    assert flow.rate == pytest.approx(1 / (0.3 / 4 + 3 * 0.1 / 4 + 0.2), rel=0.02)
    assert flow.held_by == "reading"
    assert flow.busy["solving"] < 0.01


def test_units_grow_with_processes_until_the_device_is_full() -> None:
    costs = Costs(0.2, 0.2, 0.2, 0.01)
    rates = {n: simulated(costs, Machine(n, 16), 3000, 1) for n in (1, 2, 8, 80)}
    assert rates[2].rate == pytest.approx(2 * rates[1].rate, rel=0.02)
    assert rates[8].rate == pytest.approx(8 * rates[1].rate, rel=0.05)
    assert rates[80].rate == pytest.approx(100, rel=0.02)
    assert rates[80].held_by == "solving"
    assert rates[80].busy["solving"] > 0.95


def test_rows_of_volumes_share_batches_and_a_short_one_costs_a_whole_one() -> None:
    many = simulated(Costs(0, 0, 0, 1.0, rows=3), Machine(2, 4), 4, 1)
    assert many.seconds == pytest.approx(3 * 4)  # 12 rows in 3 batches
    assert simulated(Costs(0, 0, 0, 1.0), Machine(1, 4), 1, 1).seconds == pytest.approx(4)


def test_a_slow_disk_holds_everything_back() -> None:
    flow = simulated(Costs(0.01, 0.01, 0.01, 0.001, bytes=1e6), Machine(4, 1, disk=1e7), 500, 2)
    assert flow.held_by == "disk"
    assert flow.rate == pytest.approx(10, rel=0.02)


def test_the_model_lets_in_as_many_as_the_pipeline() -> None:
    from medaug.execution.planning import flow
    from medaug.execution.worker import dealing

    assert (flow.LEAST, flow.MOST, flow.BATCHES) == (tickets.LEAST, tickets.MOST, tickets.BATCHES)
    assert flow.ALIKE == dealing.ALIKE
