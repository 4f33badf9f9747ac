"""The header of a derived instance made again from its source, the record and the profile, and compared whole.

It is made by the functions that the writer calls, so that whatever the table says of an attribute is checked, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medaug.audit import layout
from medaug.audit.record import Record
from medaug.dicom.frames import PER_FRAME, is_enhanced
from medaug.dicom.uids import derived_uid, instance_uid, series_uid
from medaug.dicom.write.attribute_values import Facts
from medaug.dicom.write.attributes import rows
from medaug.dicom.write.derive import derive
from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.stated import stated
from medaug.errors import ProfileError
from medaug.imaging.graft import in_words as graft_in_words
from medaug.imaging.motion import in_words
from medaug.profile.load import parse_profile
from medaug.profile.profile import Profile
from medaug.storage.plain_files import read_document
from medaug.verification.encoded import Elements, bytes_of, unequal, written
from medaug.version import __version__, versions

PIXELS = Tag("PixelData")
OWN_CODES = frozenset({"GENERATED", "GENERATED-LABEL", "CARRIED", "CLASSIC"})
SHOWN = 8  # attributes in a message

NOTHING: Elements = MappingProxyType({})


@dataclass(frozen=True)
class Statement:
    """What all headers of a run are made by, beside each unit's record.

    Attributes:
        profile: of profile.yaml.
        run: its public name, of FORMAT.json.
    """

    profile: Profile
    run: str

    def provenance(self, record: Record) -> Provenance:
        """What the unit's instances must say of themselves.

        Raises:
            ValueError: the record holds what no header can state.
        """
        prior = (record.prior.name, record.prior.sha256) if record.prior else ("", "")
        said = stated(
            self.profile,
            unit=record.unit,
            variant=record.variant,
            seed=record.seed,
            run=self.run,
            created=datetime.fromisoformat(record.created),
            prior=prior,
        )
        if record.transplant:
            made = record.transplant
            donor = (made.sop_class, made.donor.instance_uids[0]) if made.sop_class else None
            return replace(said, set_in=graft_in_words(made.graft), donor=donor)
        if record.moved is None:
            return said
        motions = record.moved.motions
        return replace(said, moved=in_words(motions), scale=1.0 if said.generated else motions.scale)


def statement_of(root: Path) -> Statement | None:
    """Of OUTPUT; None where its profile is another version's, or FORMAT.json names no run."""
    try:
        text = read_document(root / layout.PROFILE, layout.MAX_PROFILE, follow=False)
        return Statement(parse_profile(text, layout.PROFILE), str(layout.read_format(root)["run"]))
    except (ProfileError, OSError, ValueError, KeyError):
        return None


def can_be_made_again(record: Record) -> bool:
    """Whether this medaug, with these libraries, writes headers as the record's did."""
    now = versions()
    told = ("pydicom", "highdicom", "numpy")
    same = all(record.versions.get(name) == now[name] for name in told if name in now and name in record.versions)
    return same and record.versions.get("medaug") == __version__


def expected_uids(record: Record, run: str, k: int) -> tuple[str, str]:
    """SOPInstanceUID of the file that begins with slice ``k``, and SeriesInstanceUID."""
    source = record.source.instance_uids[k]
    source = source if record.source.format == "dicom" else derived_uid("picture", source)
    return instance_uid(run, record.unit, source, record.variant), series_uid(run, record.unit)


def table_faults(ds: Dataset, profile: Profile | None) -> Iterator[str]:
    """Attributes that every derived instance has with one value, or never, whatever its source is."""
    enhanced, there = is_enhanced(ds), ds.keys()
    for row in rows(profile.equipment if profile else "simulate", enhanced=enhanced):
        if row.rule == "drop":
            wrong = _tag(row.keyword) in there
        else:
            wrong = isinstance(row.value, str) and ds.get(row.keyword) != row.value
        if wrong:
            yield row.keyword
    holders = [ds]
    if enhanced:
        last = [list(group.get("DerivationImageSequence") or [])[-1:] for group in ds.get(PER_FRAME) or []]
        holders = [entry for entries in last for entry in entries]
    if not all(_ours(holder) for holder in holders):
        yield "DerivationCodeSequence"
    equipment = list(ds.get("ContributingEquipmentSequence") or [])
    if not any(entry.get("ManufacturerModelName") == "medaug" for entry in equipment):
        yield "ContributingEquipmentSequence"


def _ours(holder: Dataset) -> bool:
    codes = list(holder.get("DerivationCodeSequence") or [])
    return bool(codes) and codes[-1].get("CodeValue") in OWN_CODES


def as_read(ds: Dataset) -> Elements:
    """The elements of a data set before anything of it is looked at, which turns bytes into values."""
    return dict(ds.items())


def header_differences(
    found: Dataset, facts: Facts, changed: npt.NDArray[np.bool_], profile: Profile, raw: Elements = NOTHING
) -> tuple[str, ...]:
    """Attributes of a derived instance that aren't what the table makes of its source; pixels aside.

    Args:
        found: the derived instance.
        facts: its source, which is used up, and what else the table needs.
        changed: see `derive`.
        profile: decides what is kept of the source.
        raw: of ``found``, see `as_read`.

    Raises:
        ValueError: the table can't be applied to this source.
    """
    made = derive(facts, changed, keep_private=profile.keep_private, equipment=profile.equipment)
    return differing(made, found, raw)


def differing(made: Dataset, found: Dataset, raw: Elements = NOTHING) -> tuple[str, ...]:
    """Attributes that aren't equal in both, byte by byte where neither was parsed, sorted; pixels aside.

    Args:
        made: as it should be; used up.
        found: as it is.
        raw: of ``found``, see `as_read`: equal bytes are seen without parsing, which takes most of the time.
    """
    if PIXELS in made:
        del made[PIXELS]
    tags = {tag for ds in (made, found) for tag in ds.keys() if tag != PIXELS}  # noqa: SIM118 - tags, not elements
    unsure = unequal(made, {tag for tag in tags if tag in made and tag in found}, raw) | (made.keys() ^ found.keys())
    unsure &= tags
    if not unsure:
        return ()
    made = written(made)
    return tuple(sorted(_name(tag) for tag in unsure if not _same(made, found, tag, raw)))


def in_short(names: tuple[str, ...]) -> str:
    """The names, or the first of them."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _same(one: Dataset, other: Dataset, tag: BaseTag, raw: Elements) -> bool:
    if tag not in one or tag not in other:
        return False
    first, second = one.get_item(tag), other.get_item(tag)
    if isinstance(first, RawDataElement) and isinstance(second, RawDataElement):
        return bytes_of(first) == bytes_of(second)
    before = raw.get(tag)
    if isinstance(first, RawDataElement) and isinstance(before, RawDataElement) and bytes_of(first) == bytes_of(before):
        return True
    return bool(one[tag] == other[tag])


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _name(tag: BaseTag) -> str:
    return keyword_for_tag(tag) or str(tag)
