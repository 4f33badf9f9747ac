"""Real Ray clusters on this machine: workers, drivers and nodes are killed, and every unit is committed once.

python -m pytest -m ray
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import medaug
from medaug import assemble
from medaug.audit.record import Record
from medaug.errors import OutputError, RunError
from medaug.execution.execute import execute
from medaug.execution.executors import ray_cluster as module
from medaug.execution.output import quarantine
from medaug.execution.worker import io_process
from medaug.execution.worker.job import Job, OnStep
from medaug.execution.worker.unit_of_work import work_unit
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.processes.shared_memory import AVAILABLE
from medaug.processes.time_limit import TIME_LIMIT
from medaug.profile.load import load_profile
from medaug.verification.verify import verify
from tests.support import null
from tests.support.living import is_there, wait_for
from tests.support.outputs import written
from tests.support.poison import POISON, endless, full, poisoned
from tests.support.small_runs import contents

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded one itself, in place of the package's quick one: a cluster's workers have no other."""
    monkeypatch.setattr(assemble, "load_embedded", load_embedded)


@pytest.fixture
def dated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    (tmp_path / "key").write_bytes(bytes(range(32)))
    return tmp_path / "key"


def once(output: Path) -> list[str]:
    """Units with a line each; fails when one has two."""
    lines = [record.unit for record in written(output)]
    assert len(lines) == len(set(lines))
    return lines


def killed_once(job: Job, on_step: OnStep | None = None) -> Record:
    """The real work; the worker that comes first to a source's second variant is killed."""
    if job.unit.recipe.variant == 1 and not job.lease.deaths:
        job.lease.stage("solve")
        os.kill(os.getpid(), signal.SIGKILL)
    return work_unit(job, on_step)


