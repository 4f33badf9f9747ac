"""The crate by the rules of its specifications, and by the reference reader."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from medaug.audit import layout
from medaug.audit.crate import write_crate
from medaug.audit.layout import CRATE as NAME
from medaug.audit.methods import PAPERS, methods
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Record
from medaug.manifests.croissant import CROISSANT
from medaug.manifests.table import MANIFESTS
from medaug.profile import profile as profiles
from medaug.profile.load import load_profile, shipped_profiles
from tests.support.records import failed, record

RECORDS = (record("a"), record("b", variant=1), failed("c"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    for built in RECORDS[:2]:
        (root / built.folder).mkdir(parents=True)
    (root / "profile.yaml").write_text(load_profile("bone-xray").to_yaml())
    (root / "FORMAT.json").write_text('{"created":"2026-01-02T03:04:05+00:00"}')
    for name in ("monai.json", "coco.json", "index.html"):
        (root / name).write_text(name)
    return root


def entities(root: Path) -> dict[str, Any]:
    data = json.loads(write_crate(RECORDS, root).read_text())
    found = {entity["@id"]: entity for entity in data["@graph"]}
    assert len(found) == len(data["@graph"])  # @id is unique
    assert data["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    return found


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            return {value["@id"]}
        return {target for key, inner in value.items() if key != "@id" for target in references(inner)}
    return {target for inner in value for target in references(inner)} if isinstance(value, list) else set()


def test_the_metadata_file_and_the_root_are_as_ro_crate_asks(root: Path) -> None:
    found = entities(root)
    descriptor, whole = found["ro-crate-metadata.json"], found["./"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert descriptor["about"] == {"@id": "./"}
    assert whole["@type"] == "Dataset"
    assert datetime.fromisoformat(whole["datePublished"])
    assert all(whole[key] for key in ("name", "description", "license"))


def test_every_entity_has_an_id_and_a_type_and_every_reference_leads_somewhere(root: Path) -> None:
    found = entities(root)
    assert all(entity["@type"] for entity in found.values())
    targets = {target for entity in found.values() for target in references(entity)}
    assert targets - found.keys() == {"https://w3id.org/ro/crate/1.1"}


def test_data_entities_exist_and_are_parts_of_the_root(root: Path) -> None:
    found = entities(root)
    parts = {part["@id"] for part in found["./"]["hasPart"]}
    data = {name for name, e in found.items() if e["@type"] in ("File", "Dataset")} - {"./"}
    assert parts == data
    for name in parts:
        path = root / name
        assert path.is_dir() if found[name]["@type"] == "Dataset" else path.is_file()
        assert name.endswith("/") == path.is_dir()
    files = [found[name] for name in parts if found[name]["@type"] == "File"]
    assert all(e["sha256"] == sha256_of(root / e["@id"]) for e in files)
    assert all(e["contentSize"] == str((root / e["@id"]).stat().st_size) for e in files)


def test_the_run_is_a_create_action_as_process_run_crate_asks(root: Path) -> None:
    found = entities(root)
    assert found["./"]["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    assert found["./"]["mentions"] == {"@id": "#run"}
    action = found["#run"]
    assert action["@type"] == "CreateAction"
    tool = found[action["instrument"]["@id"]]
    assert (tool["@type"], tool["name"], tool["softwareVersion"]) == ("SoftwareApplication", "medaug", "0.1.0")
    results = {result["@id"] for result in action["result"]}
    assert {f"{built.folder}/" for built in RECORDS[:2]} < results
    assert "profile.yaml" in {entity["@id"] for entity in action["object"]}
    assert "profile.yaml" not in results


def test_sources_are_named_by_digests_only(root: Path) -> None:
    found = entities(root)
    sources = [e for name, e in found.items() if name.startswith("#source-")]
    assert sorted(e["identifier"] for e in sources) == sorted(built.source.key for built in RECORDS[:2])
    text = (root / NAME).read_text()
    assert not any(uid in text for built in RECORDS for uid in (built.source.series_uid, built.source.patient))


def test_the_reference_reader_reads_it(root: Path) -> None:
    from rocrate.rocrate import ROCrate

    write_crate(RECORDS, root)
    crate = ROCrate(str(root))
    assert crate.root_dataset["datePublished"] == "2026-01-02T03:04:05+00:00"
    assert {f"{built.folder}/" for built in RECORDS[:2]} < {entity.id for entity in crate.data_entities}
    action = crate.dereference("#run")
    assert action is not None
    assert action["instrument"]["name"] == "medaug"


def test_the_same_output_gives_the_same_bytes(root: Path) -> None:
    first = write_crate(RECORDS, root).read_bytes()
    assert write_crate(tuple(reversed(RECORDS)), root).read_bytes() == first


@pytest.mark.parametrize("name", [name for name in shipped_profiles() if load_profile(name).generates])
def test_the_methods_say_what_the_profile_and_the_records_say(name: str) -> None:
    profile = load_profile(name)
    text = methods(profile, RECORDS)
    for fact in (
        "2 variants (2 CR) of 2 images or series of 2 patients with 2 labelled boxes",
        "1 further attempt gave none",
        f"{profile.solver.steps} steps",
        f"{profile.size} px",
        profile.sha256,
        "radiograph-256",
        "box_unchanged, psnr_db",
        "torch 2.13.0+cpu",
        "training only",
        *PAPERS,
    ):
        assert fact in text


def test_rejected_variants_are_counted() -> None:
    rejected: Record = replace(failed("d"), status="rejected", checks=record().checks)
    assert "rejected 1 variant." in methods(load_profile("bone-xray"), (*RECORDS, rejected))


def test_the_solver_that_was_used_is_cited() -> None:
    cited = methods(load_profile("bone-xray"), RECORDS)
    assert "the solver *diffstategrad* [3] took" in cited
    assert "3. Zirvi" in cited
    assert "\n3. " not in methods(load_profile("paper"), RECORDS)  # psld is paper 2


def test_levers_are_told_when_they_are_pulled() -> None:
    profile = load_profile("bone-xray")
    pulled = profile.model_copy(
        update={"levers": profile.levers.model_copy(update={"guide_every": 2, "crop": 0, "closing": 2})}
    )
    assert "256 px (guide_every 2, crop 0, closing 2); " in methods(pulled, RECORDS)
    assert f"256 px (closing {profile.levers.closing}); " in methods(profile, RECORDS)
    assert "384 px, with noise" in methods(load_profile("paper"), RECORDS)  # no lever is pulled


def test_a_closing_is_cited_where_there_is_one() -> None:
    profile = load_profile("bone-xray")
    assert "\n4. Song" in methods(profile, RECORDS)
    assert "Song" not in methods(profile.model_copy(update={"levers": profiles.Levers()}), RECORDS)


def test_what_guided_the_solve_beside_observed_pixels_is_told() -> None:
    assert "through gaussian-blur (sigma 2), too; " in methods(load_profile("degraded-xray"), RECORDS)
    assert "384 px, with noise of standard deviation 0.05" in methods(load_profile("paper"), RECORDS)
    prompted = load_profile("bone-xray").model_copy(update={"prompt": "a leg", "guidance_scale": 3.0})
    assert "under a prompt (scale 3); " in methods(prompted, RECORDS)
    assert not re.search("through|noise of|prompt", methods(load_profile("bone-xray"), RECORDS))


def test_it_knows_files_by_the_names_they_have() -> None:
    common = json.loads(resources.files("medaug.audit").joinpath("crate.json").read_bytes())
    names = {value for value in vars(layout).values() if isinstance(value, str)}
    names |= {CROISSANT, *(manifest.name for manifest in MANIFESTS)}
    assert {file["@id"] for file in common["files"]} <= names
    assert common["descriptor"]["@id"] == layout.CRATE
