"""Stability measured on made clips whose trembling and flicker are known."""

import numpy as np
import pytest
import torch

from segkit.faces import invert_transform
from segkit.talk.stability import jitter, mask_flicker, static_flicker
from segkit.talk.stream import Shot, voted


def transforms_at(places, scale=0.5):
    """Crops of 128 px whose left upper corner moves along x in the frame."""
    back = np.array([[[1 / scale, 0, x], [0, 1 / scale, 0]] for x in places])
    return invert_transform(back)


def test_jitter_of_a_known_zigzag_and_of_an_even_motion():
    # Second differences of 0 2 0 2 ... are 4 px; a crop of 128 px covers 256 of the frame.
    assert jitter(transforms_at([0, 2] * 5), 128) == pytest.approx(1000 * 4 / 256)
    assert jitter(transforms_at(3.0 * np.arange(10)), 128) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="at least 3 frames, got 2"):
        jitter(transforms_at([0, 1]), 128)


def test_a_pixel_that_flickers_counts_and_one_that_changes_for_good_does_not():
    maps = np.zeros((4, 10, 10), np.uint8)
    maps[1, 0, 0] = 1
    maps[2:, 5, 5] = 1
    assert mask_flicker(maps) == pytest.approx(1000 * 1 / 200)


def test_flicker_is_read_where_the_mask_says():
    frames = np.zeros((3, 4, 4, 3), np.uint8)
    frames[1, :2] = 8
    frames[:, 2:] = np.arange(3)[:, None, None, None] * 50
    static = np.arange(4)[:, None].repeat(4, 1) < 2
    assert static_flicker(frames, static) == 8
    with pytest.raises(ValueError, match="at least 2"):
        static_flicker(frames[:1], static)


def ellipse_logits(*, noise, num_frames=40, size=48):
    """A lip that drifts slowly, believed with noise of its own in every frame."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    random = torch.Generator().manual_seed(0)
    for number in range(num_frames):
        inside = 1 - ((rows - 24) / 8) ** 2 - ((columns - 24 - 4 * np.sin(number / 9)) / 16) ** 2
        planes = torch.stack([torch.zeros(size, size), 6 * inside])
        yield planes + noise * torch.randn(2, size, size, generator=random)


def test_the_vote_removes_a_third_of_the_flicker_and_delays_nothing():
    def labels(vote):
        shots = (
            Shot(np.zeros((1, 1, 3), np.uint8), number / 25, logits=planes)
            for number, planes in enumerate(ellipse_logits(noise=0.7))
        )
        return [shot.logits.argmax(0).numpy() for shot in (voted(shots) if vote else shots)]

    alone, mixed = labels(False), labels(True)
    assert mask_flicker(mixed) < 0.67 * mask_flicker(alone)
    truth = [planes.argmax(0).numpy() for planes in ellipse_logits(noise=0.0)]
    wrong = [np.mean([(a != b).mean() for a, b in zip(maps, truth, strict=True)])
             for maps in (alone, mixed)]  # fmt: skip
    assert wrong[1] < wrong[0]
