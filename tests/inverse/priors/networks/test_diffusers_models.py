"""The embedded prior loads without transformers and peft, and both can be used afterwards."""

from __future__ import annotations

import subprocess
import sys


def test_the_embedded_prior_needs_no_companions_and_takes_none_away() -> None:
    script = (
        "import sys\n"
        "from medaug.inverse.priors.loaders.trained import load_embedded\n"
        "load_embedded('cpu')\n"
        "loaded = {'transformers', 'peft'} & set(sys.modules)\n"
        "from diffusers.utils import is_peft_available, is_transformers_available\n"
        "print(sorted(loaded), is_transformers_available(), is_peft_available())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True True\n"
