"""Where the face is in both clips of a pair, and its masks: what metrics of faces are given."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from segkit.faces import (
    FaceChoice,
    FaceTracker,
    SeveralFacesError,
    apply_transform,
    crop_transform,
    warp_crop,
)
from segkit.faces.topology import NUM_LANDMARKS, as_68_points

SIDES = ("pred", "gt")
_WORDS = {"pred": "predicted", "gt": "real"}

UNKNOWN = 255
"""Label of every pixel of a frame whose face was missed on either side."""


@dataclass(frozen=True)
class FaceSettings:
    """How faces are found.

    Attributes:
        face: which face of the first frame with faces, from left to right; None takes the only or
            the clearly largest one.
        parser: labels the crops of both sides; None leaves metrics of masks out.
        parser_name: what a definition calls it.
        mask_size: side of the crops that are labelled.
        own_masks: what a definition says of masks that the clips bring themselves.
    """

    face: FaceChoice | int | None = None
    parser: nn.Module | None = None
    parser_name: str = "MeshParser"
    mask_size: int = 256
    own_masks: str = ""

    def origins(self, needs: Sequence[str]) -> list[str]:
        """Say where the landmarks and masks came from, for the definition of a metric."""
        told = []
        if any(need.endswith("_landmarks") for need in needs):
            told.append("landmarks: MediaPipe's face mesh, its points nearest to the 68")
        if any(need.endswith("_masks") for need in needs):
            told.append(
                self.own_masks
                or f"masks: {self.parser_name} on {self.mask_size} px crops of both sides, "
                "aligned by the real face"
            )
        return told


class PairFaces:
    """Follow one face through both sides of a clip.

    Args:
        settings: how.
        needs: what the metrics want; nothing else is looked for.
        fps: frames per second.
    """

    def __init__(self, settings: FaceSettings, *, needs: Collection[str], fps: float) -> None:
        self.settings = settings
        self._wants_masks = "gt_masks" in needs and settings.parser is not None
        self._looks = self._wants_masks or any(need.endswith("_landmarks") for need in needs)
        self._fps = fps
        self._trackers: dict[str, FaceTracker] = {}
        self._found = dict.fromkeys(SIDES, 0)
        self._num_frames = 0
        self._refused: dict[str, str] = {}

    def add_to(self, chunk: dict[str, Any]) -> None:
        """Add ``*_landmarks`` and ``*_masks`` to the next frames, unless they are there already."""
        has_masks = "gt_masks" in chunk
        if not self._looks or ("gt_landmarks" in chunk and (has_masks or not self._wants_masks)):
            return
        frames = {side: chunk[f"{side}_frames"].transpose(0, 2, 3, 1) for side in SIDES}
        points = {side: self._followed(side, frames[side]) for side in SIDES}
        self._num_frames += len(frames["gt"])
        for side in SIDES:
            chunk.setdefault(f"{side}_landmarks", as_68_points(points[side]))
        if self._wants_masks and not has_masks:
            chunk |= self._masks(frames, points)

    def sentences(self) -> list[str]:
        """Say what was missed, once the clip has ended."""
        told = list(self._refused.values())
        for side, found in self._found.items():
            if self._num_frames and found < self._num_frames and side not in self._refused:
                told.append(
                    f"the face was found in {found} of {self._num_frames} {_WORDS[side]} frames; "
                    "the others are left out of numbers of faces"
                )
        return told

    def _followed(self, side: str, frames: np.ndarray) -> np.ndarray:
        """Return landmarks ``T 468 2``, NaN where the face was missed."""
        found = np.full((len(frames), NUM_LANDMARKS, 2), np.nan, np.float32)
        tracker = self._trackers.setdefault(
            side, FaceTracker(face=self.settings.face, fps=self._fps)
        )
        if side in self._refused:
            return found
        for index, frame in enumerate(frames):
            try:
                landmarks = tracker(np.ascontiguousarray(frame))
            except (SeveralFacesError, ValueError) as error:
                self._refused[side] = f"{_WORDS[side]}: {error}"
                break
            if landmarks is not None:
                found[index] = landmarks
                self._found[side] += 1
        return found

    def _masks(
        self, frames: dict[str, np.ndarray], points: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        from segkit.crop_labels import parse_crops

        size = self.settings.mask_size
        known = np.flatnonzero(
            np.isfinite(points["pred"]).all((1, 2)) & np.isfinite(points["gt"]).all((1, 2))
        )
        masks = {
            f"{side}_masks": np.full((len(frames[side]), size, size), UNKNOWN, np.uint8)
            for side in SIDES
        }
        crops_of = {
            f"{side}_crops": np.zeros((len(frames[side]), size, size, 3), np.uint8)
            for side in SIDES
        }
        if not len(known):
            return masks
        # One crop for both sides: a face that is drawn beside its place has other masks there.
        transforms = [crop_transform(points["gt"][index], size) for index in known]
        for side in SIDES:
            crops = [
                (
                    warp_crop(np.ascontiguousarray(frames[side][index]), transform, size),
                    apply_transform(transform, points[side][index]),
                )
                for index, transform in zip(known, transforms, strict=True)
            ]
            assert self.settings.parser is not None
            masks[f"{side}_masks"][known] = list(parse_crops(self.settings.parser, crops))
            crops_of[f"{side}_crops"][known] = [crop for crop, _ in crops]
        return {**masks, **crops_of}
