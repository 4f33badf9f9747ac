"""MONAI's RetinaNet on real and synthetic: train_detector.py BOXES.json IMAGES OUTPUT EPOCHS RATIO [LONGEST SIDE]."""

import sys
from functools import partial

import torch
from monai.apps.detection.metrics import coco, matching
from monai.apps.detection.networks import retinanet_detector, retinanet_network
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.data.box_utils import box_iou
from monai.networks import blocks, nets
from torch.utils.data import DataLoader

from medaug.torch import collate_monai, real_and_synthetic

retinanet_detector.Matcher = type(None)  # MONAI asks whether it is torchvision's, which needn't be installed
real, images, out, epochs, ratio, longest = (*sys.argv[1:], 1024)[:6]
together = partial(collate_monai, longest=int(longest))  # four radiographs of full size take 11 GB
train, sampler, judge, classes = real_and_synthetic(real=real, images=images, output=out, ratio=float(ratio), folds=[0])
stages, pyramid = nets.ResNetFeatures("resnet18", False, 2, 1), blocks.FeaturePyramidNetwork(2, [128, 256, 512], 64)
features = torch.nn.ModuleList([stages, pyramid])  # strides of 8, 16 and 32; no weights from elsewhere
features.out_channels, features.forward = 64, lambda x: list(pyramid(dict(enumerate(stages(x)[-3:]))).values())
anchors = AnchorGeneratorWithAnchorShape((1, 2, 4), [(24, 24), (32, 16), (16, 32)])
detector = retinanet_detector.RetinaNetDetector(retinanet_network.RetinaNet(2, len(classes), 3, features, 32), anchors)
detector.set_atss_matcher(4)
detector.set_hard_negative_sampler(64, 0.5)
optimizer = torch.optim.AdamW(detector.parameters(), lr=3e-4)
for epoch in range(int(epochs)):
    for pictures, targets in DataLoader(train, 4, sampler=sampler, collate_fn=together):
        losses = detector.train()(pictures, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {sum(losses.values()).item():.3f}", flush=True)
with torch.no_grad():
    judges = list(DataLoader(judge, 1, collate_fn=together))
    found, truth = [detector.eval()(picture)[0] for picture, _ in judges], [target[0] for _, target in judges]
parts = *((found, key) for key in ("boxes", "labels", "labels_scores")), (truth, "boxes"), (truth, "labels")
matched = matching.matching_batch(box_iou, [0.1, 0.5], *([one[key].numpy() for one in all_] for all_, key in parts))
print(coco.COCOMetric(classes, (0.1, 0.5), (0.1, 0.5, 0.4), (100,))(matched)[0])
