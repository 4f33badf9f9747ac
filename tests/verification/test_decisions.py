"""Decisions in a real OUTPUT, by the commands: verify stays clean, and all who take variants from it pass over them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from medaug.audit.seal import seal
from medaug.benchmark.realism.pairs import pairs_of
from medaug.cli import app
from medaug.execution.exports.datasets import Request, to_yolo
from medaug.execution.output.lists import write_lists
from medaug.execution.output.open import attach
from medaug.execution.replay import chosen
from medaug.manifests.variants_of import VariantsOf
from medaug.verification.verify import verify
from tests.support.sound_output import of, records, run


def call(*words: object, **env: str) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env=env)


def test_rejected_variants_leave_all_that_is_taken_from_an_output_and_verify_is_clean(folder: Path) -> None:
    out = run(folder, variants=2)
    ct, radiograph = of(out, "CT"), of(out, "CR")
    said = call("reject", out, radiograph.unit[:12], "--reason", "anatomy", "--reader", "Ada", "--remove")
    assert said.output == "1 variant rejected, files removed; the lists and the seal are written again, unsigned\n"
    assert call("reject", out, ct.unit, "--reason", "label", MEDAUG_READER="Bo").exit_code == 0
    assert call("accept", out, ct.unit, "--reader", "Ada").exit_code == 0
    verdict = verify(out, source=folder / "in")
    assert (verdict.faults, verdict.units) == ((), 5)
    assert "files of 1 unit: a decision removed them" in verdict.unchecked
    assert [fault.code for fault in verify(out, public_key=folder / "keys" / "medaug-seal.pub").faults] == [
        "seal-unsigned"
    ]
    gone = {ct.unit, radiograph.unit}
    listed = [one.about["unit"] for each in VariantsOf.read(out).variants.values() for one in each]
    assert set(listed) == {record.unit for record in records(out)} - gone
    assert len(list(pairs_of(out, folder / "in"))) == 1 + 4 + 3 + 3  # slices of one radiograph, one CT, two NIfTI
    done = to_yolo(Request(out, folder / "yolo"))
    assert (done.units, done.left_out) == (4, 0)
    assert chosen(records(out), ct.unit).unit == ct.unit  # a replay takes it all the same
    *words, last = call("decisions", "list", out).output.splitlines()
    assert sorted(line.split()[1:3] for line in words) == [["accepted", "Ada"], ["rejected", "Ada"], ["rejected", "Bo"]]
    assert last == "0 accepted, 2 rejected"
    told = json.loads(call("decisions", "agreement", out, "--json").output)
    assert [(one["readers"], one["units"], one["raw"], one["kappa"]) for one in told] == [(["Ada", "Bo"], 1, 0.0, 0.0)]


def test_a_decision_that_somebody_dropped_is_found_by_the_signature_alone_where_all_was_made_to_fit(
    folder: Path,
) -> None:
    out, public = folder / "out", folder / "keys" / "medaug-seal.pub"
    call("reject", out, of(out, "CT").unit, "--reason", "label", "--reader", "Ada")
    seal(out, key=folder / "keys" / "medaug-seal.key")
    for segment in (out / "ledger").glob("decisions-*"):
        segment.unlink()
    assert {fault.code for fault in verify(out).faults} == {"seal-ledger", "list-differs"}
    write_lists(attach(out))
    assert verify(out).sound  # by one who may write the whole folder
    assert [fault.code for fault in verify(out, public_key=public).faults] == ["seal-unsigned"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("reject", "--reason", "ugly", "--reader", "Ada"), "reason: expected one of anatomy"),
        (("accept", "--reader", "<script>"), "decision.reader: expected a name"),
    ],
)
def test_what_makes_no_sense_is_said(sound: Path, words: tuple[str, ...], message: str) -> None:
    command, *options = words
    result = call(command, sound / "out", of(sound / "out", "CT").unit, *options)
    assert message in str(result.exception)
    assert list((sound / "out" / "ledger").glob("decisions-*")) == []


def test_a_reader_has_to_give_a_name(sound: Path) -> None:
    assert call("accept", sound / "out", "0123456789").exit_code == 2
