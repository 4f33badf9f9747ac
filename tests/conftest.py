from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from medaug.error_codes import CODES
from medaug.errors import MedaugError

settings.register_profile("house", derandomize=True, deadline=None, max_examples=60, database=None)
settings.load_profile("house")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Without looking for garbage: what is imported meanwhile is more than a million objects, and none of them is."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real cases; see the marker `data`."""
    folder = Path(os.environ.get("MEDAUG_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no real cases here: set MEDAUG_DATA to their folder")
    return folder


@pytest.fixture(autouse=True, scope="session")
def every_error_carries_a_code_of_the_table() -> Iterator[None]:
    """What `test_codes` can't see in the source: a code that is put together when it is raised."""
    plain = MedaugError.__init__

    def checked(self: MedaugError, message: str, *, code: str | None = None) -> None:
        plain(self, message, code=code)
        assert self.code in CODES, f"give the code {self.code!r} a sentence in medaug/error_codes.py"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MedaugError, "__init__", checked)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_test_waits_for_the_disk() -> Iterator[None]:
    """Whether what must be flushed is flushed is asked of the disk's model (`tests.support.disk`) and of spies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def commands() -> Iterator[None]:
    from tests.support.command_line import commands_built_once

    with commands_built_once():
        yield


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


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed OUTPUT, out/, its source, in/, labels, and the keys, keys/; nobody may change it."""
    from medaug.audit import keys
    from medaug.audit.seal import seal
    from tests.support.sound_output import build

    folder = tmp_path_factory.mktemp("sound")
    root = build(folder)
    private, _ = keys.new_keys(folder / "keys")
    seal(root, key=private)
    return folder
