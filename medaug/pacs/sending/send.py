"""Variants into an archive, unit by unit: images and evidence, checked before they go and after they arrived."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from pydicom.dataset import Dataset

from medaug.audit import ledger, segments
from medaug.audit.layout import LEDGER, PRIVATE
from medaug.audit.listed import Choice
from medaug.audit.record import Output, Record
from medaug.dicom import fields
from medaug.dicom.read import parse
from medaug.errors import ArchiveError, OutputError
from medaug.pacs.archive import Archive
from medaug.pacs.back_off import WAITS, patiently
from medaug.pacs.sending.elsewhere import Sought, coerced, elsewhere, sought
from medaug.pacs.sending.kept import Proof, check, content_digest
from medaug.pacs.sending.marked import is_marked
from medaug.pacs.sending.own_study import OwnStudy
from medaug.pacs.sending.same_archive import SameArchive, same
from medaug.pacs.sending.sent import COERCED, SentInstance, known, note
from medaug.storage.disk_map import DiskMap
from medaug.storage.plain_files import read_plain

T = TypeVar("T")
SUFFIX = ".dcm"
NOT_THERE = {"archive-not-kept", "archive-uids"}


@dataclass(frozen=True)
class Parcel:
    """What a send is to do.

    Attributes:
        output: OUTPUT.
        address: of the archive, as given.
        study: ``keep`` sends into the source's study, ``new`` into one of their own.
        evidence: whether segmentations and reports go, too.
        proof: how the archive is held to it, see `kept.check`.
        allowed: why it may be the archive that the sources came from; "" refuses.
        fetched: the folder that the sources were fetched into, where there is one.
        waits: seconds before each further attempt.
        sleep: waits.
    """

    output: Path
    address: str
    study: Literal["keep", "new"] = "keep"
    evidence: bool = True
    proof: Proof = "pixels"
    allowed: str = ""
    fetched: Path | None = None
    waits: Sequence[float] = WAITS
    sleep: Callable[[float], object] = time.sleep


@dataclass
class Sent:
    """What came of it.

    Attributes:
        variants: units whose instances are in the archive, those of earlier sends included.
        instances: their number, likewise.
        before: of them, those that earlier sends brought.
        left_out: code → units or instances that didn't go.
        why: code → a sentence of the first of them.
    """

    variants: int = 0
    instances: int = 0
    before: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)

    def leave(self, code: str, why: str) -> None:
        """Count something that didn't go."""
        self.left_out[code] += 1
        self.why.setdefault(code, why)


@dataclass(frozen=True)
class _Item:
    """One file on its way: its series, the UID that it has in the archive, and the digest of its content."""

    output: Output
    series: Sought
    instance: str
    digest: str


def send(archive: Archive, parcel: Parcel, on_unit: Callable[[Sent], object] = lambda _: None) -> Sent:
    """Send what OUTPUT's lists hold; given again, it goes on where it was cut.

    Args:
        archive: to give it to.
        parcel: what to do.
        on_unit: is told after each variant how far it is.

    Raises:
        ArchiveError: it can't be reached, refuses as a whole, may be where the sources came from, or didn't keep what
            it took (``archive-not-kept``, ``-uids``, ``-pixels``, ``-marks``); ``not-synthetic``: an instance isn't
            marked. What was sent and proved before stays.
        OutputError: OUTPUT is none, or a file isn't what its record says.
    """
    return _Send(archive, parcel).all(on_unit)


