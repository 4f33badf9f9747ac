"""Real and synthetic images together for a PyTorch detector: `real_and_synthetic` gives data sets and a sampler."""

from medaug.torch.detection_dataset import Pictures, collate, collate_monai
from medaug.torch.mix import Mix, real_and_synthetic
from medaug.torch.sampler import RatioSampler

__all__ = ["Mix", "Pictures", "RatioSampler", "collate", "collate_monai", "real_and_synthetic"]
