from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real cases; see the marker `data`."""
    folder = Path(os.environ.get("MEDAUG_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no real cases here: set MEDAUG_DATA to their folder")
    return folder


@pytest.fixture(autouse=True)
def global_random_state_is_untouched() -> Iterator[None]:
    before = _random_state()
    yield
    after = _random_state()
    changed = [name for name, state in before.items() if after[name] != state]
    assert not changed, f"the global random state was used or set: {', '.join(changed)}"


def _random_state() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state is what is watched
    state: dict[str, Any] = {"random": random.getstate(), "numpy": (kind, bytes(keys.data), *rest)}
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch"] = bytes(torch.get_rng_state().numpy().data)
    return state
