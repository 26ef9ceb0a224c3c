"""Whether a generated face is still the same person: cosine similarity of embeddings (CSIM)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from segkit.faces.similarity import fit_similarity
from segkit.registry import METRICS
from segkit_metrics.base import VideoMetric
from segkit_metrics.clip_samples import Clip, LengthPolicy
from segkit_metrics.means import Reduction
from segkit_metrics.networks import converted_network, default_device

SIDE = 112

_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
     [70.7299, 92.2041]]
)  # fmt: skip
"""Where ArcFace has the eyes, the nose and the corners of the mouth in 112 px (x, y)."""

_CHOICES = {
    "network": ("arcface_irse50", "dlib_identity"),
    "reference": ("frame", "source"),
    "crop": ("given", "landmarks"),
}


def cosine_similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of embeddings; NaN where one has no length.

    Args:
        one: ``N D``.
        other: ``N D``, or ``1 D`` to compare with all.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> cosine_similarity(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0]])).round(3)
        array([0.707,   nan])
    """
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    fits = one.ndim == other.ndim == 2 and one.shape[1] == other.shape[1]
    if not fits or len(other) not in (1, len(one)):
        raise ValueError(f"embeddings: expected two arrays (N, D), got {one.shape}, {other.shape}")
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = (one * other).sum(1) / np.where(lengths > 0, lengths, 1)
    return np.where(lengths > 0, cosine, np.nan)


def arcface_points(landmarks: np.ndarray) -> np.ndarray:
    """Return ArcFace's five points ``5 2`` of 68 landmarks ``68 2``."""
    eyes = [landmarks[36:42].mean(0), landmarks[42:48].mean(0)]
    return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]])


