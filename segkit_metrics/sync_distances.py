"""LSE-C, LSE-D and offset of a clip from the embeddings of its frames and its speech."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

_EPSILON = 1e-6
"""What ``torch.pairwise_distance`` adds to every difference."""


class SyncScores(NamedTuple):
    """How well a video and its speech fit.

    Attributes:
        lse_c: confidence, the paper's "Sync": how far the best shift stands out; higher is better.
        lse_d: mean distance at the best shift; lower is better.
        offset: frames by which the speech comes early; negative where it lags.
    """

    lse_c: float
    lse_d: float
    offset: int


def sync_scores(video: Any, audio: Any, *, vshift: int = 15) -> SyncScores:
    """Score a clip by the distances of its embeddings at every shift.

    Args:
        video: ``N D``, one row for each window of five frames.
        audio: ``N D`` of the same windows.
        vshift: largest shift in frames; past both ends the speech is zero.

    Raises:
        ValueError: not two arrays of one shape, or no rows.

    Source:
        Chung and Zisserman 2016 (syncnet_python); Prajwal et al. 2020 name them LSE-C and LSE-D.
        Padding makes them depend on N: compare clips of equal length.
    """
    distances = SyncDistances(vshift=vshift)
    distances.add(video, audio)
    return distances.scores()


class SyncDistances:
    """Mean distance of the embeddings of a clip at every shift, from embeddings in pieces.

    Memory does not grow with the length of the clip.

    Args:
        vshift: largest shift in frames.
    """

    def __init__(self, *, vshift: int = 15) -> None:
        if vshift < 1:
            raise ValueError(f"vshift: expected at least 1 frame, got {vshift}")
        self.vshift, self.count = vshift, 0
        self._sums = np.zeros(2 * vshift + 1)
        self._video = self._audio = np.zeros((0, 0))

    def add(self, video: Any, audio: Any) -> None:
        """Take in the embeddings of the next windows, ``N D`` each.

        Raises:
            ValueError: not two arrays of one shape, or of another width than before.
        """
        video, audio = (np.asarray(array, np.float64) for array in (video, audio))
        if video.ndim != 2 or video.shape != audio.shape:
            raise ValueError(
                f"embeddings: expected two arrays (N, D), got {video.shape} and {audio.shape}"
            )
        if self.count == 0:
            dim = video.shape[1]
            self._video, self._audio = np.zeros((0, dim)), np.zeros((self.vshift, dim))
        if video.shape[1] != self._video.shape[1]:
            raise ValueError(
                f"embeddings: expected width {self._video.shape[1]}, got {video.shape[1]}"
            )
        self._sums += self._step(video, audio)
        self.count += len(video)
        self._video = np.concatenate([self._video, video])[-self.vshift :]
        self._audio = np.concatenate([self._audio, audio])[-self.vshift :]

    def scores(self) -> SyncScores:
        """Return the scores of what came so far.

        Raises:
            ValueError: nothing came.
        """
        if self.count == 0:
            raise ValueError("embeddings: expected at least one window, got none")
        silence = np.zeros((self.vshift, self._audio.shape[1]))
        distances = (self._sums + self._step(silence[:0], silence)) / self.count
        best = int(distances.argmin())
        lse_d = float(distances[best])
        return SyncScores(float(np.median(distances)) - lse_d, lse_d, self.vshift - best)

    def _step(self, video: np.ndarray, audio: np.ndarray) -> np.ndarray:
        """Return what new rows add to the sum of each shift: pairs not both of which are old."""
        videos = np.concatenate([self._video, video])
        audios = np.concatenate([self._audio, audio])
        num_video, num_audio = self.count + len(video), self.count + len(audio)
        # Number of the first row that each of the two arrays still has.
        from_video, from_audio = num_video - len(videos), num_audio - len(audios)
        sums = np.zeros(2 * self.vshift + 1)
        for k in range(2 * self.vshift + 1):
            shift = k - self.vshift
            first = max(0, self.count - max(shift, 0))
            last = min(num_video, num_audio - shift)
            if first < last:
                left = videos[first - from_video : last - from_video]
                right = audios[first + shift - from_audio : last + shift - from_audio]
                sums[k] = np.linalg.norm(left - right + _EPSILON, axis=1).sum()
        return sums
