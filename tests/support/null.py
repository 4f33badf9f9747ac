"""Plans of units that don't exist, and work that takes no time: what is left is the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medaug.audit.record import Output, Record
from medaug.augmentation.recipe import Recipe
from medaug.errors import ReadError
from medaug.execution.execute import execute
from medaug.execution.planning.plan import Plan
from medaug.execution.planning.request import RunRequest
from medaug.execution.planning.sources import ImageSource
from medaug.execution.planning.units import Unit
from medaug.execution.summary import Summary
from medaug.execution.worker.job import Job, OnStep, Work
from medaug.execution.worker.worker import Worker
from medaug.imaging.boxes import Box
from medaug.imaging.volume import SourceRef
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile
from tests.support.records import digest, record

PROFILE = load_profile("bone-xray")
SHA256, LABELS = PROFILE.sha256, digest("boxes")
PAYLOAD = 3000  # bytes of an image that is none


def unit(number: int, *, patient: str = "") -> Unit:
    reference = SourceRef(
        "dicom", "CR", "1.2", f"1.2.{number}", (f"1.2.{number}.1",), (), (digest(number),), "declared"
    )
    recipe = Recipe(reference.key, LABELS, 0, 7, SHA256, PROFILE.prior.sha256)
    source = ImageSource(None, Path(f"{number}.nii"), by_slice=False, kind="nifti")
    boxes = (Box((0, 1, 1), (1, 2, 2), "lesion", ""),)
    return Unit(recipe, source, replace(reference, patient=patient), boxes, (1, 4, 4), 1)


def plan(*numbers: int, profile: Profile = PROFILE, **options: object) -> Plan:
    request = RunRequest(Path("in"), profile, seed=7, device="cpu", **options)  # type: ignore[arg-type]
    return Plan(request, tuple(unit(number) for number in numbers))


def worker(root: Path, profile: Profile = PROFILE) -> Worker:
    return Worker(plan(profile=profile).request, root)


def work(job: Job, _on_step: OnStep | None = None) -> Record:
    """What `work_unit` does with the disk, and nothing else."""
    job.lease.stage("write")
    made = stage(job)
    job.store.publish(job.lease.folder, made, 0.0)
    return made


def stage(job: Job) -> Record:
    """All of it but the commit."""
    store, unit, folder = job.store, job.unit, job.lease.folder
    key = unit.recipe.id
    (folder / "image").mkdir(parents=True)
    (folder / "image" / "0001.dcm").write_bytes(key.encode() * (PAYLOAD // 64))
    made = record(unit=key, outputs=(Output(f"variants/{key[:16]}/image/0001.dcm", digest(key), "", ""),))
    made = replace(made, source=replace(made.source, key=unit.recipe.source, patient=store.token(unit.reference)))
    store.complete(folder, made)
    return made


def refuse(_job: Job, _on_step: OnStep | None = None) -> Record:
    """A unit that can't be done."""
    raise ReadError("nothing to read")


def run(output: Path, *numbers: int, work: Work = work, **options: object) -> Summary:
    return execute(plan(*numbers, **options), output, work=work)


def files(output: Path) -> dict[str, bytes]:
    """Everything of OUTPUT that the contract says is the same, however often a run was interrupted.

    The ledger holds wall times and every attempt, and the seal binds the ledger.
    """
    found = {}
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        if path.is_file() and not name.startswith((".staging/", "ledger/", "seal.json")):
            found[name] = path.read_bytes()
    return found
