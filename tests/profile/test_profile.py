from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml

import medaug
from medaug.errors import ProfileError
from medaug.profile.digest import profile_digest
from medaug.profile.load import (
    load_profile,
    parse_profile,
    parse_profile_keys,
    profile_schema,
    shipped_profiles,
)
from medaug.profile.profile import Profile
from medaug.quality import DEFAULT_LIMITS
from medaug.quality.checks import CheckName
from tests.support.paths import ROOT

TEXT = load_profile("bone-xray").to_yaml()


def edited(**changes: object) -> str:
    return yaml.safe_dump(yaml.safe_load(TEXT) | changes)


@pytest.mark.parametrize("name", shipped_profiles())
def test_shipped_profiles_are_valid_and_named_like_their_file(name: str) -> None:
    loaded = load_profile(name)
    assert loaded.name == name
    assert parse_profile(loaded.to_yaml(), "again") == loaded
    jsonschema.validate(yaml.safe_load(loaded.to_yaml()), profile_schema())


PRIORS = {"brain-mr": "brain_mr_256", "brain-ct": "head_ct_256"}  # the others: radiographs'


@pytest.mark.parametrize("name", shipped_profiles())
def test_a_shipped_profile_pins_the_prior_in_the_package(name: str) -> None:
    if name.endswith("-classic"):
        assert load_profile(name).prior.kind == "none"
        return
    prior = PRIORS.get("-".join(name.split("-")[:2]), "radiograph_256")
    card = Path(medaug.__file__).parent / "inverse" / "priors" / prior / "card.json"
    assert load_profile(name).prior.sha256 == json.loads(card.read_text())["sha256"]


def test_the_shipped_ones_are_these() -> None:
    assert {"bone-xray", "chest-xray", "brain-ct", "paper"} <= set(shipped_profiles())


def test_the_paper_profile_holds_the_published_settings() -> None:
    paper = load_profile("paper")
    solver = paper.solver
    assert (paper.size, solver.steps, solver.start, solver.omega, solver.gamma, solver.eta) == (384, 1000, 1, 1, 0.2, 0)
    assert paper.regions.kind == "gaussian-outside"
    assert (paper.regions.sigma, paper.regions.margin.value, paper.regions.margin.unit) == (0.32, 16, "px")
    assert paper.measurement_noise == 0.05


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (edited(slover={"kind": "psld"}), "unknown key 'slover' (did you mean 'solver'?)"),
        (edited(solver={"kind": "psld", "steps": 5, "strat": 0.5}), "did you mean 'start'?"),
        (edited(schema_version=2), "schema_version"),
        (edited(prior={"kind": "embedded"}), "prior.embedded.sha256: Field required"),
        (edited(prior={"kind": "embedded", "sha256": "abc"}), "sha256"),
        (edited(window={"kind": "fixed", "center": float("nan"), "width": 1}), "window"),
        (edited(window={"kind": "percentile", "low": 60, "high": 50}), "must be below"),
        (edited(domain=["body", "brian"]), "domain"),
        (edited(solver={"kind": "psld", "steps": 25, "start": 0.02}), "steps (25) must be at most"),
        (edited(solver={"kind": "blend", "steps": 5, "start": 0.5}, operator={"kind": "jpeg", "quality": 9}), "blend"),
        (edited(solver={"kind": "blend", "steps": 5, "start": 0.5, "omega": 1}), "unknown key 'solver.blend.omega'"),
        (edited(operator={"kind": "down-sampling", "factor": 3}), "operator.down-sampling.factor"),
        (edited(operator={"kind": "gaussian-blur", "sigma": 0}), "operator.gaussian-blur.sigma"),
        (edited(solver={"kind": "blend", "steps": 5, "start": 0.5}, levers={"noise_budget": 0.1}), "never decode"),
        (edited(levers={"guide_evry": 2}), "did you mean 'guide_every'?"),
        (edited(precision="bfloat16"), "unknown key 'precision' (it belongs under 'levers')"),
        (edited(levers={"start": 0.5}), "unknown key 'levers.start' (it belongs under 'solver'"),
        (edited(size=264), "size (264) must be a multiple of 32"),
        (edited(checks={"sharpnes": [0.5, 2]}), "no limit can be set for 'sharpnes' (did you mean 'sharpness'?)"),
        (edited(checks={"sharpness": [2, 0.5]}), "checks.sharpness: the least value (2)"),
        (edited(checks={"protected_identity": [None, 1]}), "no limit can be set for 'protected_identity'"),
        ("- a\n- b\n", "expected a mapping"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("a: !!python/object/apply:os.system [echo]\n", "not valid YAML"),
        ("a: [", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_a_wrong_profile_is_refused_with_what_is_wrong(text: str, expected: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, "profile 'x'")
    assert expected in str(caught.value)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ProfileError, match=r"did you mean 'bone-xray'"):
        load_profile("bonexray")


def test_a_profile_by_path_and_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(edited(name="mine"))
    mine = load_profile(str(path))
    assert mine.name == "mine"
    assert mine.sha256 != load_profile("bone-xray").sha256
    path.write_text(path.read_text() + "\n# a comment changes no choice\n")
    assert load_profile(str(path)).sha256 == mine.sha256


def test_where_a_prior_lies_and_what_a_profile_says_of_itself_decide_no_pixel() -> None:
    folder = {"kind": "folder", "path": "/secret/place/model", "sha256": "1" * 64}
    one = parse_profile(edited(prior=folder), "profile 'x'")
    moved = parse_profile(edited(prior={**folder, "path": "/elsewhere/model"}, description="another"), "profile 'x'")
    other = parse_profile(edited(prior={**folder, "sha256": "2" * 64}), "profile 'x'")
    assert one.sha256 == moved.sha256 != other.sha256
    assert "secret" not in one.to_yaml()
    assert parse_profile(one.to_yaml(), "profile 'x'").sha256 == one.sha256


@pytest.mark.parametrize("key", [{"deblock": True}, {"fine": 5}, {"contrast": True}])
def test_what_a_delta_alone_can_do_changes_no_digest_where_it_is_off(key: dict[str, object]) -> None:
    on = parse_profile(edited(restore={"kind": "delta", "feather": 6, **key}), "profile 'x'")
    off = parse_profile(edited(restore={"kind": "delta", "feather": 6}), "profile 'x'")
    assert on.sha256 != off.sha256
    older = off.model_dump(mode="json") | {"restore": {"kind": "delta", "feather": 6.0}}
    assert profile_digest(older) == off.sha256
    with pytest.raises(ProfileError, match="deblock, fine and contrast are for kind delta"):
        parse_profile(edited(restore={"kind": "replace", **key}), "profile 'x'")


def test_every_check_but_the_protected_voxels_has_a_limit_that_a_profile_may_set() -> None:
    assert {*get_args(CheckName), "protected_identity"} == set(DEFAULT_LIMITS)


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "profiles.md").read_text()
    keys = {
        key for spec in [profile_schema(), *profile_schema()["$defs"].values()] for key in spec.get("properties", {})
    }
    assert not [key for key in sorted(keys) if f"`{key}`" not in text]


