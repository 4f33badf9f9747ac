"""Decisions in an OUTPUT: what leaves the lists, what is never made again, and what a file of them carries."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from medaug.audit import layout
from medaug.audit.decisions import decided
from medaug.audit.listed import Choice
from medaug.errors import OutputError
from medaug.execution.output.decide import Word, decide, put
from medaug.execution.output.decision_files import Imported, export_decisions, import_decisions
from medaug.execution.output.lists import write_lists
from medaug.execution.output.open import attach
from medaug.execution.output.status import status
from medaug.execution.output.store import Store
from medaug.profile.components import Lists, Review
from medaug.verification.decision_words import check_decisions
from medaug.verification.list_entries import check_lists
from medaug.verification.run_level import check_chain, check_sealed_ledger, check_variants, open_seal
from tests.support import null

ONE, TWO, THREE = (null.unit(number).recipe.id for number in (1, 2, 3))
REJECT, ACCEPT, UNDO = Word("rejected", "Ada", "anatomy"), Word("accepted", "Ada"), Word("withdrawn", "Ada")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    null.run(tmp_path / "out", 1, 2, 3)
    return attach(tmp_path / "out")


def listed(store: Store) -> dict[str, set[str]]:
    """The units in each list."""
    monai = json.loads((store.root / "monai.json").read_text())["training"]
    coco = json.loads((store.root / "coco.json").read_text())["images"]
    page, crate = ((store.root / name).read_text() for name in (layout.PAGE, layout.CRATE))
    shown = {unit for unit in (ONE, TWO, THREE) if f'id="u-{unit[:16]}"' in page}
    packed = {unit for unit in (ONE, TWO, THREE) if f"variants/{unit[:16]}/" in crate}
    taken = {item["medaug"]["unit"] for item in monai}
    return {"monai": taken, "coco": {item["medaug"]["unit"] for item in coco}, "page": shown, "crate": packed}


def everywhere(*units: str) -> dict[str, set[str]]:
    return {name: set(units) for name in ("monai", "coco", "page", "crate")}


def faults(store: Store) -> list[str]:
    """What verify would say of all but the images, which are none here."""
    records, choice = store.records(), Choice.of(store.root)
    sealed, found = open_seal(store.root)
    assert sealed
    names = sorted(path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if path.is_file())
    more = (
        check_chain(store.root),
        check_decisions(records, choice),
        check_lists(store.root, choice.through(records)),
        check_sealed_ledger(store.root, sealed),
        check_variants(names, (), records),
    )
    return [fault.code for each in (found, *more) for fault in each]


def made(root: Path, *numbers: int, **options: object) -> list[str]:
    """The units that a run makes now."""
    keys: list[str] = []

    def noted(job: null.Job, _on_step: object = None) -> null.Record:
        keys.append(job.unit.recipe.id)
        return null.work(job)

    null.run(root, *numbers, work=noted, **options)
    return keys


def test_a_rejected_variant_leaves_every_list_and_stays_on_disk(store: Store) -> None:
    assert (listed(store), faults(store)) == (everywhere(ONE, TWO, THREE), [])
    (one,) = decide(store, [ONE[:8].upper()], REJECT)
    assert (one.unit, one.reader, one.reason, one.how) == (ONE, "Ada", "anatomy", "command")
    assert (listed(store), faults(store)) == (everywhere(TWO, THREE), [])
    assert store.holds(ONE)
    assert "left out by decision" in (store.root / layout.PAGE).read_text()
    assert "A review left out 1 further variant." in (store.root / layout.METHODS).read_text()
    assert (status(store.root).counts["written"], status(store.root).left_out) == (3, 1)
    decide(store, [ONE], ACCEPT)
    assert (listed(store), faults(store)) == (everywhere(ONE, TWO, THREE), [])


def test_it_is_never_made_again_and_its_record_is_kept(store: Store) -> None:
    decide(store, [ONE], REJECT, remove=True)
    decide(store, [TWO], REJECT)
    shutil.rmtree(store.folder(TWO))  # by hand: nobody wants it either
    assert not store.folder(ONE).exists()
    assert list(store.staging.glob("removed.*")) == []
    assert made(store.root, 1, 2, 3) == []
    write_lists(store)
    assert made(store.root, 1, 2, 3, extend=True) == []
    assert (listed(store), faults(store)) == (everywhere(THREE), [])
    record = store.records().get(ONE)
    assert record
    assert record.status == "written"


def test_a_removal_that_is_taken_back_is_made_again_by_the_next_run(store: Store) -> None:
    decide(store, [ONE], REJECT, remove=True)
    with pytest.raises(OutputError, match="nothing to accept; run again"):
        decide(store, [ONE], ACCEPT)
    decide(store, [ONE], UNDO)
    assert (listed(store), faults(store)) == (everywhere(TWO, THREE), [])
    assert made(store.root, 1, 2, 3) == [ONE]
    assert (listed(store), faults(store)) == (everywhere(ONE, TWO, THREE), [])


@pytest.mark.parametrize(
    ("units", "word", "message"),
    [
        ([ONE[:7]], REJECT, "expected the first 8 or more digits of its key, found 7"),
        (["0123456789"], REJECT, "no written unit"),
        ([ONE], Word("rejected", "Ada", "ugly"), "reason: expected one of anatomy, "),
        ([ONE], Word("rejected", "A\nda", "anatomy"), "decision.reader: expected a name"),
        ([ONE], UNDO, "Ada said nothing of it"),
    ],
)
def test_a_word_that_makes_no_sense_changes_nothing(store: Store, units: list[str], word: Word, message: str) -> None:
    before = null.files(store.root)
    with pytest.raises(OutputError, match=message):
        decide(store, [TWO, *units] if word.verdict == "rejected" else units, word)
    assert null.files(store.root) == before
    assert len(decided(store.ledger)) == 0


def test_the_profile_may_add_reasons_and_list_accepted_ones_only(tmp_path: Path) -> None:
    more = {"lists": Lists(only="accepted"), "review": Review(reasons={"implant": "an implant was painted over"})}
    profile = null.PROFILE.model_copy(update=more)
    assert profile.sha256 == null.SHA256  # no pixel depends on it
    null.run(tmp_path, 1, 2, 3, profile=profile)
    store = attach(tmp_path)
    assert (listed(store), faults(store)) == (everywhere(), [])
    decide(store, [ONE, TWO], ACCEPT)
    decide(store, [TWO], Word("rejected", "Bo", "implant"))
    assert (listed(store), faults(store)) == (everywhere(ONE), [])
    assert made(tmp_path, 1, 2, 3, profile=profile) == []


def test_the_profile_may_list_nothing_until_a_share_is_accepted(tmp_path: Path) -> None:
    profile = null.PROFILE.model_copy(update={"lists": Lists(least_accepted=0.6)})
    null.run(tmp_path, 1, 2, 3, profile=profile)
    store = attach(tmp_path)
    assert (listed(store), faults(store)) == (everywhere(), [])
    decide(store, [ONE], ACCEPT)
    assert (listed(store), faults(store)) == (everywhere(), [])  # a third
    decide(store, [TWO], ACCEPT)
    assert (listed(store), faults(store)) == (everywhere(ONE, TWO, THREE), [])  # two thirds
    decide(store, [THREE], REJECT)
    assert (listed(store), faults(store)) == (everywhere(ONE, TWO), [])
    decide(store, [TWO], REJECT)
    assert (listed(store), faults(store)) == (everywhere(), [])


@pytest.mark.parametrize("text", [None, "lists: [", "lists: {only: acepted}", "lists: {least_accepted: 2}"])
def test_what_is_listed_under_a_profile_that_cannot_be_read_is_not_guessed(store: Store, text: str | None) -> None:
    path = store.root / layout.PROFILE
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(OutputError, match="what may be listed isn't known"):
        Choice.of(store.root)
    assert not Choice.of(store.root, damaged=True).accepted_only


def test_a_decision_that_was_dropped_changed_or_added_is_seen(store: Store) -> None:
    decide(store, [ONE], REJECT)
    decide(store, [TWO], ACCEPT)
    (segment,) = store.ledger.glob("decisions-*.jsonl")
    first, second = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(first)
    assert faults(store) == ["seal-ledger"]
    segment.unlink()
    assert set(faults(store)) == {"seal-ledger", "list-differs"}
    segment.write_bytes(second)
    assert {"ledger-chain", "list-differs"} <= set(faults(store))
    segment.write_bytes(first.replace(b'"anatomy"', b'"label"') + second)
    assert faults(store) == ["ledger-chain"]


def test_a_decision_on_other_pixels_or_for_an_unknown_reason_is_a_fault(store: Store) -> None:
    word = REJECT.on(ONE, "0" * 64)
    put(store, [word, Word("rejected", "Bo", "ugly").on(TWO, "0" * 64), REJECT.on("f" * 64, "0" * 64)])
    write_lists(store)
    assert faults(store) == ["decision-differs"] * 4


def test_decisions_go_to_another_copy_once_and_only_where_they_fit(store: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store.root, copy)
    decide(store, [ONE], REJECT, remove=True)
    decide(store, [TWO], ACCEPT)
    assert export_decisions(store, tmp_path / "ada.json") == 2
    with pytest.raises(OutputError, match="the file exists"):
        export_decisions(store, tmp_path / "ada.json")
    other = attach(copy)
    assert import_decisions(other, tmp_path / "ada.json") == Imported(2, 0)
    assert (listed(other), faults(other)) == (everywhere(TWO, THREE), [])
    assert other.holds(ONE)  # a file removes nothing
    assert import_decisions(other, tmp_path / "ada.json") == Imported(0, 2)
    assert import_decisions(store, tmp_path / "ada.json") == Imported(0, 2)
    data = json.loads((tmp_path / "ada.json").read_text())
    data["decisions"][0] |= {"seen": "0" * 64, "made": "2027-01-01T00:00:00.000+00:00"}
    data["decisions"][1] |= {"reader": "Bo"}
    (tmp_path / "ada.json").write_text(json.dumps(data))
    with pytest.raises(OutputError, match="other pixels or boxes than are here; nothing was taken"):
        import_decisions(other, tmp_path / "ada.json")
    assert import_decisions(other, write(tmp_path, data["decisions"][1:])) == Imported(1, 0)
    with pytest.raises(OutputError, match="not a file that `medaug decisions export` wrote"):
        import_decisions(other, write(tmp_path, [{"unit": ONE}]))


def write(folder: Path, decisions: list[object]) -> Path:
    path = folder / "some.json"
    path.write_text(json.dumps({"format": "medaug-decisions", "version": 1, "decisions": decisions}))
    return path
