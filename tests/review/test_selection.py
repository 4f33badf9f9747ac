"""`medaug select` on an OUTPUT: what it records, what leaves the lists, and that it changes nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from medaug.audit.decisions import decided
from medaug.cli import app
from medaug.execution.output.decide import Word, put
from medaug.execution.output.open import attach
from medaug.review.catalogue import catalogue
from medaug.review.likeness import Likeness
from tests.support import reviews
from tests.support.reviews import variant


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Ten variants of two sources; the third is the second with one pixel changed, the rest are noise on noise."""
    records = [variant(n) for n in range(10)]
    root = reviews.many(tmp_path / "out", records)
    for number, one in enumerate(records):
        rng = np.random.default_rng((number // 5, 0))
        plain = np.kron(rng.integers(0, 200, (16, 16)), np.ones((16, 16))).astype(np.uint8)
        noise = np.random.default_rng(2 if number == 3 else number).integers(0, 50, (256, 256))
        shown = (plain + noise).astype(np.uint8)
        shown[0, 0] = number
        Image.fromarray(shown).save(root / one.folder / "preview" / "result.png")
        Image.new("P", (256, 256), 0).save(root / one.folder / "preview" / "regions.png")
    return root


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def words(output: Path) -> dict[str, tuple[str, str]]:
    return {
        unit: (said.latest[-1].verdict, said.latest[-1].reason) for unit, said in decided(output / "ledger").items()
    }


def listed(output: Path) -> set[str]:
    return {item["medaug"]["unit"] for item in json.loads((output / "monai.json").read_text())["training"]}


def test_likeness_tells_a_copy_from_a_variant_and_sources_from_one_another(output: Path) -> None:
    alike, units = Likeness(output), [variant(n).unit for n in range(10)]
    assert alike.share(units[2], units[3]) < 0.001
    assert alike.share(units[2], units[4]) > 0.1
    assert alike.nearest(units[0], units[1:5]) < 11 < alike.nearest(units[0], units[5:])


def test_a_selection_is_recorded_and_the_same_again_changes_nothing(output: Path, tmp_path: Path) -> None:
    units = [variant(n).unit for n in range(10)]
    put(attach(output), [Word("rejected", "Ada", "label").on(units[9], catalogue(output)[0].seen)])
    options = ("--limit", "seam=..0.007", "--keep", 6, "--per-source", 4, "--report", tmp_path / "report.json")
    dry = call("select", output, *options[:-2], "--dry-run")
    assert dry.output.splitlines()[-1] == "nothing was recorded"
    assert len(words(output)) == 1
    done = call("select", output, *options)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["candidates"], report["rejected_by_readers"], report["admitted"]) == (9, 1, 6)
    assert sum(report["left_out"].values()) == 3
    assert report["left_out"]["limit"] == 1
    assert report["left_out"]["near-variant"] == 1
    assert words(output)[units[8]] == ("rejected", "limit")
    assert {words(output)[units[2]][1], words(output)[units[3]][1]} <= {"", "near-variant", "quota", "surplus"}
    taken = {one["unit"] for one in report["units"] if one["admitted"]}
    assert listed(output) == taken
    assert {words(output)[unit] for unit in taken} == {("accepted", "")}
    segment = next((output / "ledger").glob("decisions-*"))
    before = segment.read_bytes()
    assert call("select", output, *options[:-2]).output.splitlines()[-1] == "0 decisions recorded"
    assert segment.read_bytes() == before
    assert call("select", output, *options).exit_code == 1  # the report is there already
    call("select", output, "--least-change", 0, "--least-bits", 0)
    assert listed(output) == set(units) - {units[9]}  # other rules replace these, and no reader's word


def test_scores_decide_who_comes_first(output: Path, tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    chosen = [variant(n).unit for n in (4, 7)]
    table.write_text("unit,score\n" + "".join(f"{unit[:12]},{n}\n" for n, unit in enumerate(chosen, 1)))
    told = json.loads(call("select", output, "--keep", 2, "--scores", table, "--dry-run", "--json").output)
    assert [one["unit"] for one in told["units"] if one["admitted"]] == chosen[::-1]
    assert [one.get("score") for one in told["units"] if one["admitted"]] == [2, 1]
    assert not any("score" in one for one in told["units"] if not one["admitted"])
    for text in ("unit\nabc\n", "unit,score\n0123456789,1\n", "unit,score\n,1\n", f"unit,score\n{chosen[0][:8]}zz,1\n"):
        table.write_text(text)
        assert "scores: " in str(call("select", output, "--scores", table, "--dry-run").exception)


@pytest.mark.parametrize("limit", ["seam", "seam=1", "=1..2", "seam=a..b"])
def test_a_limit_has_a_name_and_two_ends(output: Path, limit: str) -> None:
    assert call("select", output, "--limit", limit).exit_code == 2
