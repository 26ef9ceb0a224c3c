"""
Masks over a face
=================

A mask says for every pixel which of twelve regions it belongs to. Drawn faces come with exact
masks; those of real ones come from a parser, here :class:`~segkit_models.parsers.mesh.MeshParser`,
which needs no weights beside the package's own.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import torch

from segkit.regions import SCHEME_12
from segkit.synthetic import portrait
from segkit_models.parsers import MeshParser

drawn, exact = portrait(990_017, size=256)

photograph = np.ascontiguousarray(skimage.data.astronaut()[:256, 95:351])
image = torch.from_numpy(photograph).permute(2, 0, 1)[None] / 127.5 - 1
parsed = MeshParser()(image).argmax(1)[0].numpy()

# %%
# Colours are the scheme's. Over the picture they show whether borders lie where they should.

figure, axes = plt.subplots(2, 3, figsize=(9, 6), layout="constrained")
for row, (picture, labels) in zip(axes, [(drawn, exact), (photograph, parsed)], strict=True):
    colours = SCHEME_12.colourise(labels)
    over = (0.5 * picture + 0.5 * colours).astype(np.uint8)
    for panel, shown in zip(row, (picture, colours, over), strict=True):
        panel.imshow(shown)
        panel.axis("off")

# %%
# How much of the drawn face each region takes:

for label, share in enumerate(np.bincount(exact.ravel(), minlength=len(SCHEME_12)) / exact.size):
    print(f"{SCHEME_12.regions[label]:<12}{share:6.1%}")
