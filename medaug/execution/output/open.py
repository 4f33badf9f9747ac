"""Open OUTPUT: make it, check what it belongs to, put right what a killed run left."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from medaug.audit import layout
from medaug.audit.segments import mend
from medaug.errors import OutputError, ProfileError, counted
from medaug.execution.output import leases
from medaug.execution.output.lists import Listing, read_listing
from medaug.execution.output.store import Ended, Store, file_name, keyed
from medaug.profile.load import parse_profile
from medaug.profile.profile import Profile
from medaug.storage.atomic import disk_errors, flush_folder, has_bytes, replace_file, write_secret
from medaug.storage.locks import locked
from medaug.storage.plain_files import read_document, read_plain

KEY_BYTES = 32
MAX_KEY = 1 << 10  # bytes that are looked at
# What may lie there before FORMAT.json does.
_BEFORE_FORMAT = {layout.STAGING, layout.PRIVATE, layout.PROFILE, layout.PLAN}
_LEFTOVER = re.compile(r"\..+\.\d+")  # of `replace_file`


def open_store(
    root: Path, profile: Profile, listing: Listing, now: datetime, *, key_file: Path | None = None, extend: bool = False
) -> tuple[Store, Ended]:
    """Open OUTPUT, or make it; check that it belongs to this profile and plan; put right what a killed run left.

    Args:
        root: OUTPUT.
        profile: the resolved profile.
        listing: the plan as it will stand in plan.json.
        now: the date of a new OUTPUT.
        key_file: the secret of a new OUTPUT; drawn at random otherwise.
        extend: take another plan than the one that OUTPUT was made for.

    Returns:
        The store, and how units ended until now.

    Raises:
        OutputError: OUTPUT is something else, another version's, profile's, key's or plan's, or can't be written.
    """
    with disk_errors("OUTPUT"):
        _check_foreign(root)
        _make_folder(root)
        _make_folder(root / layout.STAGING)
        with locked(root / layout.STAGING / leases.LOCK):
            _remove_leftovers(root)
            if not (root / layout.FORMAT).exists():
                _make(root, profile, listing, now, _given(key_file) or secrets.token_bytes(KEY_BYTES))
            store = attach(root)
            _check_profile(root, profile)
            _check_key(store, _given(key_file))
            _check_plan(root, listing.keyed(partial(file_name, store.secret)), extend=extend)
            for folder in (layout.VARIANTS, layout.LEDGER):
                _make_folder(root / folder)
            leases.tidy(store.staging)
            mend(store.ledger)
            ended = store.look()
            store.relog(ended)
    return store, ended


def attach(root: Path) -> Store:
    """An OUTPUT that is there; nothing is changed.

    Raises:
        OutputError: it is no medaug output, of an unknown version, or its key is missing.
    """
    stamp = read_stamp(root)
    try:
        created, run = datetime.fromisoformat(stamp["created"]).astimezone(UTC), str(stamp["run"])
        secret = read_plain(root / layout.KEY, MAX_KEY)
    except FileNotFoundError:
        raise OutputError(f"OUTPUT: {layout.KEY} is missing; restore it, or give a new folder") from None
    except OSError as error:
        raise OutputError(f"OUTPUT: {layout.KEY} can't be read ({error.strerror}); restore it") from None
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"OUTPUT: {layout.FORMAT} is not readable ({error}); give a new folder") from None
    if keyed(secret, "run") != run:
        what = f"{layout.KEY} is not the key that this run was made with"
        raise OutputError(f"OUTPUT: {what}; restore it, or give a new folder")
    return Store(root, created, run, leases.worker_name(), secret)


def read_stamp(root: Path) -> dict[str, Any]:
    """FORMAT.json of an OUTPUT.

    Raises:
        OutputError: it is no medaug output, or of an unknown version.
    """
    try:
        stamp = layout.read_format(root)
    except FileNotFoundError:
        raise OutputError("OUTPUT: expected FORMAT.json, found none; give a folder that `medaug run` made") from None
    except OSError as error:
        what = f"{layout.FORMAT} can't be read ({error.strerror}); restore it, or give a new folder"
        raise OutputError(f"OUTPUT: {what}") from None
    except ValueError as error:
        raise OutputError(f"OUTPUT: {layout.FORMAT} is not readable ({error}); give a new folder") from None
    if not layout.is_known(stamp):
        found = f"{stamp.get('format')} version {stamp.get('version')}"
        raise OutputError(f"OUTPUT: expected {layout.KNOWN}, found {found}; give a new folder")
    return stamp


def _check_foreign(root: Path) -> None:
    """Nobody's thesis is overwritten. What a run that was killed on its first steps left counts as nothing."""
    if not root.exists() or (root / layout.FORMAT).exists():
        return
    names = {path.name for path in root.iterdir()}
    if any(not _LEFTOVER.fullmatch(name) for name in names - _BEFORE_FORMAT):
        raise OutputError("OUTPUT: the folder is not empty and no medaug output; give a new or an empty folder")


