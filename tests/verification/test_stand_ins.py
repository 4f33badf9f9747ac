"""What is no plain file in place of one: `verify` neither waits nor dies nor follows, and says which file it is."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medaug.audit import layout
from medaug.cli import main
from medaug.manifests.coco import COCO
from medaug.manifests.croissant import CROISSANT
from medaug.manifests.monai import MONAI
from medaug.storage import plain_files
from medaug.verification.verify import verify
from tests.support.sound_output import of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
SECONDS, MEMORY = 20.0, 1 << 20  # KiB


def targets(root: Path) -> dict[str, Path]:
    record = of(root, "CT")
    evidence = next(output.path for output in record.outputs if output.path.endswith("regions.dcm"))
    preview = next(output.path for output in record.outputs if output.path.endswith(".png"))
    tops = (
        layout.FORMAT, layout.PROFILE, layout.PLAN, MONAI, COCO, CROISSANT, layout.PAGE,
        layout.SEAL,
    )  # fmt: skip
    segment = next((root / layout.LEDGER).glob("*.jsonl"))
    return {
        **{name: root / name for name in tops},
        "segment": segment,
        "record": root / record.folder / layout.RECORD,
        "image": root / record.images[0].path,
        "evidence": root / evidence,
        "preview": root / preview,
    }


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def endless(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def elsewhere(path: Path, kept: Path) -> None:
    path.symlink_to(kept)


def a_folder(path: Path, _: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("stand_in", [fifo, endless, elsewhere, a_folder], ids=lambda each: each.__name__)
def test_verify_ends_with_the_file_named(folder: Path, stand_in: Callable[[Path, Path], None]) -> None:
    root, kept = folder / "out", folder / "kept"
    for name, path in targets(root).items():
        if stand_in is not fifo and name not in {layout.FORMAT, COCO, "segment", "image"}:
            continue
        path.rename(kept)
        stand_in(path, kept)
        started = time.process_time()
        verdict = verify(root)
        assert time.process_time() - started < SECONDS, name
        relative = path.relative_to(root).as_posix()
        named = [f for f in verdict.faults if f.file == relative or (name == "segment" and f.code == "ledger-chain")]
        assert named, (name, verdict.faults)
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        kept.rename(path)
    assert verify(root).sound
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 * MEMORY


def test_a_ledger_behind_a_link_is_none_of_this_output(folder: Path) -> None:
    root = folder / "out"
    (root / "ledger").rename(folder / "ledger")
    (root / "ledger").symlink_to(folder / "ledger")
    assert "ledger-chain" in {fault.code for fault in verify(root).faults}


@pytest.mark.parametrize("name", ["FORMAT.json", "profile.yaml", "segment", "image", "preview"])
def test_an_unreadable_file_is_a_fault_and_exit_code_5(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, real = targets(folder / "out")[name], os.open

    def refusing(what: Path, *rest: int, **more: int) -> int:
        if Path(what) == path:
            raise PermissionError(13, "Permission denied")
        return real(what, *rest, **more)

    monkeypatch.setattr(plain_files.os, "open", refusing)
    monkeypatch.setattr(sys, "argv", ["medaug", "verify", str(folder / "out"), "--workers", "1"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 5
    assert path.name in capsys.readouterr().out or name == "segment"


@pytest.mark.parametrize("name", [layout.FORMAT, layout.PROFILE, layout.SEAL, CROISSANT, MONAI, "segment"])
def test_a_sparse_file_is_as_quick_to_refuse_as_a_short_one(folder: Path, name: str) -> None:
    os.truncate(targets(folder / "out")[name], 512 << 20)
    started = time.process_time()
    assert not verify(folder / "out").sound
    assert time.process_time() - started < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 * MEMORY
