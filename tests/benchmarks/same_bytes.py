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
  reference commit's by case, which aren't made again while commands, inputs, the packages that it needs, processor and
  threads stay the same. Without it all of it is temporary.

Only the command line is used and nothing of medaug is imported, so that modules may move between the two.

Left out are medaug's own version, in whose place both copies state `VERSION`, as digests over it stand in records and
seal, and the few fields that `differences.py` names. Versions of packages are the interpreter's, and are compared.
"""

from __future__ import annotations

import argparse
import importlib.metadata
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
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HERE))  # this checkout's comparison, whichever is installed
from tests.benchmarks.differences import Results, differences, digest  # noqa: E402
from tests.benchmarks.same_bytes_cases import CASES, EPOCH, Command, Given, environment  # noqa: E402

PARTS = ("medaug", "profiles", "examples", "pyproject.toml")
VERSION = "0.0.0"


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
        for path in (Path(source) / part for part in PARTS):
            if path.is_dir():
                shutil.copytree(path, target / path.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(path, target / path.name)
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
    project = tomllib.loads((given.reference / "pyproject.toml").read_text())["project"]
    packages = sorted(needed(project["dependencies"]))
    words = [[*command.words, command.code] for command in commands]
    machine = [platform.python_version(), platform.machine(), processor()]
    hung = {"words": words, "inputs": inputs, "packages": packages, "machine": machine, "threads": given.threads}
    return json.dumps(hung | {"epoch": EPOCH, "version": VERSION}, indent=1)


def needed(requirements: Iterable[str]) -> set[str]:
    """Name and version of what is installed of these requirements, and of theirs."""
    found: dict[str, str] = {}
    left = [Requirement(text) for text in requirements]
    while left:
        one = left.pop()
        if one.name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found[one.name] = f"{one.name} {importlib.metadata.version(one.name)}"
            left += [Requirement(text) for text in importlib.metadata.requires(one.name) or []]
    return set(found.values())


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
