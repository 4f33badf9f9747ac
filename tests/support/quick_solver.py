"""The process that solves, with the quick prior: ``python -m …``; the embedded one's library takes most of a start."""

from __future__ import annotations

import runpy

from medaug.execution.worker.solver_process import CHILD
from tests.support.quick_prior import in_place_of_the_embedded

with in_place_of_the_embedded():
    runpy.run_module(CHILD, run_name="__main__")
