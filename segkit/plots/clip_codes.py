"""Style codes of the people of a clip folder, encoded by a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from segkit.clips import Clip, ClipFolder
from segkit.plots.style_codes import StyleCodes, flatten_codes
from segkit.registry import REGION_ENCODERS
from segkit.talk.bundle import Bundle
from segkit.talk.identity import encode_styles

_BATCH = 8


def check_scheme(bundle: Bundle, folder: ClipFolder) -> None:
    """Refuse masks that a model cannot read.

    Raises:
        ValueError: the folder's region scheme is not the model's.
    """
    if folder.scheme != bundle.scheme:
        raise ValueError(
            f"clip folder {folder.root}: its masks are of scheme {folder.scheme.name!r}, the model "
            f"was trained on {bundle.scheme.name!r}; prepare the clips with that scheme"
        )


def clips_of_people(clips: Sequence[Clip], *, num_people: int) -> dict[str, list[Clip]]:
    """Group clips by person, and keep the first persons by name.

    Raises:
        ValueError: fewer than two persons.
    """
    grouped: dict[str, list[Clip]] = {}
    for clip in clips:
        grouped.setdefault(str(clip.entry["person_id"]), []).append(clip)
    if min(len(grouped), num_people) < 2:
        raise ValueError(
            f"style codes: expected two people or more, got {min(len(grouped), num_people)} "
            f"({len(grouped)} in these clips); give another split or more people"
        )
    return {name: grouped[name] for name in sorted(grouped)[:num_people]}


def collect_codes(
    bundle: Bundle,
    people: dict[str, list[Clip]],
    *,
    num_frames: int,
    layers: Sequence[int] | None = None,
) -> StyleCodes:
    """Encode frames spread evenly over the clips of each person.

    Args:
        bundle: whose region encoder is looked at; on any device.
        people: name -> clips.
        num_frames: frames of each person, fewer where the clips have fewer with a face.
        layers: which layers of the codes; None takes all.

    Returns:
        The codes; persons and clips are numbered in the order of ``people``.

    Raises:
        ValueError: a person without a frame that shows a face, or an unknown layer.
    """
    device = next(bundle.modules["region_encoder"].parameters()).device
    styles, presence, owners, sources = [], [], [], []
    all_clips = [clip for clips in people.values() for clip in clips]
    for number, (name, clips) in enumerate(people.items()):
        for clip, frames in spread_frames(name, clips, num_frames):
            for start in range(0, len(frames), _BATCH):
                part = frames[start : start + _BATCH]
                images = fitted_images(clip.frames(part), bundle.size)
                labels = fitted_labels(clip.masks(part), bundle.size)
                codes, shown = encode_styles(bundle, images, labels, device)
                styles.append(codes.float().cpu())
                presence.append(shown.cpu())
                owners += [number] * len(part)
                sources += [all_clips.index(clip)] * len(part)
    return flatten_codes(
        torch.cat(styles).numpy(),
        torch.cat(presence).numpy(),
        people=owners,
        clips=sources,
        layers=layers,
    )


def untrained(bundle: Bundle, *, seed: int = 0) -> Bundle:
    """Return the bundle with a region encoder of the same build and random weights.

    It averages inside the same masks, and a network per region tells regions apart without any
    training: what its codes separate is no merit of the trained ones.

    Args:
        bundle: the trained model, which stays as it is.
        seed: of the weights.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = REGION_ENCODERS.build(dict(bundle.configs["region_encoder"])).eval()
    device = next(bundle.modules["region_encoder"].parameters()).device
    return replace(bundle, modules={**bundle.modules, "region_encoder": encoder.to(device)})


def spread_frames(
    name: str, clips: Sequence[Clip], num_frames: int
) -> list[tuple[Clip, list[int]]]:
    """Choose frames that show a face, spread evenly over all clips of a person.

    Raises:
        ValueError: no frame shows a face.
    """
    known = [
        (place, frame)
        for place, clip in enumerate(clips)
        for start, stop in clip.valid_ranges
        for frame in range(start, stop)
    ]
    if not known:
        raise ValueError(f"person {name!r}: no frame shows a face; prepare these clips again")
    chosen = np.linspace(0, len(known) - 1, min(num_frames, len(known))).round().astype(int)
    return [
        (clip, frames)
        for place, clip in enumerate(clips)
        if (frames := [known[index][1] for index in chosen if known[index][0] == place])
    ]


def fitted_images(images: np.ndarray, size: int) -> np.ndarray:
    """Bring frames ``T H H 3`` to the side that a model takes; untouched where they have it."""
    if images.shape[1] == size:
        return images
    import cv2

    way = cv2.INTER_AREA if size < images.shape[1] else cv2.INTER_CUBIC
    return np.stack([cv2.resize(image, (size, size), interpolation=way) for image in images])


def fitted_labels(labels: np.ndarray, size: int) -> np.ndarray:
    """Bring label maps ``T H H`` to the side that a model takes, by the nearest pixel."""
    if labels.shape[1] == size:
        return labels
    import cv2

    way = cv2.INTER_NEAREST_EXACT
    return np.stack([cv2.resize(plane, (size, size), interpolation=way) for plane in labels])
