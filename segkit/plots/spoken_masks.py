"""Moments of a clip with their true masks, and with the masks that speech gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from segkit.clips import Clip
from segkit.contracts import FPS
from segkit.decisions import decide
from segkit.halves import pose_of, with_upper_half_of
from segkit.plots.clip_codes import fitted_labels
from segkit.regions import RegionScheme, one_hot
from segkit.talk.bundle import Bundle
from segkit.talk.masks import shrunk
from segkit.talk.speech import embed_speech

_SEARCHED_FRAMES = 500
"""The closed mouth comes from the first 20 s of a clip."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Frames of a clip, evenly spread, with their masks.

    Args:
        name: of the clip.
        images: ``T S S 3`` uint8.
        labels: ``T M M`` uint8, M the side of the model's masks.
        reference: ``M M`` uint8, the frame of the clip whose mouth is most closed.
        times_s: T times in seconds from the start of the speech.
        waveform: ``N`` at 16 kHz.
    """

    name: str
    images: np.ndarray
    labels: Tensor
    reference: Tensor
    times_s: list[float]
    waveform: Tensor


def moments_of_clip(clip: Clip, bundle: Bundle, *, num_frames: int) -> Moments:
    """Read evenly spread frames of a clip that show a face.

    Raises:
        ValueError: no frame shows a face.
    """
    known = [frame for start, stop in clip.valid_ranges for frame in range(start, stop)]
    if not known:
        raise ValueError(f"clip {clip.clip_id!r}: no frame shows a face; prepare it again")
    frames = spread(known, num_frames)
    searched = known[:_SEARCHED_FRAMES]
    planes = clip.masks(searched)
    open_pixels = (planes == bundle.scheme.index("mouth")).sum((1, 2))
    closed = planes[int(open_pixels.argmin())]
    return Moments(
        clip.clip_id,
        clip.frames(frames),
        torch.from_numpy(fitted_labels(clip.masks(frames), bundle.mask_size)),
        torch.from_numpy(fitted_labels(closed[None], bundle.mask_size)[0]),
        [frame / FPS for frame in frames],
        clip.waveform,
    )


def moments_of_video(
    path: str | Path, bundle: Bundle, *, parser: nn.Module, num_frames: int
) -> Moments:
    """Find the face of a film with sound, and label evenly spread frames with a parser.

    Args:
        path: film of one person; its first minute is read.
        bundle: tells the sides of crop and mask.
        parser: labels the crops; its masks stand for the true ones.
        num_frames: how many.

    Raises:
        FileNotFoundError: no such file.
        MediaError: no readable film, no sound, or less than a second of it with a face.
        ValueError: no face or several.
    """
    from segkit.progress import progress_bars
    from segkit.talk.person_clip import read_person

    with progress_bars(show=True) as bars:
        person = read_person(path, size=bundle.size, parser=parser, bars=bars)
    chosen = spread(range(len(person)), num_frames)
    return Moments(
        Path(path).name,
        person.images[chosen].permute(0, 2, 3, 1).numpy(),
        shrunk(person.labels[chosen], bundle.mask_size),
        shrunk(person.labels[person.closed_mouth()], bundle.mask_size),
        [int(person.numbers[index]) / FPS for index in chosen],
        person.waveform,
    )


def spread(known: Sequence[int], count: int) -> list[int]:
    """Choose evenly spread items, from the first to the last; all where there are fewer."""
    places = np.linspace(0, len(known) - 1, min(count, len(known))).round().astype(int)
    return [known[place] for place in places]


@torch.no_grad()
def spoken_masks(bundle: Bundle, moments: Moments, waveform: Tensor) -> Tensor:
    """Predict the masks that speech gives to the faces of some moments.

    The mask decoder sees each true upper half, the closed mouth and the speech; nothing is
    smoothed over time.

    Args:
        bundle: the model, on the CPU.
        moments: whose upper halves and whose times.
        waveform: ``N`` at 16 kHz, heard at the same times.

    Returns:
        ``T M M`` uint8; the upper halves are the true ones.
    """
    audio, _ = embed_speech(bundle.modules["audio_encoder"], waveform).at(moments.times_s)
    num_regions = len(bundle.scheme)
    pose = pose_of(one_hot(moments.labels, num_regions))
    shape = one_hot(moments.reference[None], num_regions).expand_as(pose)
    logits = bundle.modules["mask_decoder"](pose, shape, audio)
    return with_upper_half_of(decide(logits, bundle.scheme), moments.labels)


def mouth_overlap(masks: Tensor, truth: Tensor, *, scheme: RegionScheme) -> np.ndarray:
    """Return the IoU of lips and mouth, taken as one region, in every frame.

    Args:
        masks: ``T M M`` predicted labels.
        truth: ``T M M`` true labels.
        scheme: names of the labels.

    Returns:
        ``T`` in [0, 1]; NaN where neither shows a mouth.
    """
    wanted = torch.tensor(scheme.mouth_labels)
    one, other = (torch.isin(part, wanted) for part in (masks, truth))
    common, both = (one & other).sum((1, 2)).double(), (one | other).sum((1, 2)).double()
    return (common / both).numpy()
