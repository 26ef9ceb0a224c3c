"""Label the crops of a stream, with whichever parser there is."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import nn

T = TypeVar("T")


def parse_crops(
    parser: nn.Module, crops: Iterable[tuple[np.ndarray, np.ndarray]]
) -> Iterator[np.ndarray]:
    """Label the crops of one stretch of film in order.

    Args:
        parser: any parser. One with ``parse_frames`` gets the landmarks too and may look ahead,
            which is steadier.
        crops: (uint8 RGB ``S S 3``, landmarks ``468 2`` in the crop's pixels).

    Yields:
        Labels ``S S`` uint8.
    """
    if not hasattr(parser, "parse_frames"):
        for batch in batched(crops, 8):
            images = torch.from_numpy(np.stack([crop for crop, _ in batch])).permute(0, 3, 1, 2)
            device = next((weight.device for weight in parser.parameters()), images.device)
            with torch.no_grad():
                logits = parser(images.to(device).float() / 127.5 - 1)
            yield from logits.argmax(1).to(torch.uint8).cpu().numpy()
        return
    landmarks: deque[np.ndarray] = deque()

    def frames() -> Iterator[np.ndarray]:
        for crop, points in crops:
            landmarks.append(points)
            yield crop

    def known() -> Iterator[np.ndarray]:
        while True:
            yield landmarks.popleft()

    yield from parser.parse_frames(frames(), landmarks=known())  # type: ignore[operator]


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to ``size`` items."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
