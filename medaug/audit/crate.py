"""``ro-crate-metadata.json``: OUTPUT as a research object, for repositories and readers that know the form.

Sources are named by their digests only: no file name, path or identifier of the input stands in it. A unit is listed
as a folder; its files and their digests stand in its record.json and under the seal.

Source: RO-Crate 1.1, https://w3id.org/ro/crate/1.1; Process Run Crate 0.5, https://w3id.org/ro/wfrun/process/0.5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from medaug.audit import layout
from medaug.audit.methods import methods
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Record
from medaug.audit.record_order import Ordered, Tally
from medaug.formats.registry import FORMATS
from medaug.profile import profile as profiles
from medaug.profile.load import load_profile
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import document
from medaug.storage.disk_map import Again

CRATE = "https://w3id.org/ro/crate/1.1"
PROCESS = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = [f"{CRATE}/context", {"sha256": "https://schema.org/sha256"}]
FILES: Mapping[str, tuple[str, str]] = {  # name → (media type, what it is), of those that a run may leave
    layout.FORMAT: ("application/json", "Format and version of this folder"),
    layout.PROFILE: ("application/yaml", "The profile with every default filled in"),
    layout.PLAN: ("application/json", "The units that this folder is for, and what was left out"),
    layout.MONAI: ("application/json", "Decathlon datalist for MONAI"),
    layout.COCO: ("application/json", "Boxes in COCO's form"),
    layout.CROISSANT: ("application/ld+json", "Description of these lists in MLCommons' Croissant form"),
    layout.PAGE: ("text/html", "The page to look at"),
    layout.METHODS: ("text/markdown", "A methods paragraph with what to cite"),
}
INPUTS = frozenset({layout.PROFILE, layout.PLAN})  # of the run, not results of it

Entity = dict[str, Any]


def write_crate(records: Iterable[Record], root: Path) -> Path:
    """Write METHODS.md and the crate's metadata; same OUTPUT, same bytes. Call it before the seal.

    Args:
        records: those of the lists, done or not.
        root: OUTPUT.

    Raises:
        OutputError: the disk didn't take it.
        ProfileError: profile.yaml isn't readable.
    """
    profile, ordered = load_profile(str(root / layout.PROFILE)), Ordered.of(records)
    replace_file(root / layout.METHODS, methods(profile, ordered).encode())
    return replace_file(root / layout.CRATE, document(_graph(ordered, root, profile)))


def _graph(ordered: Ordered, root: Path, profile: profiles.Profile) -> Entity:
    written, created = ordered.written, layout.read_format(root)["created"]
    files = [_file(root, name) for name in FILES if (root / name).is_file()]
    units, inherited = Again(lambda: map(_unit, written)), Again(lambda: _sources(written))
    software, priors = _software(ordered.tally), _priors(ordered.tally)
    inputs = [entity for entity in files if entity["@id"] in INPUTS]
    results = [entity for entity in files if entity["@id"] not in INPUTS]
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"medaug run with profile {profile.name}",
        "startTime": created,
        "instrument": {"@id": "#medaug"},
        "object": _ids(inherited, priors, inputs),
        "result": _ids(units, results),
    }
    whole = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Synthetic variants of labelled medical images, profile {profile.name}",
        "description": "Partly synthetic images for training, made by medaug; the labelled boxes are the sources'.",
        "datePublished": created,
        "license": {"@id": "#licence"},
        "conformsTo": {"@id": PROCESS},
        "hasPart": _ids(units, files),
        "mentions": {"@id": "#run"},
    }
    few = [_descriptor(), whole, _process(), _licence(), action, *software, *priors]
    return {"@context": CONTEXT, "@graph": Again(lambda: chain(few, inherited, files, units))}


def _descriptor() -> Entity:
    return {
        "@id": layout.CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": CRATE},
        "about": {"@id": "./"},
    }


def _process() -> Entity:
    return {"@id": PROCESS, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}


def _licence() -> Entity:
    return {
        "@id": "#licence",
        "@type": "CreativeWork",
        "name": "Terms of the source images",
        "description": "A variant holds pixels of its source: the terms of the sources hold for it.",
    }


def _file(root: Path, name: str) -> Entity:
    kind, description = FILES[name]
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "description": description,
        "encodingFormat": kind,
        "contentSize": str((root / name).stat().st_size),
        "sha256": sha256_of(root / name),
    }


def _unit(record: Record) -> Entity:
    return {
        "@id": f"{record.folder}/",
        "@type": "Dataset",
        "name": f"Variant {record.variant} of source {record.source.key[:16]}",
        "identifier": record.unit,
        "isBasedOn": {"@id": _source_id(record)},
    }


def _sources(written: Iterable[Record]) -> Iterator[Entity]:
    for _, group in groupby(written, key=lambda record: record.source.key):
        *_, record = deque(group, maxlen=1)
        yield {
            "@id": _source_id(record),
            "@type": "CreativeWork",
            "name": f"Source {record.source.key[:16]}",
            "identifier": record.source.key,
            "encodingFormat": _media_type(record),
            "sha256": sorted(set(record.source.sha256)),
        }


def _media_type(record: Record) -> str:
    found = FORMATS.get(record.source.format or "")
    return found.media_type if found else "application/dicom"


def _source_id(record: Record) -> str:
    return f"#source-{record.source.key[:16]}"


def _priors(tally: Tally) -> list[Entity]:
    found = {prior.sha256: prior.name for prior in sorted(tally.priors, key=attrgetter("sha256", "name"))}
    return [
        {"@id": f"#prior-{sha256[:16]}", "@type": "CreativeWork", "name": name, "sha256": sha256}
        for sha256, name in sorted(found.items())
    ]


def _software(tally: Tally) -> list[Entity]:
    """medaug, and the packages that decide pixels and files."""
    found: dict[str, set[str]] = {"medaug": set()}
    for name, version in tally.versions:
        found.setdefault(name, set()).add(version)
    entities = [
        {
            "@id": f"#{name}",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": ", ".join(sorted(versions)),
        }
        for name, versions in sorted(found.items())
    ]
    needs = [{"@id": entity["@id"]} for entity in entities if entity["name"] != "medaug"]
    return [entity | {"softwareRequirements": needs} if entity["name"] == "medaug" else entity for entity in entities]


def _ids(*groups: Iterable[Entity]) -> Again[Entity]:
    return Again(lambda: ({"@id": entity["@id"]} for group in groups for entity in group))
