"""What OUTPUT belongs to, what stands in its lists, and who the patients in it are."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pydicom
import pytest

import medaug
from medaug.audit import ledger
from medaug.audit.record import Record
from medaug.errors import OutputError, SourceError
from medaug.execution.execute import moment
from medaug.execution.output import open as opening
from medaug.execution.output.leases import Lease
from medaug.execution.output.lists import listing_of
from medaug.execution.output.status import status
from medaug.execution.planning.units import Unit
from medaug.execution.worker import unit_of_work
from medaug.execution.worker.job import Job, OnStep
from medaug.execution.worker.unit_of_work import failure
from medaug.imaging.boxes import Box
from medaug.profile.profile import Profile
from tests.support import null
from tests.support.small_runs import boxes


def listed(output: Path) -> set[str]:
    return {item["medaug"]["unit"] for item in json.loads((output / "monai.json").read_text())["training"]}


def keys(*numbers: int) -> set[str]:
    return {null.unit(number).recipe.id for number in numbers}


@pytest.mark.parametrize("second", [(1, 2, 3), (1,), (1, 3)])
def test_other_inputs_are_refused_unless_asked_for_and_the_lists_hold_the_plan_only(
    tmp_path: Path, second: tuple[int, ...]
) -> None:
    null.run(tmp_path / "out", 1, 2)
    with pytest.raises(OutputError, match=r"another set of inputs.*--extend"):
        null.run(tmp_path / "out", *second)
    assert listed(tmp_path / "out") == keys(1, 2)
    summary = null.run(tmp_path / "out", *second, extend=True)
    assert listed(tmp_path / "out") == keys(*second) == {record.unit for record in summary.records}
    assert summary.counts == {"written": len(second)}
    assert summary.exit_code == 0
    assert summary.elsewhere == len(keys(1, 2) - keys(*second))
    page, coco = (tmp_path / "out" / "index.html").read_text(), (tmp_path / "out" / "coco.json").read_text()
    for unit in keys(1, 2) - keys(*second):
        assert unit[:16] not in page
        assert unit not in coco


def test_a_withdrawn_label_leaves_the_training_list(arguments: dict[str, object], tmp_path: Path) -> None:
    first = medaug.run(**arguments)
    one = arguments | {"annotations": boxes(tmp_path / "less.json", ("x1.dcm",)), "extend": True}
    with pytest.raises(OutputError, match="another set of inputs"):
        medaug.run(**(one | {"extend": False}))
    second = medaug.run(**one)
    assert second.counts == {"written": 2}
    assert second.already_done == 2
    assert listed(second.output) == {record.unit for record in second.records} < {r.unit for r in first.records}
    assert second.elsewhere == 2


def test_a_patients_token_stays_when_studies_are_added_and_differs_between_outputs(tmp_path: Path) -> None:
    first = null.run(tmp_path / "out", 1)
    more = null.run(tmp_path / "out", 1, 2, extend=True)
    tokens = {record.unit: record.source.patient for record in more.records}
    assert tokens[first.records[0].unit] == first.records[0].source.patient
    assert len(set(tokens.values())) == 2
    assert null.run(tmp_path / "other", 1).records[0].source.patient != first.records[0].source.patient


def test_sources_of_one_patient_share_a_token_that_is_not_the_hash(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1)
    store = opening.attach(tmp_path / "out")
    a, b, c = (null.unit(n, patient=p).reference for n, p in ((1, "hash"), (2, "hash"), (3, "")))
    assert store.token(a) == store.token(b) != store.token(c)
    assert len(store.token(a)) == 16
    assert store.secret.hex() not in repr(store)


def test_the_key_is_private_and_kept_and_another_one_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    null.run(tmp_path / "out", 1, key=key)
    assert (tmp_path / "out" / "private" / "key").read_bytes() == key.read_bytes()
    assert stat.S_IMODE((tmp_path / "out" / "private" / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "out" / "private").stat().st_mode) == 0o700
    assert null.run(tmp_path / "out", 1).already_done == 1
    key.write_bytes(bytes(32))
    with pytest.raises(OutputError, match="another key"):
        null.run(tmp_path / "out", 1, key=key)
    key.write_bytes(b"short")
    with pytest.raises(OutputError, match="expected 32 bytes, found 5"):
        null.run(tmp_path / "new", 1, key=key)
    (tmp_path / "out" / "private" / "key").write_bytes(bytes(32))
    with pytest.raises(OutputError, match="not the key"):
        null.run(tmp_path / "out", 1)


def test_the_same_unit_in_another_run_gets_other_uids(arguments: dict[str, object], tmp_path: Path) -> None:
    first = medaug.run(**(arguments | {"variants": 1}))
    other = medaug.run(**(arguments | {"variants": 1, "output": tmp_path / "other", "key": None}))
    assert [r.unit for r in first.records] == [r.unit for r in other.records]
    found = []
    for summary in (first, other):
        files = [pydicom.dcmread(summary.output / record.images[0].path) for record in summary.records]
        found += [(ds.SOPInstanceUID, ds.SeriesInstanceUID) for ds in files]
    assert len(set(found)) == 4


def test_an_output_that_was_killed_before_its_format_file_is_new(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "private").mkdir(parents=True)
    (out / "private" / "key").write_bytes(b"half")
    (out / "profile.yaml").write_text("half")
    (out / ".FORMAT.json.4711").write_text("half")
    assert null.run(out, 1).counts == {"written": 1}
    assert not list(out.glob(".FORMAT*"))


def test_leftovers_of_killed_writes_go_at_the_next_start(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1)
    (tmp_path / "out" / ".monai.json.99").write_text("half")
    null.run(tmp_path / "out", 1)
    assert not (tmp_path / "out" / ".monai.json.99").exists()


def test_a_unit_whose_folder_was_removed_is_made_again(tmp_path: Path) -> None:
    before = null.run(tmp_path / "out", 1, 2)
    kept = null.files(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / before.records[0].folder)
    again = null.run(tmp_path / "out", 1, 2)
    assert again.already_done == 1
    assert null.files(tmp_path / "out") == kept


def test_the_prior_is_not_loaded_when_nothing_is_to_do(
    arguments: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    medaug.run(**arguments)
    monkeypatch.setattr("medaug.assemble.tools", lambda *_: pytest.fail("the prior was loaded"))
    assert medaug.run(**arguments).already_done == 4


def test_what_can_not_be_stated_is_found_before_the_solve(
    arguments: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unit_of_work, "provenance", lambda *_: (_ for _ in ()).throw(ValueError("provenance")))
    monkeypatch.setattr(unit_of_work, "solve_case", lambda *_: pytest.fail("it was solved first"))
    assert medaug.run(**arguments).counts == {"crashed": 4}


def job(output: Path, unit: Unit, card: object = None, profile: Profile = null.PROFILE) -> Job:
    """A unit in the hands of a worker whose prior has this card."""
    worker = null.worker(output, profile)
    worker.__dict__["tools"] = SimpleNamespace(solve=SimpleNamespace(prior=SimpleNamespace(card=card)))
    return Job(opening.attach(output), worker, unit, Lease(output / "staged", ()))


def test_a_priors_name_outside_ascii_does_not_stop_a_unit(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1)
    card = SimpleNamespace(name="Präparat µ\\1\n" + "x" * 999, sha256="0" * 64)
    stated = unit_of_work.provenance(job(tmp_path / "out", null.unit(1), card))
    assert stated.prior.startswith("Pr?parat ??1?x")


def test_what_is_stated_names_the_levers_that_are_pulled(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1)
    card = SimpleNamespace(name="prior", sha256="0" * 64)
    for closing, words in ((2, "from 0.4, closing 2, gaussian-outside"), (0, "from 0.4, gaussian-outside")):
        solver = null.PROFILE.solver.model_copy(update={"start": 0.4})
        levers = null.PROFILE.levers.model_copy(update={"closing": closing})
        profile = null.PROFILE.model_copy(update={"solver": solver, "levers": levers})
        assert words in unit_of_work.provenance(job(tmp_path / "out", null.unit(1), card, profile)).summary


def test_a_label_that_can_not_be_recorded_still_gives_a_record(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1)
    unit = null.replace(null.unit(2), boxes=(Box((0, 1, 1), (1, 2, 2), "\ud800", ""),))
    for error, ended in ((SourceError("no", code="unreadable"), "failed"), (ZeroDivisionError(), "crashed")):
        record = failure(job(tmp_path / "out", unit), error, "work.py:1 f")
        opening.attach(tmp_path / "out").log(record, 1.0)
        assert (record.status, record.boxes) == (ended, ())


def test_other_processes_may_work_on_the_same_output(tmp_path: Path) -> None:
    """A second run neither removes the first one's staging nor takes its unit."""
    null.run(tmp_path / "out", 1)
    seen = []

    def second_run_meanwhile(job: Job, _on_step: OnStep | None = None) -> Record:
        store, unit, lease = job.store, job.unit, job.lease
        lease.folder.mkdir()
        (lease.folder / "precious").write_text("mine")
        if not seen:
            seen.append(unit)
            inner, _ = opening.open_store(store.root, null.PROFILE, opening.read_listing(store.root), store.created)
            with inner.lease(unit.recipe.id) as other:
                assert other is None
        assert (lease.folder / "precious").read_text() == "mine"
        (lease.folder / "precious").unlink()
        return null.work(job)

    summary = null.run(tmp_path / "out", 1, 2, 3, extend=True, work=second_run_meanwhile)
    assert summary.counts == {"written": 3}
    assert seen


