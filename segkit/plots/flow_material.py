"""What flows through a model: one face and one speech, and all that is made of them on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from segkit.audio import MelFrontEnd, mel_windows
from segkit.contracts import SAMPLES_PER_FRAME
from segkit.crop_labels import parse_crops
from segkit.decisions import decide
from segkit.edits import blink, swap
from segkit.faces import apply_transform, crop_transform, track_face, warp_crop
from segkit.halves import pose_of
from segkit.regions import one_hot
from segkit.talk.bundle import Bundle
from segkit.talk.identity import encode_styles
from segkit.talk.masks import compose_labels, shrunk, to_pixels
from segkit.talk.speech import embed_speech

BLINK = 0.6
"""How far the eyes close in the edited mask."""

_BATCH = 8


@dataclass(frozen=True, eq=False)
class FlowMaterial:
    """Everything that the picture of the flow shows, at one moment of the speech.

    Args:
        waveform: ``N``, the speech around the moment.
        mel: ``80 16``, what is heard at the moment.
        image: ``S S 3`` uint8, the face.
        labels: ``S S`` uint8, its mask.
        spoken: ``S S`` uint8, the mask that the speech gives it.
        edited: ``S S`` uint8, the same with eyes closed by ``BLINK``.
        codes: ``R L D`` style codes of the face.
        presence: ``R`` bool, regions that the face shows.
        donor: ``S S 3`` uint8, the face that gives a region.
        region: name of the region.
        swapped: ``R L D`` with the donor's code of the region.
        frame: ``S S 3`` uint8, drawn from mask and codes.
        edited_frame: ``S S 3`` uint8, drawn from edited mask and swapped codes.
    """

    waveform: np.ndarray
    mel: np.ndarray
    image: np.ndarray
    labels: np.ndarray
    spoken: np.ndarray
    edited: np.ndarray
    codes: np.ndarray
    presence: np.ndarray
    donor: np.ndarray
    region: str
    swapped: np.ndarray
    frame: np.ndarray
    edited_frame: np.ndarray


@torch.no_grad()
def flow_material(
    bundle: Bundle,
    parser: nn.Module,
    *,
    picture: np.ndarray,
    waveform: Tensor,
    donor: np.ndarray,
    region: str = "hair",
) -> FlowMaterial:
    """Run a model once, at the moment of the speech when the mouth is most open.

    Args:
        bundle: the model, on the CPU.
        parser: labels the faces.
        picture: ``H W 3`` uint8 with one face.
        waveform: ``N`` speech at 16 kHz.
        donor: ``H W 3`` uint8 with one face, which gives the look of a region.
        region: which one.

    Raises:
        ValueError: a picture without a face or with several, or a donor without the region.
        KeyError: an unknown region.
    """
    image, labels = cropped_face(picture, bundle, parser)
    other, other_labels = cropped_face(donor, bundle, parser)
    styles, presence = encode_styles(
        bundle, np.stack([image, other]), np.stack([labels, other_labels]), torch.device("cpu")
    )
    if not bool(presence[1, bundle.scheme.index(region)]):
        raise ValueError(
            f"donor: expected a face that shows enough {region} to encode; give another picture"
        )
    swapped = swap(styles[:1], styles[1:], [region], scheme=bundle.scheme)
    frame, spoken = widest_mouth(bundle, labels, waveform)
    edited = blink(spoken, BLINK, scheme=bundle.scheme)
    masks = one_hot(torch.from_numpy(np.stack([spoken, edited])), len(bundle.scheme))
    drawn = to_pixels(bundle.modules["generator"](torch.cat([styles[:1], swapped]), masks))
    middle = SAMPLES_PER_FRAME * frame
    around = slice(max(0, middle - 25 * SAMPLES_PER_FRAME), middle + 25 * SAMPLES_PER_FRAME)
    return FlowMaterial(
        waveform=waveform[around].numpy(),
        mel=mel_windows(MelFrontEnd()(waveform[None]), 1, frame)[0, 0].numpy(),
        image=image,
        labels=labels,
        spoken=spoken,
        edited=edited,
        codes=styles[0].numpy(),
        presence=presence[0].numpy(),
        donor=other,
        region=region,
        swapped=swapped[0].numpy(),
        frame=drawn[0],
        edited_frame=drawn[1],
    )


def cropped_face(
    picture: np.ndarray, bundle: Bundle, parser: nn.Module
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the face out of a picture and label it.

    Returns:
        ``S S 3`` uint8 and ``S S`` uint8.
    """
    landmarks = track_face([picture]).landmarks[0]
    transform = crop_transform(landmarks, bundle.size)
    crop = warp_crop(picture, transform, bundle.size)
    return crop, next(parse_crops(parser, [(crop, apply_transform(transform, landmarks))]))


@torch.no_grad()
def widest_mouth(bundle: Bundle, labels: np.ndarray, waveform: Tensor) -> tuple[int, np.ndarray]:
    """Let a face say a whole speech, and return its widest open mouth.

    Args:
        bundle: the model, on the CPU.
        labels: ``S S`` uint8, the face; pose and closed mouth at once.
        waveform: ``N`` at 16 kHz.

    Returns:
        Number of the 25 fps frame, and its mask ``S S`` uint8.
    """
    speech = embed_speech(bundle.modules["audio_encoder"], waveform)
    reference = one_hot(
        shrunk(torch.from_numpy(labels)[None], bundle.mask_size), len(bundle.scheme)
    )
    inside = bundle.scheme.index("mouth")
    best, widest = (0, reference[0]), -1
    for first in range(0, len(speech.vectors), _BATCH):
        audio = speech.vectors[first : first + _BATCH]
        shape = reference.expand(len(audio), -1, -1, -1)
        logits = bundle.modules["mask_decoder"](pose_of(shape), shape, audio)
        width = (decide(logits, bundle.scheme) == inside).sum((1, 2))
        if int(width.max()) > widest:
            widest, place = int(width.max()), int(width.argmax())
            best = (first + place, logits[place])
    return best[0], compose_labels(labels, best[1], bundle.scheme)
