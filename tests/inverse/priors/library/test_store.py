from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from medaug.errors import OutputError, PriorError
from medaug.inverse.priors.card import EMBEDDED, PriorCard, SolverWeights, write_card
from medaug.inverse.priors.library import store
from medaug.inverse.priors.library.lookup import locate, store_root, stored, stored_card
from medaug.inverse.priors.library.prior_archive import export_prior, import_prior
from medaug.inverse.priors.library.store import add
from medaug.inverse.priors.loaders.layout import layout_of, parts_of
from medaug.inverse.priors.loaders.load import card_of, load_folder, rehash
from tests.support import prior_models as models


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return models.plain(tmp_path / "Plain")


def test_the_store_lies_where_the_platform_keeps_a_users_data(tmp_path: Path) -> None:
    assert store_root({"MEDAUG_PRIORS": str(tmp_path)}) == tmp_path
    assert store_root({"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "medaug" / "priors"
    assert store_root({}).parts[-2:] == ("medaug", "priors")


@pytest.mark.parametrize("link", [False, True])
def test_an_added_prior_is_found_by_its_name_and_works(source: Path, root: Path, *, link: bool) -> None:
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    card = add(source, root, link=link)
    assert stored(root) == ("plain",)
    assert stored_card(root, "plain") == card == load_folder(locate("plain", root)).card
    assert card.sha256 == card_of(source).sha256
    assert all(path.is_symlink() == link for path in parts_of(root / "plain", "diffusers").values())
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
    assert [p.name for p in root.iterdir()] == ["plain"]


def test_a_prior_that_medaug_trained_can_be_added_under_another_name(root: Path) -> None:
    card = add(EMBEDDED, root, "mine")
    assert card == replace(card_of(EMBEDDED), name="mine")
    assert rehash(root / "mine", card) == "medaug"


def test_a_stored_name_goes_before_a_folder(source: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)
    add(source, root, "plain")
    assert locate("plain", root) == root / "plain"
    assert locate("./Plain", root) == Path("Plain")
    with pytest.raises(PriorError, match=r"expected the name of a stored prior .* found neither"):
        locate("nothing", root)


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "Ä", "embedded"])
def test_a_name_that_is_none_is_refused(source: Path, root: Path, name: str) -> None:
    with pytest.raises(PriorError):
        store.add(source, root, name or "-")
    assert not root.exists()


def test_a_taken_name_is_refused_and_the_prior_stays(source: Path, root: Path) -> None:
    card = add(source, root)
    with pytest.raises(PriorError, match="the name is taken"):
        add(EMBEDDED, root, "plain")
    assert stored_card(root, "plain") == card


def test_what_cant_be_loaded_leaves_nothing(source: Path, root: Path) -> None:
    (source / "unet" / "config.json").write_text("{}")
    with pytest.raises(PriorError, match="prior Plain: unet: expected UNet2DModel"):
        add(source, root)
    assert list(root.iterdir()) == []


def test_a_full_disk_leaves_nothing(source: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        add(source, root)
    assert list(root.iterdir()) == []


def test_calibrated_weights_stay_with_a_stored_prior(source: Path, root: Path) -> None:
    card = add(source, root)
    write_card(root / "plain", replace(card, weights=(SolverWeights("psld", 25, 0.6, 0.03, 0.01),)))
    assert load_folder(root / "plain").card.weights_for("psld", 25, 0.6).omega == 0.03
    assert load_folder(root / "plain").card.sha256 == card.sha256


def test_a_changed_file_is_named(source: Path, root: Path) -> None:
    card = add(source, root)
    config = root / "plain" / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(PriorError, match=r"scheduler/scheduler_config\.json: expected sha256 [0-9a-f]{64}, found"):
        rehash(root / "plain", card)
    with pytest.raises(PriorError, match=r"scheduler/scheduler_config\.json: expected sha256 [0-9a-f]{64}, found"):
        load_folder(root / "plain")


def test_facts_that_a_user_wrote_beside_a_model_are_read(source: Path) -> None:
    facts = {
        "licence": "CC0",
        "trained_on": "knees",
        "weights": [{"solver": "psld", "steps": 25, "start": 0.6, "omega": 0.2, "gamma": 0.1}],
    }
    bare = card_of(source)
    (source / "card.json").write_text(json.dumps(facts))
    card = card_of(source)
    assert (card.licence, card.trained_on, card.weights[0].omega) == ("CC0", "knees", 0.2)
    assert (card.sha256, card.stride) == (bare.sha256, bare.stride)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("[]", "expected an object"),
        ("{", "expected JSON"),
        ('{"stride": 16}', "stride: expected 16 as the card says, found 2"),
        ('{"prediction_type": "epsilon"}', "prediction_type"),
        ('{"license": "x"}', "unknown keys: license; expected"),
    ],
)
def test_facts_that_are_wrong_are_refused(source: Path, facts: str, message: str) -> None:
    (source / "card.json").write_text(facts)
    with pytest.raises(PriorError, match=message):
        card_of(source)


