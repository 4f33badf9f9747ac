"""OUTPUT as a whole: its format, its ledger's chain, its set of files, its seal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from pathlib import Path

from medaug.audit import layout, ledger
from medaug.audit.anchor import MAX_ANCHOR, names
from medaug.audit.keys import load_public
from medaug.audit.layout import ANCHOR, LEDGER, RECORD, SEAL, VARIANTS
from medaug.audit.merkle import files_root
from medaug.audit.record import Record
from medaug.audit.seal import Sealed, read_seal, signed_by
from medaug.audit.segments import all_segments, head
from medaug.errors import counted
from medaug.manifests.croissant import CROISSANT
from medaug.manifests.table import MANIFESTS
from medaug.storage.disk_map import DiskMap
from medaug.storage.plain_files import read_plain
from medaug.verification.faults import Fault

WRITTEN = frozenset(
    {
        *(layout.FORMAT, layout.PROFILE, layout.PLAN, layout.PAGE, layout.METHODS, layout.CRATE, CROISSANT),
        *(manifest.name for manifest in MANIFESTS),
    }
)


def check_format(root: Path) -> Iterator[Fault]:
    """Whether this is an OUTPUT that can be judged at all."""
    try:
        declared = layout.read_format(root)
    except (OSError, ValueError):
        declared = {}
    if not {"format", "version"} <= declared.keys():
        what = "expected FORMAT.json with a format and a version; is this what `medaug run` made?"
        yield Fault("format", what, layout.FORMAT)
    elif not layout.is_known(declared):
        what = f"expected {layout.KNOWN}, found another; use the medaug that made it"
        yield Fault("format", what, layout.FORMAT)


def check_chain(root: Path) -> Iterator[Fault]:
    """Every segment by itself."""
    for problem in ledger.verify_chain(root / LEDGER):
        yield Fault("ledger-chain", problem, LEDGER)


def open_seal(root: Path) -> tuple[Sealed | None, tuple[Fault, ...]]:
    """The seal, or why there is none."""
    try:
        return read_seal(root), ()
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            return None, (Fault("seal-malformed", f"it can't be read ({error.strerror})", SEAL),)
        return None, (
            Fault(
                "seal-missing", "the run hasn't ended, or the seal was removed; the same command again ends it", SEAL
            ),
        )
    except ValueError as error:
        return None, (Fault("seal-malformed", str(error), SEAL),)


def check_signature(sealed: Sealed, public_key: Path) -> Iterator[Fault]:
    """The seal against a key that came another way than the data.

    Raises:
        OutputError: the key is none.
    """
    key = load_public(public_key)
    if not sealed.signatures:
        yield Fault("seal-unsigned", "a public key was given, and nobody signed the seal", SEAL)
    elif not signed_by(sealed, key):
        yield Fault("seal-signature", "no signature on it is the given key's, or it was changed after signing", SEAL)


def check_anchor(root: Path, anchor: Path | None) -> Iterator[Fault]:
    """The seal against the anchor that was given, else against one that lies beside it.

    An older state that was put back, however well it is signed, isn't what the newer anchor names.
    """
    if anchor is None and not (root / ANCHOR).exists():
        return
    try:
        kept = read_plain(anchor, MAX_ANCHOR) if anchor else read_plain(root / ANCHOR, 2 * MAX_ANCHOR, follow=False)
        if not names(kept, read_plain(root / SEAL, follow=False)):
            yield Fault("seal-anchor", "it doesn't hold the SHA-256 of this seal.json: is this an older state?", SEAL)
    except OSError as error:
        yield Fault("seal-anchor", f"it can't be read ({error.strerror})", SEAL)


def check_sealed_ledger(root: Path, sealed: Sealed) -> Iterator[Fault]:
    """Segments, their number of lines and their last digests, both ways."""
    heads = {path.name: head(path) for path in all_segments(root / LEDGER)}
    wanted = {segment.name: segment for segment in sealed.segments}
    for name in sorted(wanted.keys() | heads.keys()):
        file = f"{LEDGER}/{name}"
        if name not in heads:
            yield Fault("seal-ledger", "a sealed segment isn't there", file)
        elif name not in wanted:
            yield Fault("seal-ledger", "a segment that wasn't sealed", file)
        elif heads[name].lines != wanted[name].lines:
            counts = f"{counted(wanted[name].lines, 'line')} sealed, {heads[name].lines} there"
            yield Fault("seal-ledger", counts, file)
        elif heads[name] != wanted[name]:
            yield Fault("seal-ledger", "its last line isn't the sealed one", file)


def check_sealed_files(sealed: Sealed, digests: Collection[tuple[str, str]]) -> Iterator[Fault]:
    """All results, by the bytes of their names, against the seal; those on the top level by name."""
    tops = {name: digest for name, digest in digests if "/" not in name}
    for name in sorted(sealed.tops.keys() - tops.keys()):
        yield Fault("file-missing", "the seal names it, and it isn't there", name)
    for name in sorted(tops.keys() - sealed.tops.keys()):
        yield Fault("file-unknown", "the seal doesn't name it", name)
    for name in sorted(tops.keys() & sealed.tops.keys()):
        if tops[name] != sealed.tops[name]:
            yield Fault("file-changed", "it has another digest than in the seal", name)
    if (files_root(digests), len(digests)) != (sealed.root, sealed.files):
        yield Fault("seal-root", f"{sealed.files} results were sealed, these {len(digests)} are not the same", SEAL)


def check_places(names: Iterable[str]) -> Iterator[Fault]:
    """Every result that isn't below variants/ is one of those that a run writes, sealed or not.

    Args:
        names: all results.
    """
    for name in names:
        if name not in WRITTEN and not name.startswith(f"{VARIANTS}/"):
            yield Fault("file-unknown", "no run writes a file of this name here; keep what is yours elsewhere", name)


def check_variants(names: Iterable[str], others: Iterable[str], written: Iterable[Record]) -> Iterator[Fault]:
    """Every file below variants/ belongs to a written unit.

    Args:
        names: all results, sorted.
        others: links and the like.
        written: their records.
    """
    for name in others:
        yield Fault("file-unknown", "neither a file nor a folder; a run writes nothing else", name)
    listed: DiskMap[str] = DiskMap()
    for record in written:
        for path in (f"{record.folder}/{RECORD}", *(output.path for output in record.outputs)):
            listed[path] = record.unit
    below = (name for name in names if name.startswith(f"{VARIANTS}/"))
    for folder, files in groupby(below, key=lambda name: "/".join(name.split("/")[:2])):
        unit = listed.get(f"{folder}/{RECORD}")
        strange = [name for name in files if name not in listed]
        if unit is None and strange:
            yield Fault("unit-unlogged", "no line in the ledger says that this unit was written", folder)
        elif unit is not None:
            yield from (Fault("file-unknown", "its unit's record doesn't name it", name, unit) for name in strange)