def test_two_workers_one_killed_mid_run_make_what_one_process_makes_and_it_verifies(
    arguments: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    expected = medaug.run(**arguments)
    planned = medaug.plan(
        arguments["input"],
        profile=load_profile(arguments["profile"]),
        annotations=arguments["annotations"],
        variants=2,
        seed=7,
        device="cpu",
        key=arguments["key"],
        workers=2,
        executor="ray",
    )
    summary = execute(planned, tmp_path / "ray", work=killed_once)
    assert summary.counts == {"written": 4}
    assert contents(tmp_path / "ray") == contents(expected.output)
    assert len(once(tmp_path / "ray")) == 4
    assert not list((tmp_path / "ray" / ".staging").glob("*.*.lock"))
    assert not verify(tmp_path / "ray", source=arguments["input"]).faults


def started_as(module_name: str) -> set[int]:
    """Processes that were started as a module by this one, however far down."""
    parents, found = dict[int, int](), set[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            pid = int(folder.name)
            parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if module_name.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.add(pid)

    def above(pid: int) -> Iterator[int]:
        while pid := parents.get(pid, 0):
            yield pid

    return {pid for pid in found if os.getpid() in above(pid)}


@pytest.mark.skipif(not AVAILABLE, reason="needs Linux")
def test_a_worker_has_it_read_and_written_in_processes_and_one_that_is_killed_costs_nothing(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    given = arguments | {"variants": 4}
    expected = medaug.run(**given)
    seen, over, killed = set[int](), threading.Event(), list[int]()

    def watch() -> None:
        while not over.wait(0.05):
            now = started_as(io_process.CHILD)
            seen.update(now)
            if now and not killed and units_there(tmp_path / "ray"):  # it has finished one
                killed.append(now.pop())
                os.kill(killed[0], signal.SIGKILL)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        summary = medaug.run(**given | {"output": tmp_path / "ray", "workers": 1, "executor": "ray", "io_workers": 1})
    finally:
        over.set()
        watching.join()
    assert summary.counts == {"written": 8}
    assert contents(tmp_path / "ray") == contents(expected.output)
    assert len(once(tmp_path / "ray")) == 8
    assert killed
    assert len(seen) > 1, "it was started again"
    wait_for(lambda: not any(map(is_there, seen)))  # they go with their worker
    assert not list((tmp_path / "ray" / ".staging").glob("*.*"))
    assert not verify(tmp_path / "ray", source=arguments["input"]).faults


def test_a_poisonous_unit_is_left_alone_and_the_others_are_done(tmp_path: Path, dated: Path) -> None:
    ray = {"key": dated, "workers": 2, "executor": "ray"}
    summary = execute(null.plan(*range(1, 9), **ray), tmp_path / "out", work=poisoned)
    assert summary.counts == {"written": 7, "failed": 1}
    assert [entry.unit for entry in quarantine.entries(tmp_path / "out")] == [POISON]
    assert len(once(tmp_path / "out")) == 7
    with pytest.raises(OutputError, match="no room"):  # and what no unit would survive reaches the user
        execute(null.plan(1, 2, **ray), tmp_path / "full", work=full)


def test_an_endless_call_ends_its_worker_and_its_unit_is_left_alone(tmp_path: Path, dated: Path) -> None:
    plan = null.plan(*range(1, 7), key=dated, workers=2, executor="ray")
    assert execute(plan, tmp_path / "out", work=endless).counts == {"written": 5, "failed": 1}
    assert [(one.unit, one.code) for one in quarantine.entries(tmp_path / "out")] == [(POISON, TIME_LIMIT)]
    assert len(once(tmp_path / "out")) == 5


DRIVER = """
import signal, sys, time
from pathlib import Path
from medaug.cli import Interrupted, _interrupt
from medaug.execution.execute import execute
from tests.support import null
from tests.execution.executors.test_ray_cluster import slow
signal.signal(signal.SIGTERM, _interrupt)
plan = null.plan(*range(1, 25), key=Path(sys.argv[2]), workers=2, executor="ray")
told = lambda progress: print("done", progress.done, flush=True)
try:
    execute(plan, Path(sys.argv[1]), on_progress=told, work=slow)
except Interrupted:
    sys.exit(130)
"""


def slow(job: Job, on_step: OnStep | None = None) -> Record:
    time.sleep(0.3)
    return null.work(job, on_step)


def units_there(output: Path) -> int:
    return len(list((output / "variants").glob("*")))


def test_a_driver_that_is_killed_or_stopped_continues_with_the_same_command(tmp_path: Path, dated: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-W", "ignore", "-c", DRIVER, str(out), str(dated)]
    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 130)):
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert driver.stdout
        assert any(line.startswith("done") for line in driver.stdout)
        driver.send_signal(number)
        assert driver.wait(120) == code
        driver.stdout.close()
        assert units_there(out) < 24
    assert (out / "monai.json").exists()  # the one that was stopped wrote the lists
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(once(out)) == 24
    null.run(tmp_path / "one", *range(1, 25), key=dated)
    assert null.files(out) == null.files(tmp_path / "one")


def test_what_a_lost_node_had_goes_to_another(tmp_path: Path, dated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", module._token())
    ray._raylet.Config.initialize("")
    drawn = random.getstate()
    small = {"object_store_memory": module.STORE_BYTES, "include_dashboard": False}
    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    try:
        nodes = [machines.add_node(num_cpus=1, object_store_memory=module.STORE_BYTES) for _ in range(2)]
        out = tmp_path / "out"

        def remove() -> None:
            wait_for(lambda: units_there(out) >= 3)
            machines.remove_node(nodes[0], allow_graceful=False)

        thread = threading.Thread(target=remove)
        thread.start()
        plan = null.plan(*range(1, 25), key=dated, workers=2, executor="ray", address=machines.address)
        summary = execute(plan, out, work=slow)
        thread.join()
        assert summary.counts == {"written": 24}
        assert len(once(out)) == 24
        assert not quarantine.entries(out)
    finally:
        machines.shutdown()
        random.setstate(drawn)


ASK = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False, logging_level='error')"


def test_nobody_without_the_token_may_use_the_cluster_and_it_tells_nobody_of_itself(tmp_path: Path) -> None:
    before = dict(os.environ)
    with module._connected(None, 1) as ray:
        told = ray.get(ray.remote(num_cpus=0)(seen).remote())
        assert told == {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token"}
        address = ray.get_runtime_context().gcs_address
        folder = Path(ray._private.worker._global_node.get_session_dir_path())
        assert not ray._private.worker.get_dashboard_url()
        for token in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):
            env = {**before, **token, "HOME": str(tmp_path)}
            asked = subprocess.run([sys.executable, "-c", ASK, address], env=env, capture_output=True, check=False)
            assert asked.returncode != 0
            assert b"uthenticat" in asked.stderr
    assert dict(os.environ) == before
    assert not folder.exists()


def seen() -> dict[str, str]:
    return {name: os.environ[name] for name in ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE")}


@pytest.mark.parametrize(("address", "word"), [("127.0.0.1:1", "no connection"), ("ray://there:10001", "host:port")])
def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path, address: str, word: str) -> None:
    with pytest.raises(RunError, match=word):
        null.run(tmp_path / "out", 1, executor="ray", address=address)
