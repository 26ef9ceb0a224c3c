"""
Edits before and after
======================

A picture is a mask painted with a code for each region. Change the mask and the eyes close;
exchange a code and the region looks like another person's. Both are pure functions; nothing is
trained.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from segkit.edits import blink, swap
from segkit.regions import one_hot
from segkit.synthetic import portrait
from segkit.talk.bundle import load_bundle

model = load_bundle()  # the built-in one
encoder, generator = model.modules["region_encoder"], model.modules["generator"]

people = [portrait(seed, size=model.size) for seed in (916, 917)]
images = torch.from_numpy(np.stack([image for image, _ in people])).permute(0, 3, 1, 2) / 127.5 - 1
labels = np.stack([labels for _, labels in people])


def mask_of(labels):
    return one_hot(torch.from_numpy(labels), len(model.scheme))


with torch.no_grad():
    codes = encoder(images, mask_of(labels))

# %%
# The first person keeps all codes of the regions that are not named, to the last bit.

mine, theirs = codes[:1], codes[1:]
shut = blink(labels[0], 1.0, scheme=model.scheme)
edits = {
    "as she is": (mine, labels[0]),
    "half a blink": (mine, blink(labels[0], 0.5, scheme=model.scheme)),
    "a blink": (mine, shut),
    "hair of the other": (swap(mine, theirs, ["hair"]), labels[0]),
    "hair, half of it": (swap(mine, theirs, ["hair"], strength=0.5), labels[0]),
    "lips, brows and eyes": (swap(mine, theirs, ["lip", "eyebrows", "eyes"]), labels[0]),
}
assert torch.equal(edits["hair of the other"][0][:, :4], mine[:, :4])

with torch.no_grad():
    drawn = generator(
        torch.cat([styles for styles, _ in edits.values()]),
        mask_of(np.stack([labels for _, labels in edits.values()])),
    )
pictures = ((drawn.clamp(-1, 1) + 1) / 2).permute(0, 2, 3, 1).numpy()

# %%
# Before: the two portraits. After: what the generator paints.

shown = {"portrait": people[0][0], "the other": people[1][0]} | dict(
    zip(edits, pictures, strict=True)
)
figure, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="constrained")
for panel, (title, picture) in zip(axes.flat, shown.items(), strict=True):
    panel.imshow(picture)
    panel.set_title(title, fontsize=10)
    panel.axis("off")
