"""The priors in the package: each complete, each found by the digest that a profile pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from medaug.errors import PriorError
from medaug.inverse.priors.card import EMBEDDED, read_card
from medaug.inverse.priors.embedded import EMBEDDED_PRIORS, embedded_with, is_embedded
from medaug.inverse.priors.library.lookup import folder_of
from medaug.inverse.priors.library.store import add
from medaug.inverse.priors.loaders.load import rehash


@pytest.mark.parametrize("name", sorted(EMBEDDED_PRIORS))
def test_an_embedded_prior_is_whole_and_found_by_its_name_and_its_digest(name: str) -> None:
    folder = EMBEDDED_PRIORS[name]
    card = read_card(folder)
    assert (card.name, rehash(folder, card)) == (name, "medaug")
    assert embedded_with(card.sha256) == folder_of(name) == folder
    assert is_embedded(folder)
    assert "CC BY" in card.licence
    assert all((card.attribution, card.trained_on, card.not_for))


def test_no_two_have_one_digest_and_together_they_are_small() -> None:
    assert len({read_card(folder).sha256 for folder in EMBEDDED_PRIORS.values()}) == len(EMBEDDED_PRIORS)
    assert sum(path.stat().st_size for folder in EMBEDDED_PRIORS.values() for path in folder.iterdir()) < 45e6


def test_an_unknown_digest_is_left_to_the_check_against_the_profile() -> None:
    assert embedded_with("0" * 64) == EMBEDDED


def test_a_stored_prior_takes_none_of_their_names(tmp_path: Path) -> None:
    for name in ("embedded", *EMBEDDED_PRIORS):
        with pytest.raises(PriorError, match="the name is taken"):
            add(EMBEDDED, tmp_path, name)


def test_one_that_was_stored_before_there_was_such_a_name_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDAUG_PRIORS", str(tmp_path))
    add(EMBEDDED, tmp_path, "mine")
    (tmp_path / "mine").rename(tmp_path / "brain-mr-256")
    assert folder_of("brain-mr-256") == tmp_path / "brain-mr-256"
    assert folder_of("embedded") == EMBEDDED
