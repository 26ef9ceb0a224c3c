"""
t-SNE of style codes
====================

Figure 5 of the paper for the built-in model: codes of one region lie together, and inside a region
each person has a place of their own. ``segkit plot styles --data DIR`` draws it for clips.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from segkit.plots.style_codes import flatten_codes, plane, separation_by_region
from segkit.synthetic import FaceRenderer, sample_identity, sample_motion, sample_scene
from segkit.talk.bundle import load_bundle
from segkit.talk.identity import encode_styles

model = load_bundle()
people = range(990_000, 990_008)

# %%
# Six moments of each person: the head moves, so no two frames are equal.

frames, masks, owners = [], [], []
for number, seed in enumerate(people):
    motion = sample_motion(np.zeros((120, 8)), np.random.default_rng(seed))
    renderer = FaceRenderer(sample_identity(seed), sample_scene(seed), size=model.size)
    for moment in range(0, 120, 20):
        image, labels, _ = renderer.frame(motion, moment)
        frames.append(image)
        masks.append(labels)
        owners.append(number)

styles, presence = encode_styles(model, np.stack(frames), np.stack(masks), torch.device("cpu"))
codes = flatten_codes(styles.numpy(), presence.numpy(), people=owners)

# %%
# Numbers, so that nobody has to trust the picture: the nearest neighbour of a code is of the same
# region nearly always.

found = separation_by_region(codes)
print(f"nearest neighbour of the same region: {found.purity:.1%}, by chance {found.chance:.1%}")

points = plane(codes.vectors)
figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
for region in np.unique(codes.regions):
    inside = codes.regions == region
    colour = np.array(model.scheme.colours[region]) / 255
    axes[0].scatter(*points[inside].T, s=14, color=colour, label=model.scheme.regions[region])
for number in range(len(people)):
    axes[1].scatter(*points[codes.people == number].T, s=14, label=f"person {number + 1}")
for panel, title in zip(axes, ("coloured by region", "coloured by person"), strict=True):
    panel.set(title=title, xticks=[], yticks=[])
    panel.legend(fontsize=7, ncols=2)
