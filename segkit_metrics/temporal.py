"""How alike two videos change from frame to frame: differences, optical flow, LPIPS."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from segkit.registry import METRICS
from segkit_metrics.base import Clip, VideoMetric
from segkit_metrics.clip_samples import LengthPolicy, unit_range
from segkit_metrics.lpips_distance import LPIPSDistance
from segkit_metrics.means import Reduction


def temporal_difference(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the mean absolute error of the change between neighbouring frames.

    Args:
        prediction: ``T 3 H W``, uint8 or floats in [0, 1].
        target: the same shape.

    Returns:
        ``T-1``, in [0, 2].

    Example:
        >>> still = np.zeros((3, 3, 4, 4))
        >>> brighter = still + np.array([0, 0.25, 0.75])[:, None, None, None]
        >>> temporal_difference(brighter, still)
        array([0.25, 0.5 ])
    """
    errors = []
    last: np.ndarray | None = None
    for pair in zip(prediction, target, strict=True):
        error = unit_range(pair[0]) - unit_range(pair[1])
        if last is not None:
            errors.append(np.abs(error - last).mean())
        last = error
    return np.array(errors)


def optical_flow(frames: np.ndarray) -> np.ndarray:
    """Return the motion between neighbouring frames.

    Args:
        frames: ``T 3 H W``, uint8 or floats in [0, 1].

    Returns:
        ``T-1 H W 2`` pixels, x then y.

    Source: Farneback 2003 on grey, with the settings of TecoGAN's tOF.
    """
    grey = [
        cv2.cvtColor(np.ascontiguousarray(_bytes(frame).transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY)
        for frame in frames
    ]
    settings = (0.5, 3, 15, 3, 5, 1.2, 0)
    start = np.zeros((*grey[0].shape, 2), np.float32)
    flows = [
        cv2.calcOpticalFlowFarneback(one, two, start.copy(), *settings)
        for one, two in itertools.pairwise(grey)
    ]
    return np.stack(flows) if flows else np.zeros((0, *start.shape), np.float32)


class PairMetric(VideoMetric):
    """A metric of neighbouring frames; the last frame of a chunk waits for the next chunk.

    Args:
        reduce: average over pairs of frames, or over the clips' own means.
        on_length_mismatch: see `ClipMetric`.
        prefix: instead of `default_prefix`.
    """

    key: str
    """Name of the value in the report."""

    def __init__(
        self,
        *,
        reduce: Reduction = "frame",
        on_length_mismatch: LengthPolicy = "error",
        prefix: str | None = None,
    ) -> None:
        super().__init__(reduce=reduce, on_length_mismatch=on_length_mismatch, prefix=prefix)
        self._values: list[np.ndarray] = []
        self._last: tuple[np.ndarray, ...] = ()

    @abstractmethod
    def compare(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return ``T-1`` values for frames ``T 3 H W``, T at least 2."""

    def begin(self, clip: Clip) -> None:
        """Start a clip."""
        super().begin(clip)
        self._values, self._last = [], ()

    def add(self, chunk: Clip) -> None:
        """Measure the next frames, and their first with the last before it."""
        pair = (chunk["pred_frames"], chunk["gt_frames"])
        if self._last:
            pair = tuple(np.concatenate(both) for both in zip(self._last, pair, strict=True))  # type: ignore[assignment]
        if len(pair[0]) > 1:
            self._values.append(self.compare(*pair))
        self._last = tuple(frames[-1:].copy() for frames in pair)

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return one value for each pair of neighbours; NaN for a clip of one frame."""
        return {self.key: np.concatenate(self._values) if self._values else float("nan")}


@METRICS.register
class TemporalDifference(PairMetric):
    """Mean absolute error of the change from frame to frame: flicker that PSNR does not see.

    Args:
        reduce: see `PairMetric`.
        on_length_mismatch: see `PairMetric`.
        prefix: instead of `default_prefix`.
    """

    name = "temporal difference"
    unit = "share of the range"
    higher_is_better = False
    default_prefix = "Temporal"
    key = "difference"

    def definition(self) -> str:
        """Say what the number is."""
        change = "|(p_t - p_t-1) - (g_t - g_t-1)|"
        return f"{change} of RGB in [0, 1], mean over pixels, then {self.reduce}s"

    def compare(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the error of each pair of neighbours."""
        return temporal_difference(prediction, target)


@METRICS.register
class TOF(PairMetric):
    """Mean difference of the optical flows of both videos.

    Args:
        reduce: see `PairMetric`.
        on_length_mismatch: see `PairMetric`.
        prefix: instead of `default_prefix`.

    Source: Chu et al. 2020 (TecoGAN).
    """

    name = "tOF"
    unit = "px"
    higher_is_better = False
    default_prefix = "tOF"
    key = "tof"

    def definition(self) -> str:
        """Say what the number is."""
        return (
            "Euclidean distance of Farneback flows (0.5, 3, 15, 3, 5, 1.2) of grey frames, mean "
            f"over pixels, then {self.reduce}s"
        )

    def compare(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the distance of the flows of each pair of neighbours."""
        pairs = (slice(index, index + 2) for index in range(len(prediction) - 1))
        return np.array(
            [
                np.linalg.norm(
                    optical_flow(prediction[p]) - optical_flow(target[p]), axis=-1
                ).mean()
                for p in pairs
            ],
            np.float64,
        )


@METRICS.register
class TLP(PairMetric):
    """How differently both videos change to the eye.

    100 times the absolute difference between the LPIPS of true and of predicted neighbours.

    Args:
        trunk: see `LPIPSDistance`.
        network: ``"alex"`` or ``"vgg"``.
        batch_size: pairs that pass the network at once.
        device: where it runs; the accelerator if there is one.
        sha256: expected digest of the file, checked when given.
        reduce: see `PairMetric`.
        on_length_mismatch: see `PairMetric`.
        prefix: instead of `default_prefix`.

    Raises:
        MissingWeightsError: no file there; the message says where to get it.

    Source: Chu et al. 2020 (TecoGAN).
    """

    name = "tLP"
    unit = "LPIPS x 100"
    higher_is_better = False
    default_prefix = "tLP"
    key = "tlp"

    def __init__(
        self,
        *,
        trunk: str | Path | nn.Module | None = None,
        network: str = "alex",
        batch_size: int = 16,
        device: str | None = None,
        sha256: str | None = None,
        reduce: Reduction = "frame",
        on_length_mismatch: LengthPolicy = "error",
        prefix: str | None = None,
    ) -> None:
        super().__init__(reduce=reduce, on_length_mismatch=on_length_mismatch, prefix=prefix)
        self.network = network
        self.distance = LPIPSDistance(
            trunk, network=network, batch_size=batch_size, device=device, sha256=sha256
        )

    def definition(self) -> str:
        """Say what the number is."""
        return (
            f"100 |LPIPS(g_t-1, g_t) - LPIPS(p_t-1, p_t)|, version 0.1, {self.network}, mean over "
            f"{self.reduce}s"
        )

    def compare(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the difference for each pair of neighbours."""
        changes = [self.distance(frames[:-1], frames[1:]) for frames in (prediction, target)]
        return 100 * np.abs(changes[0] - changes[1])


def _bytes(frame: np.ndarray) -> np.ndarray:
    if frame.dtype == np.uint8:
        return frame
    return np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8)
