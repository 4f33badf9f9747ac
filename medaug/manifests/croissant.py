"""``croissant.json``: OUTPUT described for data set catalogues and loaders, in MLCommons' Croissant form.

The tables are those of coco.json and monai.json; this file says what their columns are and how to get at them. Terms of
use stay open: they are those of the sources, and whoever publishes the images knows them. All that is the same of every
OUTPUT stands in the package's own croissant.json.

Source: Croissant 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from medaug.audit.layout import read_format
from medaug.audit.methods import PAPERS
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Record
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import canonical, parse

CROISSANT = "croissant.json"
OF_COPIES = (
    "Classic copies of medical images for training only, made by medaug: turned, scaled or mirrored, nothing "
    "generated. A copy shows its source's patient: the terms of the sources hold for it, it is not anonymous, and it "
    "must not be validated or tested on."
)


def write_croissant(records: Iterable[Record], output: Path) -> Path:
    """Describe OUTPUT in croissant.json; same OUTPUT, same bytes. Call it after the lists that it names.

    Args:
        records: of all units; those that were not written are left out.
        output: OUTPUT.

    Raises:
        OutputError: the file can't be written; an older one is as it was.
    """
    return replace_file(output / CROISSANT, croissant(records, output))


def croissant(records: Iterable[Record], output: Path) -> bytes:
    """The description as it follows from the records and the lists that are there."""
    common, written, two, copies = description(), False, False, False
    for record in records:  # one at a time: they lie on disk
        written, two = written or record.status == "written", two or record.transplant is not None
        copies = copies or record.kind == "classic"
    if copies:
        common |= {"description": OF_COPIES, "keywords": [word for word in common["keywords"] if word != "synthetic"]}
    tables = _of_two(common["recordSet"]) if two else common["recordSet"]
    content = common | {
        "citeAs": " ".join(PAPERS),
        "datePublished": read_format(output)["created"],
        "distribution": [file | _facts(output / file["contentUrl"]) for file in common["distribution"]],
        "recordSet": tables if written else [],
    }
    return canonical(content) + b"\n"


def description() -> dict[str, Any]:
    """What is the same of every OUTPUT. Each table has a file @id of its own: loaders read all of one @id as one."""
    content: dict[str, Any] = parse(resources.files(__package__).joinpath("croissant.json").read_bytes())
    return content


def _of_two(tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tables where images show two patients: no fold is one variant's, and the other patient is named."""
    return [table | {"field": [_donor(field) for field in table["field"]]} for table in tables]


def _donor(field: dict[str, Any]) -> dict[str, Any]:
    if field["@id"] != "variants/fold":
        return field
    where = {**field["source"], "extract": {"jsonPath": "$.training[*].medaug.donor_patient"}}
    return field | {
        "@id": "variants/donor_patient",
        "name": "donor_patient",
        "description": "Keyed hash of the patient whose lesion was set in; never split one",
        "dataType": "sc:Text",
        "source": where,
    }


def _facts(path: Path) -> dict[str, str]:
    return {"contentSize": f"{path.stat().st_size} B", "sha256": sha256_of(path)}
