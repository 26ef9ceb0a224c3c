"""What belongs to a person and is worked out once: the closed-mouth mask and the style codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.crop_labels import parse_crops
from segkit.edits import Swap, close_mouth, mouth_line
from segkit.faces import (
    NoFaceError,
    SeveralFacesError,
    apply_transform,
    closed_mouth_score,
    crop_transform,
    track_face,
    warp_crop,
)
from segkit.regions import RegionScheme, one_hot
from segkit.talk.bundle import Bundle
from segkit.talk.looks import Donor
from segkit.talk.masks import shrunk
from segkit.talk.sources import read_picture

_NUM_STYLE_FRAMES = 6
"""Paper: one reference image; ours: the mean code of several frames that show the region."""

_THICKEST_LINE = 1 / 96
"""Between closed lips, in parts of the crop."""

_SEARCHED_FRAMES = 500
"""References come from the first 20 s, so that a long film is not read a third time."""


@dataclass(frozen=True, eq=False)
class Identity:
    """The person who talks.

    Args:
        styles: ``1 R L D``.
        presence: ``R`` bool, regions that the person shows.
        reference_labels: ``M M`` uint8, mask of a frame with a closed mouth.
        closed_mouth: ``S S`` uint8, such a mask as fine as the crop, whose mouth pauses show; None
            if that is not known.
    """

    styles: Tensor
    presence: Tensor
    reference_labels: Tensor
    closed_mouth: np.ndarray | None = None


def identity_of_person(bundle: Bundle, device: torch.device) -> Identity:
    """Take the identity that `segkit fit` stored in a bundle."""
    person = bundle.person
    labels = person["reference_labels"]
    return Identity(
        person["styles"].float().to(device)[None],
        person["presence"].bool().to(device),
        shrunk(labels.to(device), bundle.mask_size),
        closed_mouth_of(labels.cpu().numpy(), bundle.scheme),
    )


def closed_mouth_of(labels: np.ndarray, scheme: RegionScheme) -> np.ndarray | None:
    """Close the least open mouth ``S S`` of a person, which may be open; None without lips."""
    if not np.isin(labels, scheme.lip_labels).any():
        return None
    line = min(mouth_line(labels, scheme=scheme), _THICKEST_LINE * len(labels))
    return close_mouth(labels, 1.0, line=round(line), scheme=scheme)


def reference_frames(landmarks: np.ndarray, seen: np.ndarray) -> list[int]:
    """Choose the frames that describe a person: the most closed mouth, then some over the clip.

    Args:
        landmarks: ``T 468 2``.
        seen: ``T`` bool, frames in which the face was really seen.
    """
    known = np.flatnonzero(seen[:_SEARCHED_FRAMES])
    if not len(known):
        known = np.flatnonzero(seen)[:1]
    closed = int(known[np.argmin(closed_mouth_score(landmarks[known]))])
    spread = known[
        np.linspace(0, len(known) - 1, min(_NUM_STYLE_FRAMES - 1, len(known))).round().astype(int)
    ]
    return [closed, *(int(index) for index in dict.fromkeys(spread) if index != closed)]


def identity_of_crops(
    bundle: Bundle,
    parser: nn.Module,
    crops: Sequence[np.ndarray],
    landmarks: Sequence[np.ndarray],
    device: torch.device,
) -> Identity:
    """Encode a person from crops.

    Args:
        bundle: the model.
        parser: labels the crops.
        crops: uint8 RGB ``S S 3``, the first with a closed mouth.
        landmarks: ``468 2`` in the crop's pixels, one per crop.
        device: of the model.
    """
    # Every crop by itself: these frames are no neighbours.
    labels = [next(parse_crops(parser, [pair])) for pair in zip(crops, landmarks, strict=True)]
    styles, presence = encode_styles(bundle, np.stack(crops), np.stack(labels), device)
    shown = presence.float()
    share = torch.where(
        presence.any(0), shown / shown.sum(0).clamp_min(1), torch.full_like(shown, 1 / len(shown))
    )
    mean = (styles * share[..., None, None]).sum(0, keepdim=True)
    reference = torch.from_numpy(labels[0]).to(device)
    mask = shrunk(reference, bundle.mask_size)
    return Identity(mean, presence.any(0), mask, closed_mouth_of(labels[0], bundle.scheme))


@torch.no_grad()
def encode_styles(
    bundle: Bundle, crops: np.ndarray, labels: np.ndarray, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Run the region encoder, and tell which regions it really saw.

    A region of a few pixels may have none left on the map that is averaged; its code is then the
    same for everybody. An encoder that says so by ``encode`` is listened to.

    Args:
        bundle: the model.
        crops: ``B S S 3`` uint8.
        labels: ``B S S`` uint8.
        device: of the model.

    Returns:
        Style codes ``B R L D`` and presence ``B R``.
    """
    encoder: Any = bundle.modules["region_encoder"]
    image = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    mask = one_hot(torch.from_numpy(labels).to(device), len(bundle.scheme))
    if not hasattr(encoder, "encode") or not hasattr(encoder, "to_codes"):
        return encoder(image, mask), mask.flatten(2).sum(2) > 0
    vectors, seen = encoder.encode(image, mask)
    return encoder.to_codes(vectors), seen


def donors_of(
    swaps: Sequence[Swap], bundle: Bundle, parser: nn.Module, device: torch.device
) -> list[Donor]:
    """Encode the pictures that regions are to be taken from, each once.

    Raises:
        NoFaceError: a picture without a face, or without the region that is to be taken from it.
        SeveralFacesError: a picture with several faces.
    """
    known: dict[Path, Identity] = {}
    donors = []
    for item in swaps:
        try:
            if item.picture not in known:
                known[item.picture] = identity_of_picture(bundle, parser, item.picture, device)
        except (NoFaceError, SeveralFacesError) as error:
            raise type(error)(f"swap {item.region}={item.picture}: {error}") from error
        donor = known[item.picture]
        if not bool(donor.presence[bundle.scheme.index(item.region)]):
            raise NoFaceError(
                f"swap {item.region}={item.picture}: the picture shows no {item.region}, "
                "or too little to encode it; give another one"
            )
        donors.append(Donor(item, donor.styles, donor.presence))
    return donors


def identity_of_picture(
    bundle: Bundle, parser: nn.Module, path: Path, device: torch.device
) -> Identity:
    """Encode the person of a picture."""
    image = read_picture(path)
    track = track_face([image])
    transform = crop_transform(track.landmarks[0], bundle.size)
    crop = warp_crop(image, transform, bundle.size)
    return identity_of_crops(
        bundle, parser, [crop], [apply_transform(transform, track.landmarks[0])], device
    )


def crops_of(
    frames: Iterator[np.ndarray], wanted: Sequence[int], transforms: np.ndarray, size: int
) -> list[np.ndarray]:
    """Cut the crops of some frames out of a stream, which is left after the last of them."""
    found: dict[int, np.ndarray] = {}
    for index, frame in enumerate(frames):
        if index in wanted:
            found[index] = warp_crop(frame, transforms[index], size)
        if len(found) == len(set(wanted)):
            break
    return [found[index] for index in wanted]
