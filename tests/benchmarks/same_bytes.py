"""Do two versions of the code write the same bytes?

    python tests/benchmarks/same_bytes.py --reference 55a8a64 [--candidate FOLDER] [--cases demo,03] [--keep FOLDER]

Runs `medaug run` of two checkouts, and exports and conversions of boxes after it, on the same input with the same key,
SOURCE_DATE_EPOCH and number of threads, and compares every file and folder that comes of it, modes included. Exit code
1 where one differs, or where a command ends otherwise than it should.

* The reference is a commit of this repository or a folder, the candidate a folder, by default the one this script lies
  in. Of both, what `PARTS` names is copied to a temporary folder first, so that edits don't reach a run that is on.
* Cases are the export that examples/demo.py draws (by the reference's code, for both) and development cases below
  MEDAUG_DATA or ../shared/data. Profiles are the reference's shipped ones with few steps; each case takes another
  solver or law of regions, so that together they pass most of the code.
* ``--keep FOLDER`` keeps what came of it: the candidate's last results to look at, by its folder's name, and a
  reference commit's by case, which aren't made again while commands, inputs, packages, processor and threads stay the
  same. Without it all of it is temporary.

Only the command line is used and nothing of medaug is imported, so that modules may move between the two.

Left out are medaug's own version, in whose place both copies state `VERSION`, as digests over it stand in records and
seal, and the few fields that `differences.py` names. Versions of packages are the interpreter's, and are compared.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import io
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import yaml

HERE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HERE))  # this checkout's comparison, whichever is installed
from tests.benchmarks.differences import Results, differences, digest  # noqa: E402

PARTS = ("medaug", "profiles", "examples")
VERSION = "0.0.0"
EPOCH = "1700000000"
KEY = bytes(range(32))  # of a comparison, so no secret
STATED = "public test data"
MARGIN = {"value": 5, "unit": "mm"}


@dataclass(frozen=True)
class Command:
    """Words after `medaug`, where {out} stands for the results' folder, and the exit code that they must end with."""

    words: tuple[str, ...]
    code: int = 0


@dataclass(frozen=True)
class Given:
    """What a case is made of: a folder for its inputs, the reference's checkout, the development cases, threads."""

    made: Path
    reference: Path
    data: Path
    threads: int

    def profile(self, path: str, **changes: Any) -> str:
        """A profile of the reference with few steps: what is compared is the line, not the picture."""
        base = yaml.safe_load((self.reference / path).read_text())
        base["solver"] = {**base["solver"], "steps": 4}
        return self.put("profile.yaml", yaml.safe_dump(base | changes).encode())

    def rows(self, header: str, *lines: Sequence[object]) -> str:
        """Boxes as CSV."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows([header.split(","), *lines])
        return self.put("boxes.csv", text.getvalue().encode())

    def put(self, name: str, data: bytes) -> str:
        """An input, written unless it is there: another comparison may be reading it."""
        path = self.made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
        return str(path)

    def run(self, source: Path, profile: str, *labels: str, more: Sequence[str] = ()) -> Command:
        """`medaug run` as every case is run."""
        words = ("run", str(source), "-o", "{out}/output", *options(profile, labels), *more)
        return Command((*words, "--key", self.put("key", KEY), "--seed", "7"))


def options(profile: str, labels: Sequence[str]) -> list[str]:
    """What `run` and `boxes` are both given."""
    return ["--profile", profile, "--accept-identity", STATED, *(word for path in labels for word in ("-a", path))]


def boxes(to: str, name: str, source: Path, profile: str, *labels: str) -> Command:
    """`medaug boxes` with what the run was given, in a format, to a file or folder of this name."""
    return Command(("boxes", str(source), *options(profile, labels), "--to", to, "-o", f"{{out}}/{name}"))


def export(to: str, *more: str) -> Command:
    """`medaug export` of what the run wrote."""
    return Command(("export", "{out}/output", "--to", to, "-o", f"{{out}}/{to}", *more))


def demo(given: Given) -> list[Command]:
    """DX, CR in MONOCHROME1, a series of two, a picture, and a broken series that is refused: exit code 4."""
    source = given.made / "export"
    if not source.exists():
        draw = "import sys, demo, pathlib; demo.make_export(pathlib.Path(sys.argv[1]), 12)"
        paths = f"{given.reference}{os.pathsep}{given.reference / 'examples'}"
        new = source.with_name(f"export.{os.getpid()}")
        subprocess.run([sys.executable, "-P", "-c", draw, new], env=environment(paths, given.threads), check=True)
        new.rename(source)
    labels = [str(source / "annotations" / name) for name in ("boxes.json", "followed.csv")]
    profile = given.profile("examples/demo.yaml")
    run = given.run(source, profile, *labels, more=("--variants", "2"))
    return [Command(run.words, 4), export("yolo"), boxes("coco", "boxes.json", source, profile, *labels)]


def case_03(given: Given) -> list[Command]:
    """A CT with the liver as DICOM Segmentation, structures of another one kept; in JPEG-LS, and as nnU-Net's."""
    case = given.data / "03_ct_liver_seg_dcmqi"
    source, labels, others = case / "ct", str(case / "seg" / "liver.dcm"), str(case / "seg" / "partial_overlaps.dcm")
    profile = given.profile("profiles/body-ct.yaml", output_syntax="jpeg-ls-lossless")
    run = given.run(source, profile, labels, more=("--protect", others))
    return [run, export("nnunet", "--source", str(source), "-a", labels)]


