"""From YAML to a checked profile: shipped ones by name, any by path; the JSON Schema for editors."""

from __future__ import annotations

import difflib
import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from medaug.errors import ProfileError, counted
from medaug.profile.profile import Profile
from medaug.quality.checks import CheckName
from medaug.storage.plain_files import read_plain
from medaug.storage.strict_yaml import parse_yaml

MAX_BYTES = 1 << 18  # YAML takes 30 µs a byte
MAX_FAULTS = 20  # that are told of one profile; finding what an unknown key may mean takes 40 ms
MAX_WORD = 100  # characters of a key that are told


def profile_schema() -> dict[str, Any]:
    """JSON Schema of a profile, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Profile.model_json_schema()}


def shipped_profiles() -> tuple[str, ...]:
    """Names of the profiles in the package."""
    return tuple(sorted(path.name.removesuffix(".yaml") for path in _folder().iterdir() if path.name.endswith(".yaml")))


def load_profile(name_or_path: str) -> Profile:
    """Read a shipped profile by name, or any profile by path.

    Raises:
        ProfileError: unknown name, unreadable file, malformed YAML, unknown or wrong key.
    """
    if name_or_path in shipped_profiles():
        return parse_profile(
            (_folder() / f"{name_or_path}.yaml").read_text(encoding="utf-8"), where=f"profile {name_or_path!r}"
        )
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} and path.exists():
        return parse_profile(_text(path), where=f"profile {path.name!r}")
    raise ProfileError(
        f"profile: no such profile or .yaml file{_suggestion(name_or_path, shipped_profiles())}; "
        f"`medaug profile list` shows the shipped ones ({', '.join(shipped_profiles())})",
        code="profile-unknown",
    )


def _text(path: Path) -> str:
    try:
        return read_plain(path, MAX_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        found = "found one that can't be read" if error.errno != errno.EFBIG else "found more"
        expected = f"expected a file of at most {MAX_BYTES} bytes, {found} ({error.strerror})"
        raise ProfileError(f"profile {path.name!r}: {expected}") from None


def parse_profile(text: str, where: str) -> Profile:
    """Parse and check a profile's YAML.

    Raises:
        ProfileError: with one line per fault.
    """
    data = parse_profile_keys(text, where)
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise ProfileError(f"{where}: {'; '.join(_told(error))}", code="profile-key") from None


def parse_profile_keys(text: str, where: str) -> dict[str, Any]:
    """The keys of a profile as they stand, of this version or another.

    Raises:
        ProfileError: not YAML, or no mapping.
    """
    try:
        data = deepcopy(_parsed(text))
    except ValueError as error:
        raise ProfileError(f"{where}: not valid YAML: {error}", code="profile-yaml") from None
    if not isinstance(data, dict):
        raise ProfileError(f"{where}: expected a mapping of keys, found {type(data).__name__}", code="profile-yaml")
    return data


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """A profile is read again by every part of a command that needs it, at some 40 ms each time."""
    return parse_yaml(text)


def _told(error: ValidationError) -> Iterator[str]:
    """The first faults, and how many more there are: a small text can have 100,000."""
    yield from (_fault(dict(item)) for item in error.errors(include_url=False)[:MAX_FAULTS])
    if error.error_count() > MAX_FAULTS:
        yield f"and {counted(error.error_count() - MAX_FAULTS, 'fault')} more"


def _fault(item: dict[str, Any]) -> str:
    location = [str(part)[:MAX_WORD] for part in item["loc"]]
    key = ".".join(location)
    if item["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_suggestion(location[-1], _known_keys()) or _elsewhere(location)}"
    if location[:1] == ["checks"] and item["type"] == "literal_error":
        return f"checks: no limit can be set for {location[1]!r}{_suggestion(location[1], get_args(CheckName))}"
    return f"{key or 'profile'}: {item['msg']}"


@cache  # a profile may have thousands of unknown keys, and the schema takes 20 ms
def _known_keys() -> tuple[str, ...]:
    definitions = profile_schema()
    objects = [definitions, *definitions.get("$defs", {}).values()]
    return tuple(sorted({key for item in objects for key in item.get("properties", {})}))


def _elsewhere(location: Sequence[str]) -> str:
    """Under which other top key it may stand."""
    found = _sections().items()
    sections = sorted(section for section, keys in found if location[-1] in keys and section != location[0])
    return f" (it belongs under {' or '.join(map(repr, sections))})" if sections else ""


@cache
def _sections() -> Mapping[str, frozenset[str]]:
    """Top key → the keys that may stand under it."""
    schema = profile_schema()
    kept = {title: frozenset(item.get("properties", {})) for title, item in schema["$defs"].items()}
    return {
        key: frozenset().union(*(keys for title, keys in kept.items() if f'"#/$defs/{title}"' in json.dumps(item)))
        for key, item in schema["properties"].items()
    }


def _suggestion(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1) if len(word) <= MAX_WORD and word not in known else []
    return f" (did you mean {close[0]!r}?)" if close else ""


def _folder() -> Any:
    """``profiles`` in the wheel, or beside the package in an editable install."""
    inside = resources.files("medaug") / "profiles"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "profiles"
