"""What differs between two folders of what medaug wrote: images, evidence, lists, records, ledger, page, modes.

Used by `same_bytes.py`. Files are compared byte for byte, but for what can't be the same in two runs of one commit with
the same key and SOURCE_DATE_EPOCH; it was found by running one twice, and is all of this:

* ledger: the name of a segment (the writer's host and process, and random digits), and in a line `logged` (its clock;
  not the date of the run), `seconds` (wall time) and `prev`, which hashes the two with the line before: that the chain
  holds is compared in its place. A line in another spelling than today's is compared as it is.
* seal.json: names and heads of these segments. That a head is the last line's digest is compared in its place.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom

SHOWN = 5  # differing keys of a file
SEGMENT = "segment-"
LINKED = b"digest of the line before"
CLOCK = re.compile(rb'^\{"logged":"[^"]*","prev":"(?P<prev>[0-9a-f]{64})"(?P<record>,.*),"seconds":[-+.0-9e]+\}$')


class Results:
    """Files and folders by name, read as far as they are fixed."""

    def __init__(self, root: Path) -> None:
        self.segments = sorted(root.rglob("ledger/*.jsonl"), key=lambda path: steady_ledger(path.read_bytes()))
        self.paths = {str(path.relative_to(root)): path for path in root.rglob("*") if path not in self.segments}
        for number, path in enumerate(self.segments, start=1):
            self.paths[str(path.parent.relative_to(root) / f"{SEGMENT}{number}.jsonl")] = path

    def read(self, name: str) -> bytes:
        path = self.paths[name]
        if path.is_dir():
            return b""
        if path in self.segments:
            return steady_ledger(path.read_bytes())
        return steady_seal(path.read_bytes(), self.segments) if path.name == "seal.json" else path.read_bytes()


def steady_ledger(data: bytes) -> bytes:
    """A segment's lines without their clock, and with `LINKED` where they hold the digest of the line before."""
    lines, before = [], "0" * 64
    for line in data.split(b"\n"):
        clock = CLOCK.match(line)
        link = LINKED if clock and clock["prev"].decode() == before else b"something else"
        lines.append(b'{"prev":"%b"%b}' % (link, clock["record"]) if clock else line)
        before = digest(line)
    return b"\n".join(lines)


def steady_seal(data: bytes, segments: Sequence[Path]) -> bytes:
    """A seal that names segments of the ledger by their number, and their heads where these are right."""
    try:
        sealed = json.loads(data)["payload"]
        payload = base64.b64decode(sealed, validate=True)
    except (ValueError, KeyError, TypeError):  # no seal; it is compared as it is
        return data
    for number, path in enumerate(segments, start=1):
        payload = payload.replace(path.name.encode(), f"{SEGMENT}{number}.jsonl".encode())
        head = path.read_bytes().rstrip(b"\n").rpartition(b"\n")[2]
        payload = payload.replace(digest(head).encode(), f"head of {SEGMENT}{number}".encode())
    return data.replace(sealed.encode(), base64.b64encode(payload))


def differences(reference: Path, candidate: Path) -> list[str]:
    """A line for each file or folder that differs, with how it does."""
    one, other = Results(reference), Results(candidate)
    lines = [f"{name}: only the reference has it" for name in one.paths.keys() - other.paths.keys()]
    lines += [f"{name}: only the candidate has it" for name in other.paths.keys() - one.paths.keys()]
    for name in one.paths.keys() & other.paths.keys():
        modes = [results.paths[name].stat().st_mode for results in (one, other)]
        if modes[0] != modes[1]:
            lines.append(f"{name}: mode {modes[0]:o} ≠ {modes[1]:o}")
        before, after = one.read(name), other.read(name)
        if before != after:
            lines.append(f"{name}: {how(name, before, after)}")
    return sorted(lines)


def how(name: str, before: bytes, after: bytes) -> str:
    """The first differing keys, attributes or lines; sizes and digests where a file has none or they are equal."""
    whole = f"{len(before)} bytes {digest(before)[:12]} ≠ {len(after)} bytes {digest(after)[:12]}"
    view = VIEWS.get(Path(name).suffix)
    try:
        one, other = (view(before), view(after)) if view else ({}, {})
    except Exception as error:  # noqa: BLE001 - whatever a broken file does to its reader
        return f"{whole}, not readable ({type(error).__name__})"
    keys = [key for key in one | other if one.get(key) != other.get(key)]
    if not keys:
        return f"{whole}{', the same contents in another spelling' if view else ''}"
    told = [f"{key}: {short(one.get(key))} ≠ {short(other.get(key))}" for key in keys[:SHOWN]]
    return "; ".join(told + [f"and {len(keys) - SHOWN} more"] * (len(keys) > SHOWN))


def short(value: str | None) -> str:
    """A value on a line."""
    if value is None:
        return "missing"
    return value if len(value) <= 80 else f"{value[:60]} … ({len(value)} characters, {digest(value.encode())[:8]})"


def keys_of(data: bytes) -> dict[str, str]:
    """JSON by the places of its values; a seal's payload is opened."""
    value = json.loads(data)
    if isinstance(value, dict) and isinstance(value.get("payload"), str):
        value["payload"] = json.loads(base64.b64decode(value["payload"]))
    return dict(leaves(value))


def keys_of_lines(data: bytes) -> dict[str, str]:
    """JSON Lines likewise."""
    return dict(leaves({f"line {n}": json.loads(line) for n, line in enumerate(data.splitlines(), start=1)}))


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Place and value of everything that holds nothing."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{at}[{number}]")
    else:
        yield at, json.dumps(value, ensure_ascii=False)


def attributes(data: bytes) -> dict[str, str]:
    """A DICOM file by its attributes."""
    ds = pydicom.dcmread(io.BytesIO(data))
    return {**dict(elements(ds.file_meta, "file meta ")), **dict(elements(ds, ""))}


def elements(ds: pydicom.Dataset, at: str) -> Iterator[tuple[str, str]]:
    """Place and value of every element, those of items included."""
    for element in ds:
        place = f"{at}{element.tag} {element.keyword or 'private'}"
        if element.VR == "SQ":
            yield place, f"{len(element.value)} items"
            for number, inner in enumerate(element.value):
                yield from elements(inner, f"{place}[{number}] ")
        elif isinstance(element.value, bytes):
            yield place, f"{element.VR} {len(element.value)} bytes {digest(element.value)[:12]}"
        else:
            yield place, f"{element.VR} {element.value!r}"


def lines_of(data: bytes) -> dict[str, str]:
    """A text by its lines."""
    return {f"line {n}": line for n, line in enumerate(data.decode().splitlines(), start=1)}


def digest(data: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(data).hexdigest()


VIEWS: Mapping[str, Callable[[bytes], dict[str, str]]] = {
    ".json": keys_of,
    ".jsonl": keys_of_lines,
    ".dcm": attributes,
    **dict.fromkeys((".html", ".md", ".yaml", ".csv", ".txt"), lines_of),
}
