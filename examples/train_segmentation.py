"""MONAI's UNet on CT or MR, masks of the same names, and a run's variants: train_segmentation.py OUTPUT MASKS EPOCHS.

The run was given the masks (`-a MASKS --with-sources`): what they mark is kept, so a mask holds for each variant, too.
"""

import sys
from pathlib import Path

import torch
from monai.data import DataLoader, Dataset, load_decathlon_datalist
from monai.losses import DiceLoss
from monai.networks.nets import UNet
from monai.transforms import AsDiscreted, Compose, EnsureChannelFirstd, LoadImaged, NormalizeIntensityd, SpatialPadd

from medaug.monai import RandVariantd

output, masks, epochs = sys.argv[1:]
items = load_decathlon_datalist(f"{output}/monai.json", is_segmentation=False, data_list_key="training")
real = [item for item in items if not item["medaug"]["synthetic"]]
real = [{**item, "mask": f"{masks}/{Path(item['image']).name}"} for item in real]
load = [LoadImaged(keys=["image", "mask"]), EnsureChannelFirstd(keys=["image", "mask"])]
ready = [
    NormalizeIntensityd(keys="image"),
    AsDiscreted(keys="mask", threshold=0.5),
    SpatialPadd(keys=["image", "mask"], spatial_size=(32, 32, 8)),
]
swap = RandVariantd(keys="image", box_key="box", output=output, ratio=1.0)
training = Dataset([item for item in real if item["fold"] != 0], Compose([*load, swap, *ready]))
judges = Dataset([item for item in real if item["fold"] == 0], Compose([*load, *ready]))
network, loss = UNet(3, 1, 1, (8, 16, 32), (2, 2)), DiceLoss(sigmoid=True)
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
for epoch in range(int(epochs)):
    for item in DataLoader(training, batch_size=1, shuffle=True):
        error = loss(network(item["image"]), item["mask"])
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {error.item():.3f}", flush=True)
dice = [1 - loss(network(item["image"][None]) * 100, item["mask"][None]).item() for item in judges]
print(f"Dice of {len(dice)} volumes of patients held out: {sum(dice) / max(len(dice), 1):.3f}")