@pytest.mark.parametrize("name", shipped_profiles())
def test_the_digest_follows_from_the_resolved_text_alone(name: str) -> None:
    """So that a record of today can be held against its profile.yaml by a version with more keys."""
    loaded = load_profile(name)
    keys = parse_profile_keys(loaded.to_yaml(), "a test")
    assert profile_digest(keys) == loaded.sha256
    assert profile_digest(keys | {"solver": None}) != loaded.sha256
    assert profile_digest(keys | {"description": "another"}) == loaded.sha256


@pytest.mark.parametrize(
    "text", ["".join(f"key{n}: 1\n" for n in range(5_000)), "modalities: [" + "1," * 30_000 + "1]"]
)
def test_a_profile_of_many_faults_is_soon_refused(text: str, tmp_path: Path) -> None:
    """A thousand unknown keys took 40 s, each looked up among all that are known."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    started = time.process_time()
    with pytest.raises(ProfileError, match="profile") as caught:
        load_profile(str(path))
    assert time.process_time() - started < 8
    assert len(str(caught.value)) < 3000


CLASSIC = {"regions": {"kind": "classic"}, "classic": {"rotate": 5}, "evidence": {"segmentation": False}, "domain": []}


def copies(**changes: object) -> dict[str, object]:
    """A profile of the law classic."""
    stated = {"schema_version": 1, "name": "x", "description": "x", "modalities": ["CR"], "window": {"kind": "file"}}
    return {**stated, **CLASSIC, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classic": {}}, "nothing to do"),
        ({"classic": {"rotate": 5, "intensity": 0.1}}, "leave out, or empty: classic.intensity"),
        ({"classic": {"rotate": 46}}, "PatientOrientation"),
        ({"domain": ["body"]}, "domain"),
        ({"restore": {"kind": "delta"}}, "leave out, or empty: restore"),
        ({"prior": {"kind": "embedded", "sha256": "0" * 64}}, "leave out, or empty: prior"),
        ({"solver": {"kind": "blend", "steps": 3, "start": 0.3}}, "leave out, or empty: solver"),
        ({"levers": {"closing": 2}}, "levers"),
        ({"checks": {"seam": [None, 2]}}, "checks"),
        ({"evidence": {}}, "evidence: {segmentation: false}"),
        ({"modalities": ["CR", "NIFTI"]}, "remove modalities: NIFTI"),
    ],
)
def test_a_law_that_generates_nothing_takes_nothing_that_would_do_nothing(changes: object, message: str) -> None:
    assert not Profile.model_validate(copies()).generates
    with pytest.raises(ValueError, match=re.escape(message)):
        Profile.model_validate(copies(**changes))  # type: ignore[arg-type]


def test_a_law_that_generates_needs_all_that_solves() -> None:
    stated = load_profile("bone-xray").model_dump(mode="json")
    for name in ("prior", "solver", "restore"):
        with pytest.raises(ValueError, match=f"gaussian-outside generates, and needs: {name}"):
            Profile.model_validate({key: value for key, value in stated.items() if key != name})


def test_classic_is_in_the_digest_under_its_own_law_alone() -> None:
    one, other = (Profile.model_validate(copies(classic={"rotate": turn})).sha256 for turn in (5, 6))
    assert one != other
    stated = load_profile("bone-xray").model_dump(mode="json")
    changed = Profile.model_validate({**stated, "classic": {"rotate": 1}})
    assert changed.sha256 == load_profile("bone-xray").sha256
