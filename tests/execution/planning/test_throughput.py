"""What `medaug plan` says of a run's time, and of what holds it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medaug.cli.as_data import plan_data
from medaug.cli.messages import show_plan
from medaug.execution.planning import throughput
from medaug.execution.planning.plan import Plan
from medaug.execution.planning.request import MANY
from medaug.execution.planning.throughput import forecast
from medaug.profile.load import load_profile
from tests.support import null


def of(count: int, side: int = 2000) -> Plan:
    planned = null.plan(*range(1, count + 1))
    return replace(planned, units=[replace(unit, shape=(1, side, side)) for unit in planned.units])


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "cores", lambda: 16)
    monkeypatch.setattr(throughput, "of_a_solve", lambda: 1)


def test_on_a_processor_solving_holds_it_back(capsys: pytest.CaptureFixture[str]) -> None:
    planned = of(40)
    ahead = forecast(planned)
    assert ahead is not None
    solves = 40 * planned.profile.solver.steps * throughput.STEP
    assert solves < ahead.seconds < 1.2 * solves
    assert (ahead.advice, ahead.io_workers) == ("solving: add a device", 0)
    show_plan(planned, ahead=ahead)
    assert "on 16 cores and device cpu, held back by solving: add a device" in capsys.readouterr().out
    assert plan_data(planned, {}, ahead=ahead)["held_back_by"] == "solving"


def test_what_one_core_does_comes_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    many = forecast(of(40))
    monkeypatch.setattr(throughput, "cores", lambda: 1)
    one = forecast(of(40))
    assert many is not None
    assert one is not None
    written = 40 * (throughput.WRITE * 4 + throughput.WRITE_ANY)
    assert one.seconds > many.seconds + 0.9 * written


def test_on_a_device_reading_does_until_the_disk_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "resolve_device", lambda _: "cuda")
    few, many = forecast(of(400)), forecast(of(4000))
    assert few is not None
    assert many is not None
    assert (few.advice, few.io_workers) == ("reading: add cores", 15)
    assert many.seconds == pytest.approx(10 * few.seconds, rel=0.1)
    monkeypatch.setattr(throughput, "DISK", 20e6)
    slow = forecast(of(400))
    assert slow is not None
    assert slow.advice == "disk: write to a faster one"


def test_few_units_on_a_device_start_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "resolve_device", lambda _: "cuda")
    few, many = (forecast(of(count)) for count in (MANY - 1, MANY))
    assert few is not None
    assert many is not None
    assert (few.io_workers, many.io_workers) == (0, 15)
    assert few.seconds > many.seconds


def test_copies_and_moved_images_cost_what_fetching_every_pixel_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "cores", lambda: 1)

    def seconds(shipped: str) -> float:
        profile = load_profile(shipped)
        profile = profile.model_copy(update={"solver": load_profile("bone-xray").solver} if profile.generates else {})
        planned = of(10)
        ahead = forecast(replace(planned, request=replace(planned.request, profile=profile)))
        assert ahead is not None
        return ahead.seconds

    fetched = 10 * 4 * throughput.MOVE
    assert seconds("bone-xray-moved") - seconds("bone-xray") == pytest.approx(fetched, rel=0.05)
    written = 10 * (throughput.WRITE * 4 + throughput.WRITE_ANY + throughput.READ_FIRST * 4)
    assert seconds("bone-xray-classic") == pytest.approx(fetched + written, rel=0.1)


def test_nothing_is_foretold_of_nothing_or_of_an_unknown_prior() -> None:
    assert forecast(replace(null.plan(1), units=())) is None
