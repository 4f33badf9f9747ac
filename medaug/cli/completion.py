"""What Tab offers for an option's value: names only, of what is there; files are the shell's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from medaug.errors import MedaugError


def profiles(incomplete: str) -> list[str]:
    """Shipped profiles."""
    from medaug.profile.load import shipped_profiles

    return _begun(shipped_profiles(), incomplete)


def strengths(incomplete: str) -> list[str]:
    """The rungs of a ladder; numbers aren't offered."""
    from medaug.profile.strength import NAMES

    return _begun(NAMES, incomplete)


def priors(incomplete: str) -> list[str]:
    """The embedded priors, and the stored ones as far as the store can be read."""
    from medaug.inverse.priors.embedded import EMBEDDED_PRIORS
    from medaug.inverse.priors.library.lookup import store_root, stored

    try:
        kept = stored(store_root())
    except (OSError, MedaugError):
        kept = ()
    return _begun((*EMBEDDED_PRIORS, *kept), incomplete)


def formats(incomplete: str) -> list[str]:
    """Formats of annotations."""
    from medaug.annotations.registry import READERS

    return _begun(READERS, incomplete)


def unlabelled(incomplete: str) -> list[str]:
    """What becomes of images without labels."""
    return _begun(_words_of("unlabelled"), incomplete)


def pictures(incomplete: str) -> list[str]:
    """What variants of pictures are."""
    return _begun(_words_of("pictures"), incomplete)


def _words_of(key: str) -> tuple[Any, ...]:
    from medaug.profile.profile import Profile

    return get_args(Profile.model_fields[key].annotation)


def _begun(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
