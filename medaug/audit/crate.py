"""``ro-crate-metadata.json``: OUTPUT as a research object, for repositories and readers that know the form.

Sources are named by their digests only: no file name, path or identifier of the input stands in it. A unit is listed
as a folder; its files and their digests stand in its record.json and under the seal. What is the same of every OUTPUT
stands in the package's crate.json.

Source: RO-Crate 1.1, https://w3id.org/ro/crate/1.1; Process Run Crate 0.5, https://w3id.org/ro/wfrun/process/0.5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from importlib import resources
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
from medaug.storage.canonical_json import document, parse
from medaug.storage.disk_map import Reiterable

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
    return replace_file(root / layout.CRATE, document(crate(ordered, root, profile)))


def crate(ordered: Ordered, root: Path, profile: profiles.Profile) -> Entity:
    """The metadata as they follow from records, profile and the files that are there."""
    common = parse(resources.files(__package__).joinpath("crate.json").read_bytes())
    written, created = ordered.written, layout.read_format(root)["created"]
    files = [_file(root, file) for file in common["files"] if (root / file["@id"]).is_file()]
    units, inherited = Reiterable(lambda: map(_unit, written)), Reiterable(lambda: _sources(written))
    software, priors = _software(ordered.tally), _priors(ordered.tally)
    inputs = [entity for entity in files if entity["@id"] in INPUTS]
    results = [entity for entity in files if entity["@id"] not in INPUTS]
    action = common["action"] | {
        "name": f"medaug run with profile {profile.name}",
        "startTime": created,
        "object": _ids(inherited, priors, inputs),
        "result": _ids(units, results),
    }
    what = "Synthetic variants" if profile.generates else "Classic copies"
    said = (
        {} if profile.generates else {"description": "Classic copies for training, made by medaug; nothing generated."}
    )
    whole = (
        common["whole"]
        | said
        | {
            "name": f"{what} of labelled medical images, profile {profile.name}",
            "datePublished": created,
            "hasPart": _ids(units, files),
        }
    )
    few = [common["descriptor"], whole, common["process"], common["licence"], action, *software, *priors]
    return {"@context": common["context"], "@graph": Reiterable(lambda: chain(few, inherited, files, units))}


def _file(root: Path, known: Entity) -> Entity:
    name = known["@id"]
    size = str((root / name).stat().st_size)
    return known | {"@type": "File", "name": name, "contentSize": size, "sha256": sha256_of(root / name)}


def _unit(record: Record) -> Entity:
    return {
        "@id": f"{record.folder}/",
        "@type": "Dataset",
        "name": f"{'Copy' if record.kind else 'Variant'} {record.variant} of source {record.source.key[:16]}",
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
    kind = FORMATS.get(record.source.format or "")
    return kind.media_type if kind else "application/dicom"


def _source_id(record: Record) -> str:
    return f"#source-{record.source.key[:16]}"


def _priors(tally: Tally) -> list[Entity]:
    names = {prior.sha256: prior.name for prior in sorted(tally.priors, key=attrgetter("sha256", "name"))}
    return [
        {"@id": f"#prior-{sha256[:16]}", "@type": "CreativeWork", "name": name, "sha256": sha256}
        for sha256, name in sorted(names.items())
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


def _ids(*groups: Iterable[Entity]) -> Reiterable[Entity]:
    return Reiterable(lambda: ({"@id": entity["@id"]} for group in groups for entity in group))
