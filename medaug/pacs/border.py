"""What comes from an archive, before it may be handed over: the instance that was asked for, and nobody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.dicom.identity import identity_of
from medaug.dicom.read.parse import MAX_FILE, coded, parsed
from medaug.errors import ArchiveError, ReadError
from medaug.pacs.archive import InstanceFound, Query
from medaug.pacs.deidentify.basic import deidentified
from medaug.pacs.deidentify.options import Deidentification
from medaug.pacs.deidentify.pseudonyms import Pseudonyms


@dataclass(frozen=True, eq=False)
class Retrieved:
    """An instance as it came.

    Attributes:
        data: its file.
        dataset: parsed.
    """

    data: bytes
    dataset: Dataset


def retrieved(ask: Callable[[], bytes], one: InstanceFound) -> Retrieved:
    """What the archive gives for a name, if it is that.

    Args:
        ask: retrieves it.
        one: what is asked for.

    Raises:
        ReadError: it can't be parsed, or not safely.
        ArchiveError: ``archive-answer``: another instance; or what ``ask`` raises.
    """
    data = ask()
    if len(data) > MAX_FILE:
        raise ReadError(f"the instance has {len(data)} bytes (limit {MAX_FILE})", code="too-large")
    ds = parsed(data).dataset
    if (fields.uid(ds, "SeriesInstanceUID"), fields.uid(ds, "SOPInstanceUID")) != (one.series, one.instance):
        raise ArchiveError("the archive gave another instance than it was asked for", code="archive-answer")
    return Retrieved(data, ds)


def refuse_other(ds: Dataset, query: Query) -> None:
    """Hold an archive to the query: some match fewer attributes than they were given.

    Raises:
        ReadError: ``not-asked-for``.
    """
    modality, part = fields.text(ds, "Modality"), fields.text(ds, "BodyPartExamined")
    if (query.modalities and modality not in query.modalities) or (query.body_part and part != query.body_part):
        raise ReadError("the archive gave a series that the query excludes", code="not-asked-for")


def handed_over(came: Retrieved, how: Deidentification | None, names: Pseudonyms) -> bytes:
    """An instance as it may be handed over: as it came where it declares that it is nobody's, else without identity.

    Args:
        came: the instance; its data set may be changed.
        how: the profile; None takes declared ones only.
        names: pseudonyms by the fetch's key.

    Raises:
        ReadError: ``identity``: nothing is declared, and no profile was named; or as `deidentified`.
    """
    if how is not None:
        return deidentified(came.dataset, how, names)
    with coded():
        declared = identity_of(came.dataset) == "declared"
    if not declared:
        raise ReadError(
            "nothing in the instance says that the patient's identity was removed (0012,0062 YES and a method); give "
            "--deidentify basic, or fetch from an archive of de-identified images",
            code="identity",
        )
    return came.data