class _Send:
    """One send: the archive, OUTPUT, and what went until now."""

    def __init__(self, archive: Archive, parcel: Parcel) -> None:
        self._archive, self._parcel, self._said = archive, parcel, Sent()
        if parcel.proof == "none" and not parcel.allowed:
            raise same("without a proof it isn't asked whether it holds them")
        look = None if parcel.allowed else SameArchive(archive, parcel.address, parcel.fetched, self._asked)
        self._same = look
        segments.mend(parcel.output / PRIVATE)
        mine = (one for one in known(parcel.output) if one.archive == parcel.address and one.proof != COERCED)
        self._there = DiskMap((one.instance, one.sha256) for one in mine)

    def all(self, on_unit: Callable[[Sent], object]) -> Sent:
        """Unit by unit, in the order of their keys."""
        root = self._parcel.output
        choice = Choice.of(root)
        for record in ledger.shelved(root / LEDGER):
            if record.status == "written":
                code = choice.code(record.unit, record.folder)
                if code:
                    self._said.leave(code, "a variant that OUTPUT's lists leave out")
                else:
                    self._unit(record)
                on_unit(self._said)
        return self._said

    def _unit(self, record: Record) -> None:
        outputs = [one for one in record.outputs if one.path.endswith(SUFFIX)]
        if not self._parcel.evidence:
            outputs = [one for one in outputs if one in record.images]
        if not record.images[0].path.endswith(SUFFIX):
            self._said.leave("not-dicom", "a variant of another format than DICOM")
            return
        own = OwnStudy(frozenset(self._own(record, outputs)))
        going = [one for one in outputs if self._there.get(self._uid(own, one)) != one.sha256]
        self._said.before += len(outputs) - len(going)
        sent = list(self._given(record, own, going))
        self._prove(sent)
        if sent:
            note(self._parcel.output, (self._line(one, one.instance, self._parcel.proof) for one in sent))
        self._said.instances += len(outputs) - len(going) + len(sent)
        self._said.variants += 1

    def _given(self, record: Record, own: OwnStudy, outputs: Sequence[Output]) -> Iterator[_Item]:
        """Give the archive what it doesn't have, one instance in memory at a time."""
        there: dict[Sought, set[str]] = {}
        for output in outputs:
            read = parse.parsed(_content(self._parcel.output, output))
            ds = read.dataset
            if not is_marked(ds):
                raise ArchiveError(
                    f"{output.path}: an instance that doesn't say that it is synthetic is never sent",
                    code="not-synthetic",
                )
            if self._same:
                self._same.refuse(record, fields.text(ds, "DeidentificationMethod"))
            if self._parcel.study == "new":
                own.moved(ds)
            item = _Item(output, sought(ds), fields.uid(ds, "SOPInstanceUID"), content_digest(read))
            if item.series not in there:
                there[item.series] = self._held(item.series)
            if item.instance in there[item.series] or self._stored(ds):
                yield item

    def _stored(self, ds: Dataset) -> bool:
        try:
            self._asked(partial(self._archive.store, ds))
        except ArchiveError as error:
            if error.code != "archive-refused":
                raise
            self._said.leave(error.code, str(error))
            return False
        return True

    def _held(self, of: Sought) -> set[str]:
        """What the archive has of a series, as from a send that was cut."""
        if self._parcel.proof == "none":
            return set()
        return self._asked(lambda: {one.instance for one in self._archive.find_instances(of.series)})

    def _prove(self, sent: Sequence[_Item]) -> None:
        grouped: dict[Sought, list[_Item]] = defaultdict(list)
        for one in sent:
            grouped[one.series].append(one)
        for of, items in grouped.items():
            expected = {one.instance: one.digest for one in items}
            try:
                check(self._archive, of.series, expected, self._parcel.proof, self._asked)
            except ArchiveError as error:
                if error.code in NOT_THERE:
                    self._refuse_coerced(grouped)
                raise

    def _refuse_coerced(self, sent: Mapping[Sought, Sequence[_Item]]) -> None:
        """Look for what isn't where it was sent to, all of the unit, and note where each lies."""
        refusal = None
        for of, items in sent.items():
            expected = {one.instance: one.digest for one in items}
            found = elsewhere(self._archive, of, expected, self._asked)
            if found:
                there = [(one, found[one.instance].instance) for one in items if one.instance in found]
                note(self._parcel.output, (self._line(one, uid, COERCED) for one, uid in there))
                refusal = refusal or coerced(of, found, len(items))
        if refusal:
            raise refusal from None

    def _asked(self, ask: Callable[[], T], /) -> T:
        return patiently(ask, self._parcel.waits, self._parcel.sleep)

    def _own(self, record: Record, outputs: Sequence[Output]) -> Iterator[str]:
        """The UIDs that a study of their own replaces: those of the unit's instances and their series."""
        if self._parcel.study == "new":
            for output in record.outputs:
                if output.path.endswith(SUFFIX):
                    yield output.sop_instance_uid
            for output in outputs:
                ds, _ = parse.header(self._parcel.output / output.path, ("SeriesInstanceUID",))
                yield fields.uid(ds, "SeriesInstanceUID")

    def _uid(self, own: OwnStudy, output: Output) -> str:
        return own.uid(output.sop_instance_uid)

    def _line(self, one: _Item, there: str, proof: str) -> SentInstance:
        parcel = self._parcel
        said = parcel.address, one.output.path, one.output.sha256, there, proof, parcel.allowed
        return SentInstance(*said, segments.now())


def _content(root: Path, output: Output) -> bytes:
    try:
        data = read_plain(root / output.path, parse.MAX_FILE, follow=False)
    except OSError as error:
        raise OutputError(f"OUTPUT: {output.path} can't be read ({error.strerror}); see `medaug verify`") from None
    if hashlib.sha256(data).hexdigest() != output.sha256:
        raise OutputError(f"OUTPUT: {output.path} isn't what its record says; see `medaug verify`")
    return data
