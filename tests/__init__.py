"""What holds for every process of the tests, and those that they start; read before numpy and torch are."""

import os
import sys

if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core: more threads of each would only wait for one another
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# A program that a test starts compiles the package once, and not each time, wherever that is switched off
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
