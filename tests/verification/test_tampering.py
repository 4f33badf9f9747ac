"""What somebody may do to an OUTPUT, and by which code it is found.

The first table is of those who change something and no more; the second of those who make every digest, the chain, the
lists and the seal fit again: what they did shows in the files themselves, or against the source; and whatever they do
shows against the public key.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medaug.audit import keys
from medaug.verification.faults import CODES
from medaug.verification.verify import verify
from tests.support.sound_output import of, records
from tests.support.tampering import COVERED, PLAIN, _pixel_in_a_box, codes, cover, judged, paint
from tests.support.tampering_headers import KEY, OUTPUT, REMADE, SOURCE

pytestmark = pytest.mark.usefixtures("unchanged_units_are_checked_once")


def test_a_sound_output_has_no_fault(sound: Path) -> None:
    verdict = judged(sound)
    assert verdict.faults == ()
    assert verdict.sound
    assert verdict.signed
    assert verdict.units == 3
    in_boxes = sum(int(np.prod(box.shape)) for record in records(sound / "out") for box in record.boxes)
    assert verdict.compared > in_boxes > 0
    assert verdict.unchecked == ()


def test_what_was_not_checked_is_said(sound: Path) -> None:
    verdict = verify(sound / "out")
    assert verdict.sound
    assert not verdict.signed
    assert verdict.compared == 0
    assert [sentence.split(":")[0] for sentence in verdict.unchecked] == [
        "protected voxels against the source",
        "who made the seal",
    ]


def test_several_processes_find_the_same(folder: Path) -> None:
    _pixel_in_a_box(folder)
    alone = judged(folder)
    together = verify(folder / "out", source=folder / "in", public_key=folder / "keys" / keys.PUBLIC, workers=2)
    assert alone == together
    assert not alone.sound


# --- the means -------------------------------------------------------------------------------------------------------


# --- without covering it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", PLAIN, ids=lambda attack: attack.__name__.strip("_"))
def test_tampering_is_found_and_named(folder: Path, attack: Callable[[Path], None]) -> None:
    attack(folder)
    verdict = judged(folder)
    assert PLAIN[attack] <= codes(verdict)
    assert all(fault.code in CODES and fault.message for fault in verdict.faults)


# --- with all digests, the chain, the lists and the seal made to fit -------------------------------------------------


@pytest.mark.parametrize("attack", COVERED, ids=lambda attack: attack.__name__.strip("_"))
def test_tampering_that_covers_its_traces_is_found_and_named(folder: Path, attack: Callable[[Path], None]) -> None:
    attack(folder)
    verdict = judged(folder)
    assert COVERED[attack] <= codes(verdict)
    assert "seal-unsigned" in codes(verdict)
    assert not codes(verdict) & {"file-changed", "file-missing", "ledger-chain", "record-differs", "seal-root"}


def test_without_the_key_a_covered_change_of_a_free_pixel_is_not_found_and_with_it_it_is(folder: Path) -> None:
    """The limit of every check that needs no key: who may rewrite all can make another sound OUTPUT."""
    record = of(folder / "out", "CR")
    source = pydicom.dcmread(next((folder / "in").rglob("x1.dcm"))).pixel_array
    path = folder / "out" / record.images[0].path
    free = np.argwhere(pydicom.dcmread(path).pixel_array.astype(int) > source.astype(int))[0]
    paint(path, *free)
    cover(folder, "CR")
    assert verify(folder / "out", source=folder / "in").sound
    assert codes(judged(folder)) == {"seal-unsigned"}


# --- headers, evidence and checks, made again ------------------------------------------------------------------------


@pytest.mark.parametrize("what", REMADE)
def test_what_contradicts_source_or_record_is_found_when_it_is_made_again(folder: Path, what: str) -> None:
    attack, code, needed = REMADE[what]
    attack(folder)
    alone = codes(verify(folder / "out"))
    assert (code in alone) == (needed == OUTPUT)
    if needed == OUTPUT:
        return
    assert alone == set()
    with_source = codes(verify(folder / "out", source=folder / "in"))
    assert (code in with_source) == (needed == SOURCE)
    if needed == KEY:
        assert with_source == set()
        assert codes(judged(folder)) == {code}


def test_headers_of_another_version_are_not_made_again_and_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medaug.verification.derivation.__version__", "9.9")
    verdict = verify(folder / "out", source=folder / "in")
    assert verdict.sound
    assert any("headers made again" in sentence for sentence in verdict.unchecked)
