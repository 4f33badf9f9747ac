"""What describes an OUTPUT in words: made again from its records and its profile, and compared byte by byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from medaug.audit.crate import crate
from medaug.audit.layout import CRATE, METHODS
from medaug.audit.methods import methods
from medaug.audit.record_order import Ordered
from medaug.errors import OutputError
from medaug.manifests.croissant import CROISSANT, croissant
from medaug.profile.profile import Profile
from medaug.storage.atomic import has_bytes
from medaug.storage.canonical_json import document
from medaug.storage.plain_files import is_plain
from medaug.verification.faults import Fault


def check_descriptions(root: Path, records: Ordered, profile: Profile) -> Iterator[Fault]:
    """croissant.json, METHODS.md and the crate, as far as they are there: what is missing is the seal's to say."""
    for name in (CROISSANT, METHODS, CRATE):
        try:
            same = not is_plain(root / name, follow=False) or has_bytes(
                root / name, _made(name, root, records, profile)
            )
        except OutputError:  # a file that it describes can't be read, which is a fault of that file
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield Fault("list-differs", f"it can't be made again ({type(error).__name__})", name)
            continue
        if not same:
            yield Fault("list-differs", "it isn't what follows from records and profile, made again", name)


def _made(name: str, root: Path, records: Ordered, profile: Profile) -> Iterable[bytes]:
    if name == CROISSANT:
        return [croissant(records, root)]
    return [methods(profile, records).encode()] if name == METHODS else document(crate(records, root, profile))
