"""Tab: commands, options, and the values that have names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medaug.annotations.registry import READERS
from medaug.cli import completion
from medaug.inverse.priors.embedded import EMBEDDED_PRIORS
from medaug.profile.load import shipped_profiles
from tests.support.paths import ROOT


def offered(words: str, **environment: str) -> list[str]:
    """What bash gets for the last of ``words``, as the script of `--install-completion` asks for it."""
    asked = {"_MEDAUG_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = "import sys; sys.argv = ['medaug']; from medaug.cli import app; app(prog_name='medaug')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "among"),
    [
        ("medaug pr", ["preview", "profile", "prior"]),
        ("medaug run --str", ["--strength"]),
        ("medaug run IN -p bone-xray-m", ["bone-xray-moved"]),
        ("medaug preview IN --strength s", ["subtle", "strong"]),
    ],
)
def test_a_shell_is_offered_what_begins_so(words: str, among: list[str]) -> None:
    assert sorted(offered(words)) == sorted(among)


def test_every_value_with_a_name_is_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDAUG_PRIORS", str(tmp_path / "none"))
    assert completion.profiles("") == list(shipped_profiles())
    assert completion.strengths("") == ["subtle", "medium", "strong"]
    assert completion.priors("") == list(EMBEDDED_PRIORS)
    assert completion.formats("") == list(READERS)
    assert completion.unlabelled("k") == ["keep-nothing"]
    assert completion.pictures("") == ["file", "secondary-capture"]
    assert completion.profiles("./mine") == []  # a file: the shell's own


def test_a_store_that_cannot_be_read_offers_what_is_carried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MEDAUG_PRIORS", str(tmp_path / "file"))
    assert completion.priors("h") == ["head-ct-256"]