def case_05(given: Given) -> list[Command]:
    """A leg twice, in JPEG lossless and JPEG 2000, MONOCHROME1, seen through a blur; in JPEG 2000."""
    source = given.data / "05_cr_extremity_nema"
    box = json.loads((source / "boxes_by_eye.json").read_text())["boxes"][0]
    corners = (*(box[corner] for corner in ("x0", "y0", "x1", "y1")), "lesion")
    lines = [(f"RG3_{encoding}.dcm", *corners) for encoding in ("JPLL", "J2KR")]
    labels = given.rows("image,x_min,y_min,x_max,y_max,label", *lines)
    profile = given.profile("profiles/degraded-xray.yaml", output_syntax="jpeg2000-lossless")
    return [given.run(source, profile, labels), boxes("yolo", "boxes", source, profile, labels)]


def case_07(given: Given) -> list[Command]:
    """Eight slices of an oblique MR series; what is inside the box is drawn anew."""
    source = given.made / "mr"
    files = sorted((given.data / "07_mr_t1_studyforrest" / "mr").iterdir())[28:36]
    for file in files:
        given.put(f"mr/{file.name}", file.read_bytes())
    marked = [pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files[2:5]]
    lines = [(uid, 100, 150, 130, 185, "x") for uid in marked]
    labels = given.rows("sop_instance_uid,x_min,y_min,x_max,y_max,label", *lines)
    profile = given.profile("profiles/brain-mr.yaml", regions={"kind": "inside", "margin": MARGIN}, batch_size=3)
    return [given.run(source, profile, labels), boxes("sr", "boxes", source, profile, labels)]


def case_08(given: Given) -> list[Command]:
    """Two objects of 24 frames, one with them out of order; observed at random places, projected; in RLE."""
    source = given.data / "08_mr_enhanced_multiframe_nema"
    lines = [(f"BRTUM00{n}.dcm", k, 90, 60, 130, 110, "tumour") for n in (3, 8) for k in (12, 13, 14)]
    labels = given.rows("image,slice,x_min,y_min,x_max,y_max,label", *lines)
    law = {"kind": "random", "rate": 0.3, "margin": MARGIN}
    solver = {"kind": "project", "steps": 3, "start": 0.3, "iterations": 2}
    profile = given.profile("profiles/brain-mr.yaml", regions=law, solver=solver, output_syntax="rle-lossless")
    return [given.run(source, profile, labels), boxes("monai", "boxes.json", source, profile, labels)]


