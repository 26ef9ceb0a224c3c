"""A clip folder small enough for tests: ellipses whose mouths open with a tone's loudness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from segkit.clips import write_clip, write_manifest

SIZE = 128


def talking_ellipse(*, num_frames: int, seed: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Return frames ``T H W 3``, masks ``T H W`` and the waveform of one clip."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(num_frames * 640) / 16_000
    opening = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(1.5, 3.0) * time_s + rng.uniform(0, 6))
    waveform = torch.from_numpy(
        0.5 * opening * np.sin(2 * np.pi * rng.uniform(120, 220) * time_s)
    ).float()
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    colours = rng.integers(40, 255, (12, 3)).astype(np.uint8)
    masks = []
    for frame in range(num_frames):
        height = 0.02 + 0.06 * opening[frame * 640 + 320]
        labels = np.zeros((SIZE, SIZE), np.uint8)
        labels[((x - 0.5) / 0.35) ** 2 + ((y - 0.5) / 0.45) ** 2 < 1] = 6
        for side in (0.35, 0.65):
            labels[((x - side) / 0.06) ** 2 + ((y - 0.42) / 0.03) ** 2 < 1] = 3
        labels[((x - 0.5) / 0.14) ** 2 + ((y - 0.66) / (height + 0.03)) ** 2 < 1] = 1
        labels[((x - 0.5) / 0.10) ** 2 + ((y - 0.66) / height) ** 2 < 1] = 9
        masks.append(labels)
    stacked = np.stack(masks)
    return colours[stacked], stacked, waveform


def ellipse_folder(root: Path, people: Sequence[tuple[str, str]], *, num_frames: int = 32) -> Path:
    """Write one clip for each pair of a person and a split."""
    entries = []
    for number, (person, split) in enumerate(people):
        frames, masks, waveform = talking_ellipse(num_frames=num_frames, seed=number)
        entries.append(
            write_clip(
                root,
                f"clip_{number}",
                frames=frames,
                masks=masks,
                waveform=waveform,
                person_id=person,
                split=split,
            )
        )
    write_manifest(root, entries)
    return root
