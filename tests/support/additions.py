"""A toy of each thing that CONTRIBUTING says how to add, as edits of a copy of the package.

An edit is (what stands there, as a pattern, what stands there then); a file that isn't there yet is given as text.
"""

from __future__ import annotations

import re
from pathlib import Path

Edits = dict[str, str | tuple[tuple[str, str], ...]]

SOLVER: Edits = {
    "inverse/solvers/toy.py": '''"""The measurement, encoded and decoded."""

from torch import Tensor

from medaug.inverse.protocols import Problem


def toy(problem: Problem, *, gain: float = 1.0) -> Tensor:
    return problem.prior.decode(problem.prior.encode(gain * problem.operator.adjoint(problem.y)))
''',
    "profile/solvers.py": (
        (
            r"\nSolverSpec = Annotated\[",
            """
class ToySpec(Sampled):
    kind: Literal["toy"]
    gain: float = 1.0


SolverSpec = Annotated[ToySpec | """,
        ),
        (r"case PsldSpec\(\) \|", "case ToySpec() | PsldSpec() |"),
    ),
    "assemble/__init__.py": (
        (r"(from medaug\.inverse\.solvers\.psld import psld\n)", r"\1from medaug.inverse.solvers.toy import toy\n"),
        (
            r"( +)(case solvers\.BlendSpec\(\):\n)",
            r"\1case solvers.ToySpec():\n\1    return partial(toy, gain=spec.gain)\n\1\2",
        ),
    ),
}
ANNOTATION_FORMAT: Edits = {
    "annotations/readers/toy.py": '''"""Lines of an image's name, a label and two corners."""

from pathlib import Path

from medaug.annotations.matching.by_name import match_by_name
from medaug.annotations.model import Entry, Images, ReaderResult, Rectangle


def read(path: Path, images: Images) -> ReaderResult:
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        name, label, *corners = line.split()
        x0, y0, x1, y1 = map(float, corners)
        entries.append(Entry((Rectangle((x0, y0), (x1, y1), label, f"line {number}"),), name=name))
    return match_by_name(entries, images)
''',
    "annotations/registry.py": (
        (r"    slicer,\n    voc,", "    slicer,\n    toy,\n    voc,"),
        (r'    "voc": voc\.read,', '    "toy": toy.read,\n    "voc": voc.read,'),
        (r'by_suffix = \{"\.json"', 'by_suffix = {".toy": "toy", ".json"'),
    ),
}
OUTPUT_MANIFEST: Edits = {
    "manifests/toy.py": '''"""How many images there are."""

from pathlib import Path

from medaug.audit.record_order import Ordered
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import document

TOY = "toy.json"


def toy_content(ordered: Ordered, _: object) -> dict[str, object]:
    return {"images": len(ordered.written)}


def write_toy(ordered: Ordered, output: Path, sources: object) -> Path:
    return replace_file(output / TOY, document(toy_content(ordered, sources)))
''',
    "manifests/table.py": (
        (r"(import MONAI, monai_content.*\n)", r"\1from medaug.manifests.toy import TOY, toy_content, write_toy\n"),
        (r"MANIFESTS = \(\n", "MANIFESTS = (\n    Manifest(TOY, toy_content, write_toy),\n"),
    ),
}
REGION_LAW: Edits = {
    "regions/laws.py": (
        (
            r"\ndef dust_alone",
            '''
def stripes(domain: Mask, boxes: Sequence[Box], *_: object) -> Regions:
    """The boxes are kept, and every fourth row is observed."""
    protected = protect_boxes(domain, boxes)
    rows = np.zeros_like(protected)
    rows[:, ::4] = True
    return _regions(protected, protected | rows)


def dust_alone''',
        ),
    ),
    "profile/components.py": (
        (
            r"\nLawSpec = (.*)\n",
            r"""
class Stripes(Spec):
    kind: Literal["stripes"]
    margin: Margin


LawSpec = Stripes | \1
""",
        ),
        (r"LawKind = Literal\[", 'LawKind = Literal["stripes", '),
        (r'case "gaussian-outside" \|', 'case "stripes" | "gaussian-outside" |'),
    ),
    "assemble/laws.py": (
        (r"(from medaug\.profile\.profile import Profile\n)", r"from medaug.profile.components import Stripes\n\1"),
        (r"( +)(case Outside\(\):\n +return laws)", r"\1case Stripes():\n\1    return laws.stripes\n\1\2"),
        (r"case Outside\(\):(\n +return 0)", r"case Outside() | Stripes():\1"),
        (r"case GaussianOutside\(\) \| Outside\(\)", "case Stripes() | GaussianOutside() | Outside()"),
    ),
}
PRIOR_LAYOUT: Edits = {
    "inverse/priors/loaders/toy.py": '''"""Latents that are the mean of each cell, and a network that says nothing."""

from pathlib import Path

import torch
from torch.nn import functional as F

from medaug.inverse.priors.card import PriorCard, digest_of
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.priors.loaders.layout import digests


def load(folder: Path) -> LatentPrior:
    files = digests(folder, "toy")
    card = PriorCard("toy", digest_of(files), "", "", "", 64, 1, 8, 1, "sample", files=files)
    alphas = torch.linspace(0.99, 0.01, 1000)
    return LatentPrior(card, alphas, lambda x: F.avg_pool2d(x, 8), lambda z: F.interpolate(z, scale_factor=8),
                       lambda z, _: z)
''',
    "inverse/priors/loaders/load.py": (
        (
            r'( +)(case "monai":\n)',
            r'\1case "toy":\n\1    from medaug.inverse.priors.loaders import toy\n\1    return toy.load(folder)\n\1\2',
        ),
    ),
    "inverse/priors/loaders/layout.py": (
        (r"Layout = Literal\[", 'Layout = Literal["toy", '),
        (r'(\n    "medaug": TRAINED,)', r'\n    "toy": ("toy.json",),\1'),
        (
            r"(\n    if any\(\(folder / name\)\.exists)",
            r'\n    if (folder / "toy.json").exists():\n        return "toy"\1',
        ),
    ),
}
CHECK: Edits = {
    "quality/figures.py": (
        (
            r"\ndef value_range",
            '''
def toy_share(pair: Pair) -> float:
    """Share of all voxels that differ."""
    return float(pair.differs.mean())


def value_range''',
        ),
    ),
    "quality/checks.py": (
        (r"(CheckName = Literal\[\n +)", r'\1"toy_share", '),
        (r'(\n +)("range": figures)', r'\1"toy_share": figures.toy_share,\1\2'),
        (r'(\n +)("range": \()', r'\1"toy_share": (0.01, 0.99),\1\2'),
    ),
}
ADDITIONS: dict[str, Edits] = {
    "a solver": SOLVER,
    "an annotation format": ANNOTATION_FORMAT,
    "an output manifest": OUTPUT_MANIFEST,
    "a region law": REGION_LAW,
    "a prior's layout": PRIOR_LAYOUT,
    "a check": CHECK,
}


def add(package: Path, edits: Edits) -> None:
    """Make the edits in a copy of the package."""
    for name, edit in edits.items():
        path = package / name
        if isinstance(edit, str):
            assert not path.exists(), name
            path.write_text(edit)
            continue
        text = path.read_text()
        for pattern, after in edit:
            text, count = re.subn(pattern, after, text)
            assert count, f"{name}: nothing matches {pattern}"
        path.write_text(text)