def case_12(given: Given) -> list[Command]:
    """NIfTI with a label map, blended; as nnU-Net's."""
    case = given.data / "12_nifti_brain_label_pyradiomics"
    source, labels = case / "brain1_image.nii.gz", str(case / "brain1_label.nii.gz")
    profile = given.profile("profiles/brain-mr.yaml", solver={"kind": "blend", "steps": 4, "start": 0.3})
    nnunet = export("nnunet", "--source", str(source), "-a", labels)
    return [given.run(source, profile, labels), nnunet, boxes("csv", "boxes.csv", source, profile, labels)]


CASES: dict[str, Callable[[Given], list[Command]]] = {"demo": demo, "03": case_03, "05": case_05}
CASES |= {"07": case_07, "08": case_08, "12": case_12}


@dataclass(frozen=True)
class Checkout:
    """Where a copy of it lies, what it is called, and whether that is a commit, whose results may be taken again."""

    root: Path
    name: str
    fixed: bool

    def call(self, command: Command, out: Path, threads: int) -> str:
        """Run a command; what went wrong, "" where nothing did."""
        words = [word.replace("{out}", str(out)) for word in command.words]
        call = [sys.executable, "-P", "-m", "medaug", *words]
        done = subprocess.run(
            call, env=environment(self.root, threads), cwd=out, capture_output=True, text=True, check=False
        )
        if done.returncode == command.code:
            return ""
        return f"medaug {words[0]} ended with {done.returncode}, not {command.code}: {done.stderr.strip()[-1000:]}"


def environment(paths: object, threads: int) -> dict[str, str]:
    """What both are run with."""
    fixed = {"SOURCE_DATE_EPOCH": EPOCH, "OMP_NUM_THREADS": str(threads)}
    return {**os.environ, **fixed, "PYTHONPATH": str(paths)}


