"""Transforms for MONAI's pipelines: `RandVariantd` takes a run's variants, `RandPosteriorSampled(d)` solves on the fly.

`RandClassicd` adds the plain transforms that the profile's anatomy allows.

One line in a `Compose`: ``RandVariantd(keys="image", box_key="box", output="OUTPUT", prob=0.5)``.
"""

from medaug.monai.posterior import RandPosteriorSampled, RandPosteriorSampledd
from medaug.monai.rand_classic import RandClassicd
from medaug.monai.rand_variant import RandVariantd

__all__ = ["RandClassicd", "RandPosteriorSampled", "RandPosteriorSampledd", "RandVariantd"]
