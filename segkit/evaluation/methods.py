"""What makes a face talk in a measurement: SegTalker, and Wav2Lip."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import nn

from segkit.audio import MelFrontEnd, mel_windows
from segkit.contracts import FPS
from segkit.edits import BlinkSchedule
from segkit.evaluation.self_driven import Drawn, SelfDriven, Shown, resized_labels
from segkit.talk.bundle import Bundle
from segkit.talk.identity import Identity, closed_mouth_of, encode_styles, identity_of_person
from segkit.talk.masks import shrunk
from segkit.talk.paste import lay_over
from segkit.talk.speech import embed_speech
from segkit.talk.stream import Shot, drawn, speaking, voted

_NO_BLINKS = BlinkSchedule(())


class SegTalkerMethod:
    """Speech to mask to picture, laid over the lower face as `segkit talk` does it.

    But for one step: pores are not taken from the frame below, which here is the truth.

    Args:
        bundle: the model; one fitted to a person uses what it remembers of them.
        name: in reports.
    """

    has_masks = True

    def __init__(self, bundle: Bundle, *, name: str = "SegTalker") -> None:
        self.bundle, self.name = bundle, name
        self._device = next(bundle.modules["generator"].parameters()).device

    def draw(self, clip: SelfDriven) -> Iterator[Drawn]:
        """Yield the clip's frames, and the spoken masks at the model's size."""
        bundle = self.bundle
        speech = embed_speech(
            bundle.modules["audio_encoder"],
            clip.waveform.to(self._device),
            # The clip speaks with its own voice, which may be as late as when it was learned from.
            delay_s=bundle.own_sound_delay_s,
        )
        identity = self._identity(clip)
        given = itertools.chain.from_iterable(self._shots(part) for part in clip.shown())
        spoken = voted(speaking(given, bundle, identity, speech, batch_size=8))
        shots = drawn(spoken, bundle, identity, blinks=_NO_BLINKS, batch_size=8)
        for part in clip.shown():
            made = list(itertools.islice(shots, len(part.images)))
            frames = np.stack([self._finished(shot) for shot in made])
            yield Drawn(frames, np.stack([shot.spoken for shot in made if shot.spoken is not None]))

    def _identity(self, clip: SelfDriven) -> Identity:
        if self.bundle.person:
            return identity_of_person(self.bundle, self._device)
        size, reference = self.bundle.size, clip.reference
        crops = np.stack([_resized(image, size) for image in reference.images])
        labels = resized_labels(reference.labels, size)
        styles, presence = encode_styles(self.bundle, crops, labels, self._device)
        mask = shrunk(torch.from_numpy(labels[0]).to(self._device), self.bundle.mask_size)
        return Identity(styles, presence[0], mask, closed_mouth_of(labels[0], self.bundle.scheme))

    def _shots(self, part: Shown) -> Iterator[Shot]:
        size = self.bundle.size
        labels = resized_labels(part.labels, size)
        scale = size / part.images.shape[1]
        transform = np.array([[scale, 0, 0], [0, scale, 0]], np.float64)
        for offset, image in enumerate(part.images):
            yield Shot(
                image, (part.first + offset) / FPS, transform, _resized(image, size),
                labels[offset],
            )  # fmt: skip

    def _finished(self, shot: Shot) -> np.ndarray:
        assert shot.crop is not None
        assert shot.transform is not None
        assert shot.generated is not None
        assert shot.labels is not None
        assert shot.spoken is not None
        return lay_over(
            shot.frame,
            crop=shot.crop,
            generated=shot.generated,
            transform=shot.transform,
            source_labels=shot.labels,
            spoken_labels=shot.spoken,
            scheme=self.bundle.scheme,
            grain=False,
        )


class Wav2LipMethod:
    """Wav2Lip's generator, given the reference frame that all methods are given.

    Args:
        generator: with Wav2Lip's ``predict``.
        compose: ``"full"`` shows the network's whole picture, as published; ``"lower"`` keeps the
            frame's upper half; ``"face"`` is laid over the lower face as ours is.
        name: in reports.
    """

    has_masks = False

    def __init__(
        self,
        generator: nn.Module,
        *,
        compose: Literal["full", "lower", "face"] = "full",
        name: str = "Wav2Lip",
    ) -> None:
        self.generator: Any = generator.eval()
        self.compose, self.name = compose, name
        self._front_end = MelFrontEnd()

    def draw(self, clip: SelfDriven) -> Iterator[Drawn]:
        """Yield the clip's frames."""
        device = next(self.generator.parameters()).device
        mel = self._front_end(clip.waveform[None])
        reference = _planes(clip.reference.images).to(device)
        for part in clip.shown():
            windows = mel_windows(mel, len(part.images), first=part.first)[0].to(device)
            compose = "full" if self.compose == "face" else self.compose
            images = self.generator.predict(
                _planes(part.images).to(device), reference, windows, compose=compose
            )
            frames = images.permute(0, 2, 3, 1).cpu().numpy()
            if self.compose == "face":
                laid = zip(part.images, frames, part.labels, strict=True)
                frames = np.stack(
                    [lower_face(frame, drawn, mask, mask, clip) for frame, drawn, mask in laid]
                )
            yield Drawn(frames, None)


def lower_face(
    frame: np.ndarray,
    picture: np.ndarray,
    labels: np.ndarray,
    spoken_labels: np.ndarray,
    clip: SelfDriven,
) -> np.ndarray:
    """Lay a picture over the lower face of a frame of the same size, as `segkit talk` does."""
    return lay_over(
        frame, crop=frame, generated=picture, transform=np.eye(2, 3), source_labels=labels,
        spoken_labels=spoken_labels, scheme=clip.scheme, grain=False,
    )  # fmt: skip


def _planes(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    if image.shape[0] == side:
        return image
    shrinks = image.shape[0] > side
    return cv2.resize(
        image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
