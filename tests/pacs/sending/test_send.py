"""OUTPUT into an archive that keeps it, and into archives that don't."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless

from medaug.audit import ledger
from medaug.dicom.read.parse import parsed
from medaug.errors import ArchiveError, OutputError
from medaug.pacs.access import Access
from medaug.pacs.address import address_of
from medaug.pacs.archive import InstanceFound, Query
from medaug.pacs.dicomweb.archive import DicomWeb
from medaug.pacs.fetch import Order, fetch
from medaug.pacs.folder import Asked, opened
from medaug.pacs.sending.kept import content_digest
from medaug.pacs.sending.send import Parcel, Sent, send
from medaug.pacs.sending.sent import known
from tests.support.dicomweb_server import Archive, served
from tests.support.pacs_output import build, reject


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    build(folder)
    return folder


@pytest.fixture
def output(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "out", tmp_path / "out"))


def sent(archive: Archive, output: Path, **options: Any) -> Sent:
    with served(archive):
        parcel = Parcel(output, archive.address, **{"waits": (), **options})
        return send(DicomWeb(address_of(archive.address), Access()), parcel)


def refused(archive: Archive, output: Path, **options: Any) -> str:
    with pytest.raises(ArchiveError) as caught:
        sent(archive, output, **options)
    return caught.value.code


def files(output: Path) -> dict[str, Path]:
    return {str(pydicom.dcmread(path).SOPInstanceUID): path for path in (output / "variants").rglob("*.dcm")}


def test_what_the_lists_hold_arrives_as_it_is_and_once(output: Path) -> None:
    archive = Archive()
    done = sent(archive, output)
    mine = files(output)
    assert (done.variants, done.instances, dict(done.left_out)) == (2, len(mine), {"not-dicom": 1})
    assert {uid: pydicom.dcmread(path) for uid, path in mine.items()} == archive.held
    assert {ds.Modality for ds in archive.held.values()} == {"CR", "CT", "SEG", "SR"}
    stores = sum("POST" in line for line in archive.asked)
    assert stores == len(mine)
    with served(archive):
        again = Parcel(output, next(known(output)).archive, waits=())
        once_more = send(DicomWeb(address_of(archive.address), Access()), again)
    assert (once_more.before, once_more.instances) == (len(mine), len(mine))
    assert sum("POST" in line for line in archive.asked) == stores


def test_a_rejected_variant_is_not_sent(output: Path) -> None:
    unit = next(r for r in ledger.shelved(output / "ledger") if r.source.modality == "CT")
    reject(output, unit.unit)
    archive = Archive()
    done = sent(archive, output)
    assert (done.variants, done.left_out["left-out"]) == (1, 1)
    assert not {one.sop_instance_uid for one in unit.images} & set(archive.held)


def test_a_send_that_is_cut_goes_on(output: Path) -> None:
    archive = Archive(room=4)
    assert refused(archive, output) == "archive-full"
    first = set(archive.held)
    archive.room = 99
    done = sent(archive, output)
    assert done.instances == len(files(output)) == len(archive.held)
    assert len(first) == 4
    assert sum("POST" in line for line in archive.asked) == len(archive.held) + 1  # and the one that had no room


def _drop(ds: Dataset) -> Dataset | None:
    return None if ds.Modality == "CT" else ds


def _coerce(ds: Dataset) -> Dataset:
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID[:50]}.7"
    return ds


def _brighten(ds: Dataset) -> Dataset:
    if ds.Modality == "CT":
        ds.PixelData = (ds.pixel_array + 1).tobytes()
    return ds


def _unmark(ds: Dataset) -> Dataset:
    del ds.SyntheticData
    return ds


def _relabel(ds: Dataset) -> Dataset:
    if ds.Modality == "SR":
        ds.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning = "other"
    return ds


@pytest.mark.parametrize(
    ("change", "code"),
    [(_drop, "archive-not-kept"), (_coerce, "archive-uids"), (_brighten, "archive-pixels"), (_unmark, "archive-marks"),
     (_relabel, "archive-pixels")],
)  # fmt: skip
def test_an_archive_that_says_yes_and_does_otherwise_is_noticed(change: Any, code: str, output: Path) -> None:
    assert refused(Archive(change=change), output) == code
    assert all(one.instance for one in known(output))  # nothing of the unit at fault counts as sent


def test_encoding_anew_without_loss_is_no_fault(output: Path) -> None:
    def recode(ds: Dataset) -> Dataset:
        if ds.Modality in {"CR", "CT"}:
            ds.compress(JPEGLSLossless, generate_instance_uid=False)
        return ds

    archive = Archive(change=recode)
    assert sent(archive, output).variants == 2
    assert {ds.file_meta.TransferSyntaxUID for ds in archive.held.values()} >= {JPEGLSLossless}


def test_what_is_not_marked_as_synthetic_is_never_sent(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medaug.pacs.sending.send.is_marked", lambda ds: ds.Modality != "CT")
    archive = Archive()
    assert refused(archive, output) == "not-synthetic"
    assert not [ds for ds in archive.held.values() if ds.Modality == "CT"]


def test_a_file_that_is_not_what_was_recorded_is_never_sent(output: Path) -> None:
    path = next((output / "variants").rglob("*.dcm"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(OutputError, match="isn't what its record says"):
        sent(Archive(), output)


def clinical(made: Path) -> Archive:
    held = [pydicom.dcmread(path) for kind in ("CR", "CT") for path in (made / kind / "in").iterdir()]
    return Archive({str(ds.SOPInstanceUID): ds for ds in held})


def test_the_archive_of_the_sources_is_refused_by_what_it_holds(made: Path, output: Path) -> None:
    archive = clinical(made)
    before = set(archive.held)
    assert refused(archive, output) == "archive-same"
    assert set(archive.held) == before
    done = sent(archive, output, allowed="a test", study="new")
    assert done.variants == 2
    assert {one.allowed for one in known(output)} == {"a test"}
    assert refused(Archive(), output, proof="none") == "archive-same"


def test_a_study_of_their_own_refers_to_the_source_and_is_found_beside_no_clinical_series(
    made: Path, output: Path
) -> None:
    archive = clinical(made)
    real = dict(archive.held)
    sent(archive, output, allowed="a test", study="new")
    made = {uid: ds for uid, ds in archive.held.items() if uid not in real}
    assert {ds.StudyInstanceUID for ds in made.values()}.isdisjoint(ds.StudyInstanceUID for ds in real.values())
    assert not {ds.SeriesInstanceUID for ds in made.values()} & {
        pydicom.dcmread(path).SeriesInstanceUID for path in files(output).values()
    }
    assert {ds.StudyDescription for ds in made.values()} == {"SYNTHETIC medaug"}
    for ds in made.values():
        if ds.Modality in {"CR", "CT"}:
            assert {one.ReferencedSOPInstanceUID for one in ds.SourceImageSequence} & set(real)
        else:
            referred = {str(e.value) for e in ds.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
            assert referred <= set(made)
    for ds in made.values():
        for item in ds.get("CurrentRequestedProcedureEvidenceSequence", ()):
            assert item.StudyInstanceUID == ds.StudyInstanceUID
    pixels = sorted(content_digest(parsed(_bytes(ds))) for ds in made.values() if ds.Modality == "CT")
    mine = [path for path in files(output).values() if pydicom.dcmread(path).Modality == "CT"]
    assert pixels == sorted(content_digest(parsed(path.read_bytes())) for path in mine)


def _bytes(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_sources_under_pseudonyms_are_asked_for_under_their_own_names(
    made: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What OUTPUT knows as the source lies in the archive under a name that the fetch's map alone knows."""
    archive = clinical(made)
    with served(archive), opened(tmp_path / "f", Asked("elsewhere", "")) as folder:
        fetch(DicomWeb(address_of(archive.address), Access()), folder, Order(Query(), annotations=False))
    lines = (tmp_path / "f" / "private" / "arrivals.jsonl").read_text()
    old = next(iter(archive.held.values()))
    for ds in archive.held.values():
        for keyword in ("SeriesInstanceUID", "StudyInstanceUID"):
            name = str(ds[keyword].value)
            lines = lines.replace(f'"{keyword[:-11].lower()}":"{name}"', f'"{keyword[:-11].lower()}":"{name[:40]}.5"')
            ds[keyword].value = f"{name[:40]}.5"
    assert old.SeriesInstanceUID.endswith(".5")
    monkeypatch.setattr("medaug.pacs.sending.same_archive.MARK", "")  # as if the fetch had given pseudonyms
    assert refused(archive, output) == "archive-same"  # nothing tells under which names: not even an empty one is taken
    assert refused(Archive(), output) == "archive-same"
    (tmp_path / "f" / "private" / "arrivals.jsonl").write_text(lines)
    assert refused(archive, output, fetched=tmp_path / "f") == "archive-same"
    assert sent(Archive(), output, fetched=tmp_path / "f").variants == 2


