"""A unit with one call that never returns is left alone; what was done stays, and the next run does the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medaug.errors import SourceError
from medaug.execution.output import quarantine
from medaug.execution.worker.io_process import IoProcess, ToPrepare
from medaug.execution.worker.solver_process import SolverProcess
from medaug.inverse.priors.remote_prior import RemotePrior
from medaug.processes.last_resort import ENDED, ended_so
from medaug.processes.task_process import TaskProcess
from medaug.processes.time_limit import TIME_LIMIT
from tests.support import null
from tests.support.outputs import written
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of processor time")

RUN = """
import re, sys
from pathlib import Path
from medaug.processes import time_limit
from tests.support import null
time_limit.SPARE = 0
def work(job, on_step=None):
    job.lease.stage("read")
    if job.unit.recipe.id == null.unit(2).recipe.id:
        with time_limit.limited(0.2, "reading it", job.lease.trace):
            re.match("(a+)+$", "a" * 60 + "b")
    return null.work(job)
null.run(Path(sys.argv[1]), 1, 2, 3, work=work, key=Path(sys.argv[2]))
"""


def test_the_next_run_leaves_the_unit_alone_and_does_the_rest(tmp_path: Path) -> None:
    key, out = tmp_path / "key", tmp_path / "out"
    key.write_bytes(bytes(range(32)))
    command = [sys.executable, "-c", RUN, str(out), str(key)]
    done = subprocess.run(command, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120)
    assert ended_so(done.returncode)
    before = {record.unit for record in written(out)}
    summary = null.run(out, 1, 2, 3, key=key)
    assert summary.counts == {"written": 2, "failed": 1}
    assert before < {record.unit for record in written(out)}
    (entry,) = quarantine.entries(out)
    assert (entry.unit, entry.code, entry.stage) == (null.unit(2).recipe.id, TIME_LIMIT, "read")
    (failed,) = (record for record in summary.records if record.status == "failed")
    assert failed.code == TIME_LIMIT
    assert failed.message.startswith("at stage 'read': one call that doesn't end")
    assert null.run(out, 1, 2, 3, key=key).already_done == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the same command goes on when it is given again")
def test_a_command_goes_on_by_itself(tmp_path: Path) -> None:
    key, out = tmp_path / "key", tmp_path / "out"
    key.write_bytes(bytes(range(32)))
    begin = "from medaug.processes.run_on import at_work, run_on\nrun_on(print)\nat_work()\n"
    command = [sys.executable, "-c", begin + RUN, str(out), str(key)]
    done = subprocess.run(
        command, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list(written(out))) == 2
    (entry,) = quarantine.entries(out)
    assert (entry.unit, entry.code) == (null.unit(2).recipe.id, TIME_LIMIT)


def test_processes_that_were_ended_so_say_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that solves, or reads and writes, is started anew, and the unit is not tried again."""

    def ended(*_: object) -> None:
        raise EOFError(-ENDED)

    monkeypatch.setattr(TaskProcess, "ask", ended)
    reader = IoProcess(lambda: None)  # type: ignore[arg-type,return-value]
    solver = SolverProcess(null.PROFILE, "cpu", 1)
    tools = null.worker(tmp_path).tools.solve
    asked = (
        ("read", lambda: reader._ask(ToPrepare(null.unit(1), tmp_path, ()))),
        ("write", lambda: reader._ask(object())),
        ("solve", lambda: solver.solve_slices([], RemotePrior(tools.prior.card), tools)),
    )
    for stage, ask in asked:
        with pytest.raises(SourceError, match=f"at stage '{stage}'") as caught:
            ask()
        assert caught.value.code == TIME_LIMIT