def test_how_units_ended_is_read_once_and_what_had_no_line_is_logged(tmp_path: Path) -> None:
    output, (one, two, three) = tmp_path / "out", sorted(keys(1, 2, 3))
    null.run(output, 1, 2, 3)
    shutil.rmtree(output / "ledger")
    with mock.patch.object(ledger, "outcomes", wraps=ledger.outcomes) as read:
        store, ended = opening.open_store(output, null.PROFILE, listing_of(null.plan(1, 2, 3).units), moment())
    assert read.call_count == 1
    assert dict(ended.items()) == dict.fromkeys((one, two, three), "written") == dict(store.look().items())
    shutil.rmtree(store.folder(two))
    assert [ended.get(two), store.look().get(two)] == ["written", None]
    assert dict(store.look().items()) == dict.fromkeys((one, three), "written")
    assert {record.unit for record in store.records()} == {one, two, three}


def test_what_others_commit_after_the_look_is_not_done_again(tmp_path: Path) -> None:
    did = []

    def work(job: Job, _on_step: OnStep | None = None) -> Record:
        if not did:
            other = opening.attach(job.store.root)
            with other.lease(null.unit(2).recipe.id) as theirs:
                assert theirs
                null.work(Job(other, job.worker, null.unit(2), theirs))
        did.append(job.unit.recipe.id)
        return null.work(job)

    summary = null.run(tmp_path / "out", 1, 2, 3, work=work)
    assert summary.counts == {"written": 3}
    assert set(did) == keys(1, 3)
    lines = [line for path in ledger.segments(tmp_path / "out" / "ledger") for line in ledger.lines(path)]
    assert sorted(line.record.unit for line in lines) == sorted(keys(1, 2, 3))


