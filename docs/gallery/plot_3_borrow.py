"""
Borrow FPNRegionEncoder
=======================

For the researcher who borrows: one component in a repository of one's own, without config or
runner, and its pooling on features of one's own.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from segkit.regions import SCHEME_12, one_hot
from segkit.synthetic import portrait
from segkit_models.layers.region_pooling import region_means
from segkit_models.region_encoders import FPNRegionEncoder

picture, labels = portrait(990_017, size=128)
image = torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1
mask = one_hot(torch.from_numpy(labels)[None], len(SCHEME_12))

# %%
# The paper's encoder has 91 million parameters; this one is the same class with other numbers.

encoder = FPNRegionEncoder(
    num_layers=4,
    style_dim=32,
    width=(8, 8, 16, 16, 32),
    units=(1, 1, 1, 1),
    fpn_dim=16,
    input_size=128,
).eval()
with torch.no_grad():
    codes = encoder(image, mask)
print(tuple(codes.shape), "B R L D")

# %%
# Its middle step, the mean of a map inside each region (eq. 6), takes any map. With the picture
# itself as the map, each region gets its mean colour; painting every region with it shows what a
# code of three numbers would keep.

colours = region_means(image, mask)
painted = torch.einsum("brc,brhw->bchw", colours, mask)

# With your own network, here an untrained convolution of stride 4; the mask is resized for you. A
# region too small for that map, as the earrings here, gives 0.
features = torch.nn.Conv2d(3, 8, 7, stride=4, padding=3)(image)
own = region_means(features.detach(), mask)
print(tuple(own.shape), "B R C")

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
axes[0].imshow(picture)
axes[1].imshow(((painted[0] + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy())
axes[2].imshow(own[0].numpy(), aspect="auto", cmap="coolwarm")
titles = ("picture", "mean colour of each region", "features of one's own")
for panel, title in zip(axes, titles, strict=True):
    panel.set_title(title, fontsize=10)
axes[0].axis("off")
axes[1].axis("off")
axes[2].set_yticks(np.arange(len(SCHEME_12)), SCHEME_12.regions, fontsize=7)
axes[2].set_xlabel("channel")
