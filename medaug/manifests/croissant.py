"""``croissant.json``: OUTPUT described for data set catalogues and loaders, in MLCommons' Croissant form.

The tables are those of coco.json and monai.json; this file says what their columns are and how to get at them. Terms of
use stay open: they are those of the sources, and whoever publishes the images knows them.

Source: Croissant 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medaug.audit.layout import COCO, CROISSANT, MONAI, read_format
from medaug.audit.methods import PAPERS
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Record
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import canonical

CONFORMS = "http://mlcommons.org/croissant/1.0"
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "equivalentProperty": "cr:equivalentProperty",
    "samplingRate": "cr:samplingRate",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# Table → (file, its rows, columns: name → (place in a row, data type, what it is)).
TABLES: Mapping[str, tuple[str, str, Mapping[str, tuple[str, str, str]]]] = {
    "variants": (
        MONAI,
        "$.training[*]",
        {
            "image": (
                "image",
                "sc:Text",
                "The folder of DICOM files, or the file of another format, relative to this file",
            ),
            "unit": ("medaug.unit", "sc:Text", "Key of the unit; its record names every choice"),
            "source": ("medaug.source", "sc:Text", "Key of the source, from its content"),
            "patient": ("medaug.patient", "sc:Text", "Keyed hash of the patient; never split one"),
            "fold": ("fold", "sc:Integer", "Fold of the patient, 0 to 4"),
        },
    ),
    "slices": (
        COCO,
        "$.images[*]",
        {
            "id": ("id", "sc:Integer", "Number of the labelled slice"),
            "file_name": (
                "file_name",
                "sc:Text",
                "The file of the slice, DICOM or another format, relative to this file",
            ),
            "slice": ("slice", "sc:Integer", "Place along the slice normal, from 0"),
            "frame": ("frame", "sc:Integer", "Place in the file, from 0"),
            "height": ("height", "sc:Integer", "Rows"),
            "width": ("width", "sc:Integer", "Columns"),
            "unit": ("medaug.unit", "sc:Text", "Key of the unit"),
        },
    ),
    "classes": (
        COCO,
        "$.categories[*]",
        {"id": ("id", "sc:Integer", "Number of the class"), "name": ("name", "sc:Text", "The label")},
    ),
    "boxes": (
        COCO,
        "$.annotations[*]",
        {
            "id": ("id", "sc:Integer", "Number of the box on this slice"),
            "slice_id": ("image_id", "sc:Integer", "The labelled slice"),
            "class_id": ("category_id", "sc:Integer", "The class"),
            "bbox": ("bbox", "cr:BoundingBox", "x, y, width, height in pixels from the upper left edge"),
        },
    ),
}
REFERENCES = {("boxes", "slice_id"): "slices/id", ("boxes", "class_id"): "classes/id"}

Entity = dict[str, Any]


def write_croissant(records: Iterable[Record], output: Path) -> Path:
    """Describe OUTPUT in croissant.json; same OUTPUT, same bytes. Call it after the lists that it names.

    Args:
        records: of all units; those that were not written are left out.
        output: OUTPUT.

    Raises:
        OutputError: the file can't be written; an older one is as it was.
    """
    written = any(record.status == "written" for record in records)
    created = read_format(output)["created"]
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": "medaug-output",
        "description": (
            "Partly synthetic medical images for training only, made by medaug: the labelled boxes hold their source's "
            "pixels, what lies around them was generated. A variant shows its source's patient: the terms of the "
            "sources hold for it, it is not anonymous, and it must not be validated or tested on."
        ),
        "keywords": ["synthetic", "medical imaging", "augmentation", "training only"],
        "citeAs": " ".join(PAPERS),
        "datePublished": created,
        "version": "1.0.0",
        "isLiveDataset": False,
        "distribution": [_file(output, name) for name in TABLES],
        "recordSet": [_table(name) for name in TABLES] if written else [],
    }
    return replace_file(output / CROISSANT, canonical(content) + b"\n")


def _file(output: Path, table: str) -> Entity:
    """The file of a table, under an @id of its own: loaders read all columns of one @id as one table."""
    name = TABLES[table][0]
    path = output / name
    return {
        "@type": "cr:FileObject",
        "@id": f"file-{table}",
        "name": f"file-{table}",
        "description": f"{name}, read for its {table}",
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/json",
        "sha256": sha256_of(path),
    }


def _table(name: str) -> Entity:
    _, rows, columns = TABLES[name]
    table: Entity = {"@type": "cr:RecordSet", "@id": name, "name": name, "field": []}
    if "id" in columns:
        table["key"] = {"@id": f"{name}/id"}
    for column, (place, kind, description) in columns.items():
        field: Entity = {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "description": description,
            "dataType": kind,
            "source": {"fileObject": {"@id": f"file-{name}"}, "extract": {"jsonPath": f"{rows}.{place}"}},
        }
        if (name, column) in REFERENCES:
            field["references"] = {"field": {"@id": REFERENCES[name, column]}}
        table["field"].append(field)
    return table
