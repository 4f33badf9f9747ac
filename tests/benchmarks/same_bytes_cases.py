"""What `same_bytes.py` has two versions of the code do: inputs, profiles and commands of each case.

A case is a function of `Given` that makes what it needs and returns commands. Each takes another solver or law of
regions and another encoding; all take few steps, so that one costs 30 to 45 s of processor.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import yaml

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


def environment(paths: object, threads: int) -> dict[str, str]:
    """What both are run with."""
    fixed = {"SOURCE_DATE_EPOCH": EPOCH, "OMP_NUM_THREADS": str(threads)}
    return {**os.environ, **fixed, "PYTHONPATH": str(paths)}


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
