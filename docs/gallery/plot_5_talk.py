"""
Make and edit a talking video
=============================

For the person with a video and a voice. :func:`~segkit.talk.pipeline.talk` is what ``segkit talk``
calls; a drawn portrait and a synthesised voice take the place of yours. On a real face ``segkit
fit`` comes first.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

from segkit.audio import save_wav
from segkit.synthetic import Voice, portrait, speak
from segkit.talk.pipeline import talk
from segkit.video import VideoReader

work = Path(tempfile.mkdtemp())
Image.fromarray(portrait(916, size=256)[0]).save(work / "me.png")
Image.fromarray(portrait(915, size=256)[0]).save(work / "other.png")
speech = speak("Every word is new to me.", Voice("en-us", "f2", 55, 55, 150)).waveform
save_wav(work / "speech.wav", torch.from_numpy(speech))

# %%
# Plain, and edited: other lips, a coloured background, and a blink. On the command line the second
# is ``segkit talk --image me.png --audio speech.wav --swap lip=other.png --background "#204060"
# --blink 1@0.72 --out edited.mp4``.

edits = {"swaps": [f"lip={work / 'other.png'}"], "background": "#204060", "blinks": ["1@0.72"]}
for name, wanted in {"plain": {}, "edited": edits}.items():
    report = talk(
        out=work / f"{name}.mp4", image=work / "me.png", audio=work / "speech.wav", progress=False,
        credentials=False, **wanted,
    )  # fmt: skip
    print(f"{name}: {report['frames']} frames of {report['width']} x {report['height']}")

# %%
# A storyboard: the same moments of both.


def moments(path, count=7):
    with VideoReader(path) as film:
        pictures = [frame.image for frame in film]
    return [pictures[at] for at in np.linspace(0, len(pictures) - 1, count).round().astype(int)]


board = np.concatenate(
    [np.concatenate(moments(work / f"{name}.mp4"), axis=1) for name in ("plain", "edited")]
)
figure, axis = plt.subplots(
    figsize=(12, 12 * board.shape[0] / board.shape[1]), layout="constrained"
)
axis.imshow(board)
axis.axis("off")
