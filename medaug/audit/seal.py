"""The seal: what a finished run consists of, in one statement that may be signed.

An in-toto statement with SLSA's provenance, in a DSSE envelope. Its subjects are OUTPUT as a whole, by the Merkle root
over all results, and every file of the top level by its digest; so one statement names a hundred thousand files, and
what of them differs is told by the ledger's records, which the seal binds by each segment's head and number of lines.
A seal without a signature shows accidents; only one with a signature stops somebody who can write the whole folder.

Source: in-toto Statement v1, https://in-toto.io/Statement/v1; SLSA v1.0, https://slsa.dev/provenance/v1;
DSSE v1.0.2, https://github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from medaug.audit import layout, ledger, output_files
from medaug.audit.keys import key_id, load_private, verifies
from medaug.audit.merkle import ALGORITHM, files_root, merkle_root
from medaug.audit.record import Record
from medaug.audit.segments import LedgerSegment, all_segments, head
from medaug.errors import OutputError
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import canonical, parse
from medaug.storage.disk_map import DiskMap
from medaug.storage.plain_files import read_plain

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD = "urn:medaug:run:1"
WHOLE = "OUTPUT"  # the subject that stands for all results


@dataclass(frozen=True)
class Signature:
    """One signature of an envelope; ``keyid`` is a hint."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Sealed:
    """A seal, read back.

    Attributes:
        root: Merkle root over all results.
        files: how many results there are.
        tops: digests of the files on the top level.
        segments: the ledger, sorted by name.
        payload: what was signed.
        signatures: none where the seal is unsigned.
    """

    root: str
    files: int
    tops: Mapping[str, str]
    segments: tuple[LedgerSegment, ...]
    payload: bytes
    signatures: tuple[Signature, ...]


def seal(root: Path, *, key: Path | None = None, records: Collection[Record] | None = None) -> Path:
    """Write OUTPUT/seal.json over what lies there now; an older seal is replaced.

    Call it last: every file that is written later breaks it. The secrets below ``private/``, ``.staging/`` and
    ``quarantine/`` are left out.

    Args:
        root: OUTPUT.
        key: an Ed25519 private key, PEM; without one the seal is unsigned.
        records: the decisive ones of the ledger, where they were read before.

    Raises:
        OutputError: the key is none, a file can't be read, or the disk didn't take the seal.
    """
    private = load_private(key) if key else None
    subjects = _subjects(output_files.digests(root, output_files.take(root).results))
    segments = [head(path) for path in all_segments(root / layout.LEDGER)]
    if records is None:
        records = ledger.shelved(root / layout.LEDGER)
    payload = canonical(_statement(root, subjects, segments, records))
    signatures = []
    if private:
        signed = base64.b64encode(private.sign(encoded(payload))).decode()
        signatures.append({"keyid": key_id(private.public_key()), "sig": signed})
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": signatures,
    }
    (root / layout.ANCHOR).unlink(missing_ok=True)  # it is of the seal before
    return replace_file(root / layout.SEAL, canonical(envelope) + b"\n")


def read_seal(root: Path) -> Sealed:
    """Read OUTPUT/seal.json; nothing in it is believed yet.

    Raises:
        FileNotFoundError: there is none.
        ValueError: not such an envelope or statement; the message names the place.
    """
    envelope = parse(read_plain(root / layout.SEAL, follow=False))
    try:
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError(f"expected payloadType {PAYLOAD_TYPE}")
        payload = base64.b64decode(envelope["payload"], validate=True)
        statement = parse(payload)
        kinds = (statement["_type"], statement["predicateType"], statement["predicate"]["buildDefinition"]["buildType"])
        if kinds != (STATEMENT, PREDICATE, BUILD):
            raise ValueError("expected an in-toto statement with SLSA provenance of a medaug run")
        whole, *tops = statement["subject"]
        return Sealed(
            root=_text(whole["digest"][ALGORITHM]),
            files=int(whole["annotations"]["files"]),
            tops={_text(entry["name"]): _text(entry["digest"]["sha256"]) for entry in tops},
            segments=tuple(_segment(entry) for entry in statement["predicate"]["runDetails"]["byproducts"]),
            payload=payload,
            signatures=tuple(
                Signature(_text(s["keyid"]), base64.b64decode(s["sig"], validate=True)) for s in envelope["signatures"]
            ),
        )
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise ValueError(f"expected a DSSE envelope of a medaug run ({type(error).__name__})") from None


def signed_by(sealed: Sealed, public: Any) -> bool:
    """True when one of the signatures is the key's; the hints in the seal are not looked at."""
    message = encoded(sealed.payload)
    return any(verifies(public, signature.sig, message) for signature in sealed.signatures)


def encoded(payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding of type and payload."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _subjects(digests: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """OUTPUT as a whole, and the files on the top level by name."""
    tops: list[dict[str, Any]] = []
    files = 0

    def noted() -> Iterator[tuple[str, str]]:
        nonlocal files
        for name, digest in digests:
            files += 1
            if "/" not in name:
                tops.append({"name": name, "digest": {"sha256": digest}})
            yield name, digest

    root = files_root(noted())
    return [{"name": WHOLE, "digest": {ALGORITHM: root}, "annotations": {"files": files}}, *tops]


def _statement(
    root: Path, subjects: list[dict[str, Any]], segments: Iterable[LedgerSegment], records: Iterable[Record]
) -> dict[str, Any]:
    format_ = _format(root)
    profile = next((top["digest"]["sha256"] for top in subjects if top["name"] == layout.PROFILE), "")
    return {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {"profile": {"digest": {"sha256": profile}}},
                "internalParameters": {"format": format_.get("version", 0)},
                "resolvedDependencies": _dependencies(records),
            },
            "runDetails": {
                "builder": {"id": "urn:medaug", "version": _versions(records)},
                "metadata": {"invocationId": format_.get("run", ""), "startedOn": format_.get("created", "")},
                "byproducts": [
                    {
                        "name": f"{layout.LEDGER}/{segment.name}",
                        "digest": {"medaugChainSha256": segment.head},
                        "annotations": {"lines": segment.lines},
                    }
                    for segment in segments
                ],
            },
        },
    }


def _dependencies(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The priors, and all files that were read, by one root: neither names nor paths."""
    priors: dict[str, str] = {}
    files: DiskMap[None] = DiskMap()
    for record in records:
        for digest in chain.from_iterable(source.sha256 for source in record.shown):
            files[digest] = None
        if record.prior:
            priors[record.prior.sha256] = record.prior.name
    root = merkle_root(digest.encode() for digest in files)
    sources = {"name": "sources", "digest": {ALGORITHM: root}, "annotations": {"files": len(files)}}
    return [sources, *({"name": name, "digest": {"sha256": digest}} for digest, name in sorted(priors.items()))]


def _versions(records: Iterable[Record]) -> dict[str, str]:
    """Package → versions that made any of the records, for instance ``2.4.6`` or ``2.4.6, 2.4.7``."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in sorted(found.items())}


def _format(root: Path) -> dict[str, Any]:
    try:
        return layout.read_format(root)
    except (OSError, ValueError):
        raise OutputError("OUTPUT: FORMAT.json is missing or not readable; only a run's folder can be sealed") from None


def _segment(entry: Any) -> LedgerSegment:
    name = _text(entry["name"]).removeprefix(f"{layout.LEDGER}/")
    return LedgerSegment(name, int(entry["annotations"]["lines"]), _text(entry["digest"]["medaugChainSha256"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