def align_face(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Cut out a face so that its five points lie where ArcFace has them.

    Args:
        frame: ``3 H W`` uint8.
        landmarks: ``68 2`` pixels, finite.

    Returns:
        ``3 112 112`` uint8.
    """
    from segkit.faces.alignment import warp_crop  # slow to import

    transform = fit_similarity(arcface_points(landmarks), _TEMPLATE)
    crop = warp_crop(np.ascontiguousarray(frame.transpose(1, 2, 0)), transform, SIDE)
    return crop.transpose(2, 0, 1)


@METRICS.register
class IdentitySimilarity(VideoMetric):
    """CSIM: cosine of the embeddings of a predicted frame and of what it should look like.

    Args:
        weights: a file made by ``segkit convert irse50`` or ``segkit convert identity``, or an
            embedder ``B 3 H W`` in [-1, 1] -> ``B D``. Take another network than the one that a
            loss of the training used: agreeing with that proves little.
        network: which of the known files ``weights`` is.
        reference: ``"frame"``: the true frame of the same time; ``"source"``: the one portrait
            ``source`` (``3 H W``) of the clip. The two give different numbers.
        crop: ``"given"``: frames are faces cut out as the network wants them; ``"landmarks"``: cut
            them out by the 68 landmarks of each side (``source_landmarks`` of the portrait); a
            frame with a missed face is left out.
        batch_size: faces that go through the network at once.
        device: of the network; the accelerator if there is one.
        reduce: see `VideoMetric`.
        on_length_mismatch: see `ClipMetric`.
        collect_device: mmengine's.
        prefix: instead of `default_prefix`.

    Raises:
        MissingWeightsError: no such file.
        ValueError: an unknown choice, or not a converted file of the network.
    """

    name, unit, higher_is_better, default_prefix = "identity", "cosine", True, "CSIM"

    def __init__(
        self,
        *,
        weights: str | Path | nn.Module | None,
        network: Literal["arcface_irse50", "dlib_identity"] = "arcface_irse50",
        reference: Literal["frame", "source"] = "frame",
        crop: Literal["given", "landmarks"] = "given",
        batch_size: int = 32,
        device: str | torch.device | None = None,
        reduce: Reduction = "frame",
        on_length_mismatch: LengthPolicy = "error",
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            reduce=reduce, on_length_mismatch=on_length_mismatch, collect_device=collect_device,
            prefix=prefix,
        )  # fmt: skip
        for key, given in (("network", network), ("reference", reference), ("crop", crop)):
            if given not in _CHOICES[key]:
                raise ValueError(f"{key}: expected {' or '.join(_CHOICES[key])}, got {given!r}")
        built, self._network_name = converted_network(weights, known=network)
        self.network = built.to(device := device or default_device())
        self.device, self.batch_size = torch.device(device), batch_size
        self.reference, self.crop = reference, crop
        self._sides = ("pred", "gt") if reference == "frame" else ("pred",)
        kinds = ("frames",) if crop == "given" else ("frames", "landmarks")
        self.needs = tuple(f"{side}_{kind}" for side in self._sides for kind in kinds)

    def definition(self) -> str:
        """Return what was computed: network, reference and crop."""
        reference = {"frame": "the true frame", "source": "the source portrait"}[self.reference]
        crop = {
            "given": "faces as given",
            "landmarks": f"faces aligned to ArcFace's five points at {SIDE} px",
        }[self.crop]
        return (
            f"cosine of embeddings ({self._network_name}) with {reference}, {crop}, mean over "
            f"{self.reduce}s"
        )

    def begin(self, clip: Clip) -> None:
        """Start a clip; embed its ``source`` if that is the reference."""
        super().begin(clip)
        self._cosines: list[np.ndarray] = []
        if self.reference == "source":
            self._source = self._embed_source(clip)

    def add(self, chunk: Clip) -> None:
        """Compare the next frames."""
        faces = [
            self._faces(chunk[f"{side}_frames"], chunk.get(f"{side}_landmarks"))
            for side in self._sides
        ]
        found = [k for k in range(len(faces[0])) if all(side[k] is not None for side in faces)]
        cosines = np.full(len(faces[0]), np.nan)
        if found:
            one, *others = (self._embed([side[k] for k in found]) for side in faces)
            cosines[found] = cosine_similarity(one, others[0] if others else self._source)
        self._cosines.append(cosines)

    def finish(self) -> dict[str, np.ndarray | float | int]:
        """Return ``csim`` of each frame; NaN where a face was missed."""
        return {"csim": np.concatenate(self._cosines)}

    def _embed_source(self, clip: Clip) -> np.ndarray:
        place = f"clip {clip['sample_id']!r}"
        source, landmarks = _array(clip.get("source")), _array(clip.get("source_landmarks"))
        if source is None or source.ndim != 3 or source.shape[0] != 3:
            got = None if source is None else source.shape
            raise ValueError(f"{place}: source: expected a portrait (3, H, W), got {got}")
        floats = np.issubdtype(source.dtype, np.floating)
        if source.dtype != np.uint8 and not (floats and 0 <= source.min() <= source.max() <= 1):
            raise ValueError(f"{place}: source: expected uint8 or floats in [0, 1]")
        if self.crop == "landmarks" and (landmarks is None or landmarks.shape != (68, 2)):
            got = None if landmarks is None else landmarks.shape
            raise ValueError(f"{place}: source_landmarks: expected (68, 2), got {got}")
        face = self._faces(source[None], None if landmarks is None else landmarks[None])[0]
        if face is None:
            raise ValueError(f"{place}: source_landmarks: expected a face, got NaN")
        return self._embed([face])

    def _faces(self, frames: np.ndarray, landmarks: np.ndarray | None) -> list[Any]:
        """Return one face for each frame; None where it was missed."""
        if self.crop == "given":
            return list(frames)
        assert landmarks is not None
        return [
            align_face(_bytes(frame), points) if np.isfinite(points).all() else None
            for frame, points in zip(frames, landmarks, strict=True)
        ]

    @torch.no_grad()
    def _embed(self, faces: list[np.ndarray]) -> np.ndarray:
        batches = []
        for start in range(0, len(faces), self.batch_size):
            batch = torch.from_numpy(np.stack(faces[start : start + self.batch_size]))
            images = batch.to(self.device).float() * (2 / 255 if batch.dtype == torch.uint8 else 2)
            batches.append(self.network(images - 1).float().cpu().numpy())
        return np.concatenate(batches)


def _array(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def _bytes(frame: np.ndarray) -> np.ndarray:
    if frame.dtype == np.uint8:
        return frame
    return np.round(frame * 255).clip(0, 255).astype(np.uint8)