def test_a_lost_race_drops_the_second_copy(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1, 2)
    store = opening.attach(tmp_path / "out")
    unit = null.unit(1)
    lines = list(store.ledger.glob("*")), [path.read_bytes() for path in sorted(store.ledger.glob("*"))]
    with store.lease(unit.recipe.id) as lease:
        assert lease
        null.work(Job(store, null.worker(store.root), unit, lease))
    assert lines == (list(store.ledger.glob("*")), [path.read_bytes() for path in sorted(store.ledger.glob("*"))])
    assert not [path for path in store.staging.iterdir() if path.is_dir()]


def test_shards_cover_the_plan_once_and_share_the_lists(tmp_path: Path) -> None:
    numbers = range(1, 13)
    summaries = [null.run(tmp_path / "out", *numbers, shard=(i, 3)) for i in range(3)]
    shares = [{record.unit for record in summary.records} for summary in summaries]
    assert sum(map(len, shares)) == 12
    assert set.union(*shares) == keys(*numbers) == listed(tmp_path / "out")
    assert all(
        summary.planned == len(share) and summary.exit_code == 0
        for summary, share in zip(summaries, shares, strict=True)
    )


def test_a_shard_to_which_nothing_falls_is_done(tmp_path: Path) -> None:
    codes = [null.run(tmp_path / "out", 1, shard=(i, 3)).exit_code for i in range(3)]
    assert codes == [0, 0, 0]
    mine = int(null.unit(1).recipe.id[:16], 16) % 3
    assert null.run(tmp_path / "bad", 1, work=null.refuse, shard=(mine, 3), max_failures=1.0).exit_code == 3
    assert null.run(tmp_path / "none").exit_code == 3


def test_nonsense_options_are_refused() -> None:
    for wrong in ({"shard": (3, 3)}, {"workers": 0}, {"max_failures": 0.0}):
        with pytest.raises(medaug.errors.RunError, match="expected"):
            null.plan(**wrong)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1)
    (tmp_path / "out").chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        null.run(tmp_path / "out", 1, 2, extend=True)


def test_a_rate_is_told_only_from_enough_work(tmp_path: Path) -> None:
    """Units of a short run lie a few milliseconds apart: that is no rate to plan a night by."""
    null.run(tmp_path / "out", 1, 2, 3, 4)
    folders = sorted((tmp_path / "out" / "variants").iterdir())
    for seconds, expected in ((0.001, None), (3.0, None), (3.4, 3600 / 3.4), (30.0, 120.0)):
        for number, folder in enumerate(folders):
            os.utime(folder, (1e9 + number * seconds,) * 2)
        assert status(tmp_path / "out").per_hour == (expected and pytest.approx(expected))
    assert status(tmp_path / "out").eta_seconds == 0  # nothing is left
    os.utime(folders[0], (1e9 - 7200,) * 2)
    assert status(tmp_path / "out").per_hour == pytest.approx(120.0)  # of the last hour alone
