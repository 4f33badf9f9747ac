"""What a verification takes from the profile of the run."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from medaug.profile.components import LawKind, keeps_boxes
from medaug.profile.load import load_profile
from medaug.verification import verify


def of_law(kind: object, folder: Path) -> tuple[bool, list[str]]:
    keys = yaml.safe_load(load_profile("paper").to_yaml())
    keys["regions"]["kind"] = kind
    (folder / "profile.yaml").write_text(yaml.safe_dump(keys))
    choices, faults = verify._profile(folder)
    assert choices.sha256
    return choices.keeps_boxes, [fault.code for fault in faults]


@pytest.mark.parametrize("kind", get_args(LawKind))
def test_boxes_are_compared_where_the_law_keeps_them(kind: LawKind, tmp_path: Path) -> None:
    assert of_law(kind, tmp_path) == (keeps_boxes(kind), [])


@pytest.mark.parametrize("kind", ["toy", 7, None, ["inside"]])
def test_a_law_that_is_not_known_is_a_fault_and_boxes_are_compared(kind: object, tmp_path: Path) -> None:
    assert of_law(kind, tmp_path) == (True, ["profile-differs"])
