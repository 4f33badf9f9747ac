"""A sheet of sources and their variants at each strength: ``python -m tests.benchmarks.strength_pictures --data DEV``.

One row a case: the source with its box, then a variant at each strength, seed 0, in the profile's window. A slice of a
volume has a drawn box. ``--out`` is the folder of the PNGs, one a case; which of them may be published hangs on the
licences of the data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import medaug
from medaug.profile.strength import NAMES
from medaug.quality.levels import levels
from tests.benchmarks import strength

HEIGHT = 400  # px of a picture in the sheet
GAP = 4
SHOWN = {  # of a case: profile, and which of its labelled images, or where its slices lie
    "01": ("bone-xray", 5),
    "02": ("chest-xray", 14),
    "04": ("brain-ct", "04_ct_head_tilt_ge/ct"),
    "05": ("bone-xray", "05_cr_extremity_nema"),
    "07": ("brain-mr", "07_mr_t1_studyforrest/mr"),
    "12": ("brain-mr", "12_nifti_brain_label_pyradiomics/brain1_image.nii.gz"),
}
ALL = 1000  # labelled images


def picture(volume: medaug.Volume, window: medaug.Window, box: medaug.Box | None = None) -> Image.Image:
    """The slice as the profile shows it, the box's edge white."""
    grey = (np.clip(levels(volume, window, 0), 0, 1) * 255).round().astype(np.uint8)
    if box is not None:
        (_, top, left), (_, bottom, right), wide = box.start, box.stop, max(1, max(grey.shape) // 250)
        edge = np.zeros(grey.shape, bool)
        edge[top:bottom, left:right] = True
        edge[top + wide : bottom - wide, left + wide : right - wide] = False
        grey[edge] = 255
    return Image.fromarray(grey).resize((round(grey.shape[1] * HEIGHT / grey.shape[0]), HEIGHT), Image.LANCZOS)


def row(profile: medaug.Profile, case: medaug.Case) -> Image.Image:
    made = []
    for name in NAMES:
        rung = medaug.with_strength(profile, name)
        tools = medaug.tools(rung, "cpu", threads=1)
        variant = medaug.augment(case, medaug.Recipe.of(case.volume, case.boxes, rung, seed=0), tools)
        print(f"  {name}: {[str(check) for check in variant.checks if not check.passed] or 'passed'}")
        made.append(variant)
    window = made[0].window
    pictures = [picture(case.volume, window, case.boxes[0]), *(picture(one.volume, window) for one in made)]
    sheet = Image.new("L", (sum(one.width + GAP for one in pictures) - GAP, HEIGHT), 128)
    left = 0
    for one in pictures:
        sheet.paste(one, (left, 0))
        left += one.width + GAP
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", choices=SHOWN, default=list(SHOWN))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.cases:
        print(name)
        row(medaug.load_profile(SHOWN[name][0]), case_of(given.data, *SHOWN[name])).save(given.out / f"{name}.png")


def case_of(data: Path, profile: str, which: int | str) -> medaug.Case:
    if isinstance(which, int):
        return list(strength.labelled(data, profile, ALL))[which]
    return list(strength.with_drawn_box(data, profile, 3, which))[-1]


if __name__ == "__main__":
    main()
