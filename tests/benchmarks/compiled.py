"""What torch.compile costs and gains for the embedded prior's denoising network, on a processor, one thread.

    OMP_NUM_THREADS=1 python tests/benchmarks/compiled.py [--rows 1]

Seconds of processor, those of the compiler's processes included; without gradients, which a compiled graph makes anew.
Calls as they are and compiled take turns. ``TORCHINDUCTOR_CACHE_DIR`` names an empty folder to compile again.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch

from medaug import assemble
from medaug.inverse.priors.networks.precision import economical
from medaug.profile.load import load_profile

CALLS = 20


def spent() -> float:
    """Of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1)
    rows = parser.parse_args().rows
    torch.set_num_threads(1)
    prior = assemble.load_prior(load_profile("bone-xray"), "cpu")
    ways = {"as it is": prior, "compiled": economical(prior, "cpu", compiled=True)}
    z, t = prior.encode(torch.zeros(rows, 1, 256, 256)), torch.full((rows,), 300)
    took = dict.fromkeys(ways, 0.0)
    before, results = spent(), {name: way.denoise(z, t) for name, way in ways.items()}
    print(f"compiling: {spent() - before:.0f} s")
    for _ in range(CALLS):
        for name, way in ways.items():
            began = time.process_time()
            way.denoise(z, t)
            took[name] += time.process_time() - began
    for name, seconds in took.items():
        print(f"{name}: {seconds / CALLS / rows * 1e3:.1f} ms a row and call")
    print(f"they differ by {float((results['compiled'] - results['as it is']).abs().max()):.1g}")


if __name__ == "__main__":
    main()