def test_a_folder_of_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match="found none of these"):
        layout_of(tmp_path)


def test_an_exported_prior_is_imported_as_it_was(source: Path, root: Path, tmp_path: Path) -> None:
    card = add(source, root)
    first = export_prior(root / "plain", card, tmp_path / "one.tar")
    assert export_prior(root / "plain", card, tmp_path / "two.tar") == first
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    other = tmp_path / "other"
    assert import_prior(tmp_path / "one.tar", other) == card
    assert load_folder(other / "plain").card == card
    assert import_prior(tmp_path / "one.tar", other, "second").name == "second"
    with pytest.raises(PriorError, match="the name is taken"):
        import_prior(tmp_path / "one.tar", other)
    with pytest.raises(PriorError, match="expected a new file"):
        export_prior(root / "plain", card, tmp_path / "one.tar")


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for member, content in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return path


def _file(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def _link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


Members = list[tuple[tarfile.TarInfo, bytes]]
SPOILED: dict[str, Callable[[Members], Members]] = {
    "no card": lambda m: m[1:],
    "a card that is a link": lambda m: [(_link("card.json"), b""), *m[1:]],
    "a link in place of a file": lambda m: [m[0], (_link(m[1][0].name), b""), *m[2:]],
    "a file that leads out": lambda m: [*m, (_file("../escaped"), b"x")],
    "an absolute file": lambda m: [*m, (_file("/tmp/escaped"), b"x")],
    "a file too many": lambda m: [*m, (_file("vae/more.json"), b"{}")],
    "a file twice": lambda m: [*m, m[-1]],
    "a missing file": lambda m: m[:-1],
    "a changed file": lambda m: [*m[:-1], (m[-1][0], m[-1][1] + b"x")],
    "a folder": lambda m: [*m, (_folder("vae"), b"")],
}


def _folder(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    return member


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    folder = tmp_path_factory.mktemp("members")
    source = models.plain(folder / "plain")
    export_prior(source, card_of(source), folder / "prior.tar")
    with tarfile.open(folder / "prior.tar") as archive:
        return [(_file(m.name), archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_archive_is_refused_and_leaves_nothing(
    members: Members, tmp_path: Path, root: Path, case: str
) -> None:
    copied = [(_file(member.name), content) for member, content in members]
    with pytest.raises(PriorError, match="prior archive: expected"):
        import_prior(_tar(tmp_path / "bad.tar", *SPOILED[case](copied)), root)
    assert not root.exists() or list(root.iterdir()) == []
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "vae/../../escaped", "weights.pt", "vae/model.bin"])
def test_a_card_that_names_other_files_is_refused(members: Members, tmp_path: Path, root: Path, name: str) -> None:
    from medaug.inverse.priors.card import digest_of

    card = PriorCard.from_json(members[0][1].decode())
    files = {**card.files, name: "0" * 64}
    forged = replace(card, files=files, sha256=digest_of(files)).to_json().encode()
    bad = _tar(tmp_path / "bad.tar", (_file("card.json"), forged), (_file(name), b"x"))
    with pytest.raises(PriorError, match="only files of a prior's layout"):
        import_prior(bad, root)
    assert not root.exists()


@pytest.mark.parametrize("content", [b"", b"not a tar" * 200])
def test_what_is_no_archive_is_refused(tmp_path: Path, root: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(PriorError, match="nothing was imported"):
        import_prior(tmp_path / "file", root)
    with pytest.raises(PriorError, match="nothing was imported"):
        import_prior(tmp_path / "none", root)
