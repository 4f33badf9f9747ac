"""The embedded prior loads without what diffusers would load with it, and all of it can be used afterwards."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.inverse.priors.networks.unet import unet
load_embedded("cpu")
away = {"transformers", "peft", "boto3", "torch._dynamo", "sympy", "scipy.stats", "diffusers.hooks"}
away |= {"diffusers.pipelines"}
print(sorted(away & set(sys.modules)))
from diffusers.utils import is_peft_available, is_transformers_available
print(is_transformers_available(), is_peft_available())
from diffusers.utils import import_utils
print(import_utils._is_package_available("PIL", get_dist_name=True)[0], "pillow" in import_utils._package_map["PIL"])
blocks = {"down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"]}
net = unet({"sample_size": 8, "block_out_channels": [32], **blocks})
from diffusers import UNet2DConditionModel, UNet2DModel
import torch._dynamo
print(isinstance(net, UNet2DModel), UNet2DConditionModel.__module__)
"""


def test_the_embedded_prior_needs_no_companions_and_takes_none_away() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "[]",
        "True True",
        "True True",
        "True diffusers.models.unets.unet_2d_condition",
    ]
