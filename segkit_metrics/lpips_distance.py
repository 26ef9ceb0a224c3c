"""LPIPS of pairs of frames: images as metrics hold them, the network as losses define it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.registry import LOSSES
from segkit.weight_catalogue import known_file
from segkit_metrics.clip_samples import unit_range
from segkit_metrics.networks import default_device
from segkit_metrics.weight_files import find_weights

SMALLEST = 32
"""Pixels of the shorter side at the smallest scale."""

_VGG = ("vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0")
"""torchvision's file and its digest; the heads come with the package ``lpips``."""


class LPIPSDistance:
    """Learned perceptual distance, version 0.1, of each pair of frames.

    Args:
        trunk: file with the pretrained trunk, made by ``segkit convert lpips`` or as published;
            or a built network with a ``distance(prediction, target)`` of images in [-1, 1].
        network: ``"alex"``, with which tables are made, or ``"vgg"``.
        num_scales: sum over that many sizes, each half of the one before (E4S: 3).
        batch_size: pairs that pass the network at once.
        device: where it runs; the accelerator if there is one.
        sha256: expected digest of the file, checked when given.

    Raises:
        MissingWeightsError: no file there; the message says where to get it.
    """

    def __init__(
        self,
        trunk: str | Path | nn.Module | None,
        *,
        network: str = "alex",
        num_scales: int = 1,
        batch_size: int = 16,
        device: str | None = None,
        sha256: str | None = None,
    ) -> None:
        built = trunk if isinstance(trunk, nn.Module) else _load(trunk, network, sha256)
        self.device = torch.device(device) if device is not None else default_device()
        self.network = built.to(self.device).eval()
        self.num_scales = num_scales
        self.batch_size = batch_size

    @torch.no_grad()
    def __call__(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the distance of each pair of frames.

        Args:
            prediction: ``T 3 H W``, uint8 or floats in [0, 1].
            target: the same shape.

        Returns:
            ``T`` float64.

        Raises:
            ValueError: shapes that differ, or too small for the network.
        """
        if prediction.shape != target.shape or prediction.ndim != 4 or prediction.shape[1] != 3:
            raise ValueError(
                f"frames: expected two arrays (T, 3, H, W), got {prediction.shape} and "
                f"{target.shape}"
            )
        smallest = SMALLEST * 2 ** (self.num_scales - 1)
        if min(prediction.shape[2:]) < smallest:
            height, width = prediction.shape[2:]
            raise ValueError(
                f"LPIPS: expected at least {smallest} px for {self.num_scales} scale(s), got "
                f"{height} x {width}; measure larger frames, or a region with a larger margin"
            )
        found = []
        for first in range(0, len(prediction), self.batch_size):
            part = slice(first, first + self.batch_size)
            found.append(self._distance(self._image(prediction[part]), self._image(target[part])))
        return np.concatenate(found)

    def _image(self, frames: np.ndarray) -> Tensor:
        shares = torch.from_numpy(np.ascontiguousarray(unit_range(frames, np.float32)))
        return shares.to(self.device) * 2 - 1

    def _distance(self, prediction: Tensor, target: Tensor) -> np.ndarray:
        height, width = prediction.shape[-2:]
        total = torch.zeros(len(prediction), device=prediction.device)
        for scale in range(self.num_scales):
            size = (height >> scale, width >> scale)
            pair = [functional.adaptive_avg_pool2d(x, size) for x in (prediction, target)]
            total += self.network.distance(*pair)  # type: ignore[operator]
        return total.cpu().numpy().astype(np.float64)


def _load(path: str | Path | None, network: str, sha256: str | None) -> nn.Module:
    name, source = _VGG[0], "https://download.pytorch.org/models"
    digest: str | None = _VGG[1]
    if network == "alex":
        known = known_file("lpips_alex")
        name, digest, source = known.file, known.sha256, known.how
    # Several files hold the same trunk: only a digest that the user gives is compared.
    found = find_weights(path, name=name, sha256=digest, source=source, check=False)
    # One definition for training and measuring, found without an import between packages.
    return LOSSES.build({"type": "LPIPS", "trunk": found, "network": network, "sha256": sha256})
