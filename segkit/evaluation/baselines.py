"""Methods that learn nothing, which every other one must beat: a still frame, and cut and paste."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from segkit.audio import MelFrontEnd, mel_windows
from segkit.clips import Clip, ClipFolder
from segkit.evaluation.methods import lower_face
from segkit.evaluation.self_driven import Drawn, SelfDriven
from segkit.faces import FaceDetector, FaceMesh, FaceTracker, crop_transform
from segkit.faces.similarity import compose_transforms, invert_transform

Footage = Sequence[tuple[Clip, range]]
"""Clips of a person, and which of their frames may be used."""


class StillFrame:
    """The reference frame, again and again: what a method must beat that hears nothing.

    Args:
        name: in reports.
    """

    has_masks = True

    def __init__(self, *, name: str = "still frame") -> None:
        self.name = name

    def draw(self, clip: SelfDriven) -> Iterator[Drawn]:
        """Yield the reference frame and its mask."""
        reference = clip.reference
        for part in clip.shown():
            count = len(part.images)
            yield Drawn(reference.images.repeat(count, 0), reference.labels.repeat(count, 0))


class UnitSelection:
    """Paste in the known frame of the person whose 0.2 s of speech sound most alike.

    Args:
        footage: gives what is known of the person of a clip.
        name: in reports.
    """

    has_masks = False

    def __init__(
        self, footage: Callable[[SelfDriven], Footage], *, name: str = "unit selection"
    ) -> None:
        self.footage, self.name = footage, name
        self._front_end = MelFrontEnd()
        self._detector, self._mesh = FaceDetector(), FaceMesh()

    def draw(self, clip: SelfDriven) -> Iterator[Drawn]:
        """Yield frames with the lower faces of the chosen ones laid over, turned to fit.

        Raises:
            ValueError: no footage of the person.
        """
        known = self.footage(clip)
        if not known:
            raise ValueError(
                f"{clip.name}: nothing else is known of this person; unit selection needs another "
                "clip of them, or the first part of this one"
            )
        places = [(unit, number) for unit, frames in known for number in frames]
        sounds = torch.cat([self._windows(unit)[frames.start : frames.stop]
                            for unit, frames in known])  # fmt: skip
        spoken = self._windows(clip.clip)
        tracker = self._tracker()
        for part in clip.shown():
            wanted = spoken[part.first : part.first + len(part.images)]
            nearest = torch.cdist(wanted, sounds).argmin(1).tolist()
            frames = [
                self._pasted(image, labels, places[index], tracker, clip)
                for image, labels, index in zip(part.images, part.labels, nearest, strict=True)
            ]
            yield Drawn(np.stack(frames), None)

    def _windows(self, clip: Clip) -> Tensor:
        mel = self._front_end(clip.waveform[None])
        return mel_windows(mel, clip.num_frames)[0].flatten(1)

    def _pasted(
        self, image: np.ndarray, labels: np.ndarray, place: tuple[Clip, int],
        tracker: FaceTracker, clip: SelfDriven,
    ) -> np.ndarray:  # fmt: skip
        unit, number = place
        other, mask = unit.frames([number])[0], unit.masks([number])[0]
        # The face mesh knows where both heads are; upper halves and lips of both weigh alike.
        here, there = tracker(image), self._tracker()(other)
        if here is not None and there is not None:
            side = image.shape[0]
            back = invert_transform(crop_transform(here, side))
            lead = compose_transforms(back, crop_transform(there, side))
            other = cv2.warpAffine(
                other, lead, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
            mask = cv2.warpAffine(
                mask, lead, (side, side), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
            )
        return lower_face(image, other, labels, mask, clip)

    def _tracker(self) -> FaceTracker:
        return FaceTracker(detector=self._detector, mesh=self._mesh)


def same_person(folder: ClipFolder) -> Callable[[SelfDriven], Footage]:
    """Give the frames before the measured ones, or else the other clips of the person.

    Args:
        folder: holds the clips.
    """
    clips = folder.clips(None)

    def footage(clip: SelfDriven) -> Footage:
        if clip.start:
            return [(clip.clip, range(clip.start))]
        person = clip.clip.entry.get("person_id")
        return [
            (other, range(other.num_frames))
            for other in clips
            if other.entry.get("person_id") == person and other.clip_id != clip.name
        ]

    return footage
