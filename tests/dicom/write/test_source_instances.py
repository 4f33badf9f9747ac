from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest

from medaug.dicom.read import parse
from medaug.dicom.write import source_instances, write
from medaug.dicom.write.source_instances import Originals
from medaug.errors import WriteError
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.dicom_derived import PROVENANCE, as_volume, ring, variant_of


@pytest.fixture
def series(tmp_path: Path) -> Volume:
    return as_volume(make.series(tmp_path / "in"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    paths: list[Path] = []
    real = parse.content

    def content(path: Path) -> bytes:
        paths.append(path)
        return real(path)

    monkeypatch.setattr(parse, "content", content)
    return paths


def written(source: Volume, folder: Path, kept: Originals) -> list[bytes]:
    changed = ring(source)
    variant = variant_of(source, changed)
    files = write.write_series(variant, changed, source=source, provenance=PROVENANCE, folder=folder, originals=kept)
    return [file.path.read_bytes() for file in files]


def test_the_variants_of_a_source_read_its_files_once(series: Volume, tmp_path: Path, asked: list[Path]) -> None:
    kept = Originals()
    first = written(series, tmp_path / "a", kept)
    assert asked == list(series.source.files)
    assert written(series, tmp_path / "b", kept) == first
    assert written(series, tmp_path / "c", Originals()) == first
    assert asked == [*series.source.files] * 2, "only what keeps nothing reads again"


def test_what_was_checked_is_what_is_derived_from(series: Volume, tmp_path: Path) -> None:
    kept = Originals()
    first = written(series, tmp_path / "a", kept)
    path = series.source.files[1]
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert written(series, tmp_path / "b", kept) == first
    with pytest.raises(WriteError, match="changed during the run"):
        written(series, tmp_path / "c", Originals())


def test_another_volume_of_the_same_files_is_compared_with_them_anew(series: Volume, tmp_path: Path) -> None:
    kept = Originals()
    written(series, tmp_path / "a", kept)
    with pytest.raises(WriteError) as caught:
        written(replace(series, stored=series.stored.max() - series.stored), tmp_path / "b", kept)
    assert caught.value.code == "source-differs"


def test_no_more_is_kept_than_is_allowed(
    series: Volume, tmp_path: Path, asked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = series.source.files
    monkeypatch.setattr(source_instances, "KEPT", files[0].stat().st_size + files[1].stat().st_size)
    kept = Originals()
    first = written(series, tmp_path / "a", kept)
    assert written(series, tmp_path / "b", kept) == first
    assert asked == [*files, *files[2:]]


def test_what_is_kept_goes_with_the_volume(tmp_path: Path) -> None:
    source = as_volume([make.radiograph(tmp_path / "in")])
    kept = Originals()
    written(source, tmp_path / "a", kept)
    assert kept._files
    del source
    gc.collect()
    assert not kept._files