def test_the_address_that_was_fetched_from_is_refused_unasked(output: Path, tmp_path: Path) -> None:
    archive = Archive()
    with served(archive):
        with opened(tmp_path / "f", Asked(archive.address, "basic")):
            pass
        parcel = Parcel(output, archive.address, fetched=tmp_path / "f")
        with pytest.raises(ArchiveError, match="fetched from this address"):
            send(DicomWeb(address_of(archive.address), Access()), parcel)
    assert archive.asked == []


def test_an_archive_that_takes_no_reports_gets_the_rest(output: Path) -> None:
    class NoReports(DicomWeb):
        def store(self, dataset: Dataset) -> None:
            if dataset.Modality == "SR":
                raise ArchiveError("no", code="archive-refused")
            super().store(dataset)

    archive = Archive()
    with served(archive):
        done = send(NoReports(address_of(archive.address), Access()), Parcel(output, archive.address, waits=()))
    assert done.left_out["archive-refused"] == sum(
        pydicom.dcmread(path).Modality == "SR" for path in files(output).values()
    )
    assert {ds.Modality for ds in archive.held.values()} == {"CR", "CT", "SEG"}


def test_what_comes_back_is_what_was_sent(output: Path, tmp_path: Path) -> None:
    archive = Archive()
    sent(archive, output)
    with served(archive), opened(tmp_path / "f", Asked("here", "")) as folder:
        done = fetch(DicomWeb(address_of(archive.address), Access()), folder, Order(Query()))
    mine = files(output)
    assert (done.images, sum(done.annotations.values())) == (
        sum("image" in path.parts for path in mine.values()),
        sum("evidence" in path.parts for path in mine.values()),
    )
    for path in (tmp_path / "f").rglob("*.dcm"):
        ds = pydicom.dcmread(path)
        assert ds == pydicom.dcmread(mine[str(ds.SOPInstanceUID)])


def test_an_archive_may_take_a_while_to_store(output: Path) -> None:
    class Slow(DicomWeb):
        looks = 0

        def find_instances(self, series: Any) -> Any:
            Slow.looks += 1
            found = list(super().find_instances(series))
            return iter(found[:-1] if Slow.looks % 2 and found else found)

        def retrieve(self, found: InstanceFound) -> bytes:
            return super().retrieve(replace(found))

    archive = Archive()
    with served(archive):
        done = send(Slow(address_of(archive.address), Access()), Parcel(output, archive.address, waits=(0, 0)))
    assert done.variants == 2
