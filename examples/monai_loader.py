"""Feed an OUTPUT folder to a MONAI pipeline: the images with their boxes, ready for a detector.

python examples/monai_loader.py demo/output
"""

from __future__ import annotations

import sys
from pathlib import Path

from monai.data import Dataset, load_decathlon_datalist
from monai.transforms import Compose, LoadImaged, ScaleIntensityRangePercentilesd


def dataset(output: Path) -> Dataset:
    """Items with ``image`` (first axis is the column), ``box`` (xmin, ymin, …, xmax, ymax, …) and ``label``."""
    items = load_decathlon_datalist(output / "monai.json", is_segmentation=False, data_list_key="training")
    load = LoadImaged(keys="image", reader="PydicomReader", image_only=True)
    scale = ScaleIntensityRangePercentilesd(keys="image", lower=0.5, upper=99.5, b_min=0.0, b_max=1.0, clip=True)
    return Dataset(items, Compose([load, scale]))


def main() -> None:
    """Print what a training loop would get."""
    for item in dataset(Path(sys.argv[1])):
        print("image", tuple(item["image"].shape), "boxes", item["box"], "labels", item["label"])


if __name__ == "__main__":
    main()
