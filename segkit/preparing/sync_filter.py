"""Is a clip in sync? SyncNet's confidence and offset, and how to mend a small offset."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from segkit.contracts import FPS
from segkit.crop_labels import batched
from segkit.registry import METRICS
from segkit.weight_catalogue import known_file, weights_root

SIDE = 224
MIN_CONFIDENCE, MAX_OFFSET = 3.0, 6
"""Paper: no filter given; ours: those of LatentSync (tsg: confidence 3, six frames)."""

_MIN_FRAMES = 55
"""Below 2 s the zero padding of SyncNet's shifts weighs too much to judge."""

# SyncNet's own pipeline cuts 2.8 times half a detector's box: in the aligned crop, this part of it.
_LEFT, _TOP, _SHARE = 0.065, 0.15, 0.87


class SyncVerdict(NamedTuple):
    """What SyncNet says of a clip.

    Attributes:
        confidence: LSE-C.
        distance: LSE-D.
        offset: frames by which the speech comes early; negative where it lags.
    """

    confidence: float
    distance: float
    offset: int


@dataclass(frozen=True)
class SyncFilter:
    """Refuse clips whose sound does not belong to the mouth, by the evaluation SyncNet.

    Clips below 2 s are not judged. The sound of an accepted clip is shifted by its offset, so that
    the offset becomes 0; the offset found is kept in the manifest.

    Args:
        weights: file made by ``segkit convert syncnet_v2``, or the network itself.
        min_confidence: lowest LSE-C.
        max_offset: largest offset in frames, either way.
    """

    weights: str | Path | nn.Module
    min_confidence: float = MIN_CONFIDENCE
    max_offset: int = MAX_OFFSET

    def reason(self, verdict: SyncVerdict) -> str | None:
        """Return why a clip is refused, None if it is not."""
        if verdict.confidence < self.min_confidence:
            return (
                f"out of sync: SyncNet's confidence is {verdict.confidence:.2f}, at least "
                f"{self.min_confidence:g} is wanted"
            )
        if abs(verdict.offset) > self.max_offset:
            return (
                f"out of sync: the sound is {abs(verdict.offset)} frames "
                f"{'early' if verdict.offset > 0 else 'late'}, at most {self.max_offset} are mended"
            )
        return None


def known_sync_weights() -> Path | None:
    """Return the converted SyncNet of the weights folder, None if it is not there."""
    path = known_file("syncnet_v2").converted(weights_root())
    return path if path.is_file() else None


def sync_transforms(transforms: np.ndarray, size: int) -> np.ndarray:
    """Turn crop transforms into those of SyncNet's crop.

    Args:
        transforms: ``T 2 3``, frame to a crop of ``size`` pixels.
        size: side of that crop.

    Returns:
        ``T 2 3``, frame to a crop of 224 pixels that reaches below the chin.
    """
    scale = SIDE / (_SHARE * size)
    moved = transforms * scale
    moved[:, :, 2] -= np.array([_LEFT, _TOP]) / _SHARE * SIDE
    return moved


class SyncJudge:
    """Score clips with the network loaded once.

    Args:
        weights: see `SyncFilter`.
    """

    def __init__(self, weights: str | Path | nn.Module) -> None:
        self._metric: Any = METRICS.build({"type": "SyncNetScore", "weights": weights})

    def __call__(
        self, crops: Iterable[np.ndarray], waveform: Tensor, *, num_frames: int
    ) -> SyncVerdict | None:
        """Score a clip.

        Args:
            crops: T pictures ``224 224 3`` uint8.
            waveform: ``N`` at 16 kHz in [-1, 1].
            num_frames: T.

        Returns:
            The verdict; None for a clip below 2 s.

        Raises:
            ValueError: silent throughout.
        """
        if num_frames < _MIN_FRAMES:
            return None
        audio = (waveform * 32768).round().clamp(-32768, 32767).short().numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about lengths, which are known here
            self._metric.begin({"sample_id": "clip", "audio": audio, "fps": FPS})
            for batch in batched(crops, 64):
                self._metric.add({"pred_frames": np.stack(batch).transpose(0, 3, 1, 2)})
            scores = self._metric.finish()
        return SyncVerdict(scores["lse_c"], scores["lse_d"], int(scores["offset"]))
