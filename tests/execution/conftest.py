from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.small_runs import boxes, export, small_profile


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "key").write_bytes(bytes(range(32)))
    return {
        "input": export(tmp_path / "in"),
        "output": tmp_path / "out",
        "profile": small_profile(tmp_path),
        "annotations": boxes(tmp_path / "boxes.json"),
        "variants": 2,
        "seed": 7,
        "key": tmp_path / "key",
    }