def _make(root: Path, profile: Profile, listing: Listing, now: datetime, secret: bytes) -> None:
    """Write what a run never changes; FORMAT.json comes last and says that the rest is there."""
    _make_folder(root / layout.PRIVATE, 0o700)
    (root / layout.KEY).unlink(missing_ok=True)
    write_secret(root / layout.KEY, secret)  # whole before FORMAT.json names the run
    replace_file(root / layout.PROFILE, profile.to_yaml().encode())
    replace_file(root / layout.PLAN, listing.keyed(partial(file_name, secret)).to_json())
    replace_file(root / layout.FORMAT, layout.declaration(now.isoformat(), keyed(secret, "run")))


def _make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and its parents, each name durable in the folder above it."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make_folder(folder.parent)
    folder.mkdir(mode, exist_ok=True)
    flush_folder(folder.parent)


def _given(key_file: Path | None) -> bytes | None:
    if key_file is None:
        return None
    try:
        secret = read_plain(key_file, MAX_KEY)
    except OSError as error:
        raise OutputError(f"key: the file can't be read ({error.strerror}); give a file of {KEY_BYTES} bytes") from None
    if len(secret) != KEY_BYTES:
        raise OutputError(
            f"key: expected {KEY_BYTES} bytes, found {len(secret)}; make one with: head -c 32 /dev/urandom > FILE"
        )
    return secret


def _check_profile(root: Path, profile: Profile) -> None:
    resolved = root / layout.PROFILE
    if not _same(resolved, profile):
        raise OutputError(
            f"OUTPUT: it was made with another profile than {profile.name!r} as it is now (see its profile.yaml); "
            "give a new folder, or the same profile"
        )


def _same(path: Path, profile: Profile) -> bool:
    """By digest: where a prior lies, and what the profile says of itself, may change."""
    try:
        text = read_document(path, follow=False)
        return parse_profile(text, layout.PROFILE).sha256 == profile.sha256
    except (ProfileError, OSError, UnicodeDecodeError):
        return False


def _check_key(store: Store, given: bytes | None) -> None:
    if given is not None and given != store.secret:
        raise OutputError("OUTPUT: it was made with another key; leave the key out, it is kept there, or give the same")


def _check_plan(root: Path, listing: Listing, *, extend: bool) -> None:
    """Another set of units is another run, unless it was asked for: labels may have been withdrawn by mistake."""
    if has_bytes(root / layout.PLAN, listing.to_json()):
        return
    before = read_listing(root)
    mine, theirs = listing.units, before.units
    new, gone = sum(unit not in theirs for unit in mine), sum(unit not in mine for unit in theirs)
    if (new or gone) and not extend:
        raise OutputError(
            f"OUTPUT: it was made for another set of inputs: {counted(len(theirs), 'unit')}, now {len(mine)}, "
            f"{new} of them new and {gone} of the old ones gone. Images, annotations, "
            "variants or the seed changed. Give a new folder, or --extend to take the new set: "
            "what it doesn't hold leaves the lists"
        )
    replace_file(root / layout.PLAN, listing.to_json())  # what is left out, or how sources are named


def _remove_leftovers(root: Path) -> None:
    """Files that a killed `replace_file` left; nobody else writes here while the folder is locked."""
    for folder in (root, root / layout.QUARANTINE, root / layout.PRIVATE):
        for path in folder.iterdir() if folder.is_dir() else ():
            if _LEFTOVER.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)