def copied(source: str, target: Path) -> Checkout:
    """A copy of a folder, or of a commit of this repository, that states `VERSION`."""
    target.mkdir(parents=True)
    if fixed := not Path(source).is_dir():
        name = git("rev-parse", "--verify", f"{source}^{{commit}}")[:12]
        git("archive", "-o", str(target / "archive.tar"), name, *PARTS)
        with tarfile.open(target / "archive.tar") as archive:
            archive.extractall(target, filter="data")
    else:
        name = Path(source).resolve().name
        for part in PARTS:
            shutil.copytree(Path(source) / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    state_version(target / "medaug")
    check_path(target)
    return Checkout(target, name, fixed)


def check_path(target: Path) -> None:
    """Stop where PYTHONPATH doesn't decide which medaug is run."""
    check = "import importlib.util as u; print(u.find_spec('medaug').origin)"
    found = subprocess.check_output([sys.executable, "-P", "-c", check], env=environment(target, 1), text=True)
    if not Path(found.strip()).is_relative_to(target):
        raise SystemExit(f"PYTHONPATH doesn't decide which medaug is run: it is {found.strip()}")


def git(*words: str) -> str:
    """Output of git in this repository."""
    return subprocess.check_output(["git", "-C", str(HERE), *words], text=True)


def state_version(package: Path) -> None:
    """Put `VERSION` into the one line of the package that states its version."""
    line = re.compile(r'^__version__ = ".*"$', re.MULTILINE)
    stating = [path for path in package.glob("*.py") if line.search(path.read_text())]
    if len(stating) != 1:
        raise SystemExit(f'{len(stating)} modules of {package.name} state a version (__version__ = "…"); expected one')
    stating[0].write_text(line.sub(f'__version__ = "{VERSION}"', stating[0].read_text()))


def results(checkout: Checkout, commands: list[Command], out: Path, threads: int) -> list[str]:
    """Have a checkout do what is asked, into a new folder; what went wrong."""
    new = out.with_name(f"{out.name}.{os.getpid()}")
    new.mkdir(parents=True)
    wrong = [fault for command in commands if (fault := checkout.call(command, new, threads))]
    shutil.rmtree(out, ignore_errors=True)
    new.rename(out)
    return wrong


def kept(commands: list[Command], given: Given) -> str:
    """What results hang on beside the code, as text: kept ones are taken again where it is the same."""
    named = {Path(word) for command in commands for word in command.words if Path(word).is_absolute()}
    below = {path for name in named for path in (name.rglob("*") if name.is_dir() else [name]) if path.is_file()}
    inputs = {str(path): digest(path.read_bytes()) for path in sorted(below)}
    packages = sorted(f"{one.name} {one.version}" for one in importlib.metadata.distributions() if one.name != "medaug")
    words = [[*command.words, command.code] for command in commands]
    machine = [platform.python_version(), platform.machine(), processor()]
    hung = {"words": words, "inputs": inputs, "packages": packages, "machine": machine, "threads": given.threads}
    return json.dumps(hung | {"epoch": EPOCH, "version": VERSION}, indent=1)


def processor() -> str:
    """The processor's model, where the system says it: its kernels decide last digits."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def reference_results(reference: Checkout, commands: list[Command], given: Given, out: Path) -> list[str]:
    """The reference's results, made unless they are there."""
    stamp, hung = out.with_name(f"{out.name}.json"), kept(commands, given)
    if reference.fixed and stamp.exists() and stamp.read_text() == hung:
        return []
    stamp.unlink(missing_ok=True)
    wrong = results(reference, commands, out, given.threads)
    if not wrong:
        stamp.write_text(hung)
    return wrong


def compare(name: str, reference: Checkout, candidate: Checkout, asked: argparse.Namespace) -> list[str]:
    """Have a case done by both; what differs, or went wrong."""
    folder = asked.keep / reference.name
    given = Given(folder / "inputs" / name, reference.root, asked.data, asked.threads)
    commands, outs = CASES[name](given), (folder / "results" / name, asked.keep / "candidates" / candidate.name / name)
    marks = [spent()]
    wrong = [f"reference: {line}" for line in reference_results(reference, commands, given, outs[0])]
    marks.append(spent())
    wrong += [f"candidate: {line}" for line in results(candidate, commands, outs[1], asked.threads)]
    marks.append(spent())
    found = wrong + differences(*outs)
    cpu, wall = (" and ".join(f"{b[n] - a[n]:.0f}" for a, b in itertools.pairwise(marks)) for n in (0, 1))
    size = len(Results(outs[0]).paths)
    print(f"{name}: {size} files and folders, {len(found)} differences; CPU {cpu} s, wall {wall} s", flush=True)
    return [f"{name}: {line}" for line in found]


def spent() -> tuple[float, float]:
    """Processor time of the processes that ended, and the time."""
    times = os.times()
    return times.children_user + times.children_system, times.elapsed


def arguments() -> argparse.Namespace:
    """What the command line says, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", required=True, metavar="COMMIT|FOLDER")
    parser.add_argument("--candidate", default=str(HERE), metavar="FOLDER|COMMIT")
    parser.add_argument("--cases", default=",".join(CASES), help="by default all: %(default)s")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    asked.cases = asked.cases.split(",")
    if unknown := set(asked.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    asked.data = Path(os.environ.get("MEDAUG_DATA") or HERE.parent / "shared" / "data").resolve() / "dev"
    if set(asked.cases) != {"demo"} and not asked.data.is_dir():
        parser.error("no real cases here: set MEDAUG_DATA to their folder, or give --cases demo")
    return asked


def main() -> int:
    """Run and compare; 1 where anything differs."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder).resolve()
        reference, candidate = (copied(getattr(asked, which), here / which) for which in ("reference", "candidate"))
        asked.keep = (asked.keep or here / "kept").resolve()
        found = [line for name in asked.cases for line in compare(name, reference, candidate, asked)]
    print("\n".join(found) or "the same bytes")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
