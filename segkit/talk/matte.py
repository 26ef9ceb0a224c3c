"""Cut the whole person out of a frame: MediaPipe's mask, sharpened along edges, steadied."""

from __future__ import annotations

import cv2
import numpy as np

from segkit.edits import soft_matte
from segkit.faces import invert_transform
from segkit.faces.litert import PERSON_MASK, LiteRTModel
from segkit.regions import SCHEME_12, RegionScheme

_MODEL_SIDE = 256
_WORK_SIDE = 384
"""Longer side at which the mask is sharpened."""
_MEMORY = 0.5


class PersonMatte:
    """Opacity of the person, frame by frame.

    Args:
        scheme: tells which label of the face crop is background.
    """

    def __init__(self, *, scheme: RegionScheme = SCHEME_12) -> None:
        self._model = LiteRTModel(PERSON_MASK)
        self._scheme = scheme
        self._last: np.ndarray | None = None

    def __call__(
        self,
        frame: np.ndarray,
        *,
        labels: np.ndarray | None = None,
        transform: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the opacity ``H W`` in [0, 1] of the person in a frame.

        Args:
            frame: uint8 RGB ``H W 3``; frames are expected in order of time.
            labels: label map of the face crop, which knows hair and ears better than the model.
            transform: ``2 3``, frame to crop.
        """
        height, width = frame.shape[:2]
        scale = min(1.0, _WORK_SIDE / max(height, width))
        work = cv2.resize(
            frame,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA,
        )
        square = cv2.resize(work, (_MODEL_SIDE, _MODEL_SIDE), interpolation=cv2.INTER_AREA)
        rough = self._model(square[None] / 255.0)[0][0, :, :, 0]
        if self._last is not None:
            rough = _MEMORY * self._last + (1 - _MEMORY) * rough
        self._last = rough
        matte = _along_edges(
            cv2.resize(rough, work.shape[1::-1], interpolation=cv2.INTER_LINEAR), work
        )
        matte = cv2.resize(matte, (width, height), interpolation=cv2.INTER_LINEAR)
        # The model's doubt must not leave a veil of the old background.
        matte = np.clip((matte - 0.15) / 0.7, 0, 1)
        if labels is not None and transform is not None:
            head = soft_matte(labels, feather=labels.shape[0] / 100, scheme=self._scheme)
            # Near the crop's border the parser sees half of everything: the model decides there.
            head *= _inner(labels.shape[0])
            back = invert_transform(transform)
            head = cv2.warpAffine(
                head, back, (width, height), flags=cv2.INTER_LINEAR, borderValue=0
            )
            matte = np.maximum(matte, head)
        return matte


def _along_edges(mask: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Let the border of a mask follow the edges of the picture (guided filter, He et al. 2013)."""
    guide = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    radius = max(2, max(mask.shape) // 64)

    def mean(plane: np.ndarray) -> np.ndarray:
        return cv2.blur(plane, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    guide_mean, mask_mean = mean(guide), mean(mask)
    slope = (mean(guide * mask) - guide_mean * mask_mean) / (
        mean(guide * guide) - guide_mean**2 + 1e-3
    )
    return np.clip(mean(slope) * guide + mean(mask_mean - slope * guide_mean), 0, 1)


def _inner(side: int) -> np.ndarray:
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]) / (0.1 * side)
    rise = np.clip(distance, 0, 1).astype(np.float32)
    return np.minimum(rise[:, None], rise[None, :])
