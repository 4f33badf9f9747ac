from __future__ import annotations

import json

from medaug.audit.record import Record
from medaug.augmentation.recipe import boxes_digest
from medaug.imaging.boxes import Box, Code, codes_by_label, distinct_codes, plain
from tests.support.records import record

PLAIN = Box((0, 10, 20), (1, 14, 26), "nodule", "7")
CODED = Box((0, 10, 20), (1, 14, 26), "nodule", "7", Code("27925004", "SCT", "Nodule"))
OTHER = Box((0, 10, 20), (1, 14, 26), "nodule", "7", Code("M-03010", "SRT", "Nodule"))


def test_boxes_without_codes_are_digested_as_before_there_were_codes() -> None:
    """The digest of version 0.1: units of an output made then are found again."""
    assert boxes_digest([PLAIN]) == "071c48defbef365738e66e4799677ce29afc83cb3a355244d91f82b188e78fa1"
    assert boxes_digest([CODED]) != boxes_digest([PLAIN])
    assert boxes_digest([CODED]) != boxes_digest([OTHER])


def test_a_code_counts_for_equality_and_order() -> None:
    assert len({PLAIN, CODED, OTHER}) == 3
    assert sorted([OTHER, CODED, PLAIN]) == sorted([CODED, PLAIN, OTHER]) == [PLAIN, CODED, OTHER]
    assert boxes_digest([OTHER, PLAIN, CODED]) == boxes_digest([CODED, OTHER, PLAIN])


def test_a_record_keeps_the_code_and_has_no_word_of_one_that_isn_t_there() -> None:
    text = record(boxes=(CODED, PLAIN)).to_json()
    assert Record.from_json(text).boxes == (CODED, PLAIN)
    first, second = json.loads(text)["boxes"]
    assert first["code"] == {"value": "27925004", "scheme": "SCT", "meaning": "Nodule"}
    assert "code" not in second
    assert plain(PLAIN).keys() == {"start", "stop", "label", "id"}


def test_growing_keeps_the_code() -> None:
    assert CODED.grown((0, 1, 1), (1, 99, 99)).code == CODED.code


def test_codes_of_a_class_are_listed_once() -> None:
    boxes = (OTHER, CODED, CODED, PLAIN, Box((0, 0, 0), (1, 1, 1), "scar"))
    assert distinct_codes(boxes) == [CODED.code, OTHER.code]
    found = codes_by_label(boxes)
    assert found.keys() == {"nodule"}
    assert [code["value"] for code in found["nodule"]] == ["27925004", "M-03010"]
