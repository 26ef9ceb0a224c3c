"""Losses on the angle between features of a frozen network: identity (eq. 10), parsing (eq. 11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.registry import LOSSES
from segkit_models.experts.building import build_expert

LEVELS = ("multi", "last")

E4S_FACE_BOX = (35 / 256, 32 / 256, 223 / 256, 220 / 256)
"""Where ArcFace's crop lies in a picture aligned as FFHQ's are (rows 35-222 of 256)."""


def cosine_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Return 1 - cosine of the flattened tensors, averaged over the batch.

    Args:
        prediction: ``B ...``.
        target: the same shape.
    """
    similarity = functional.cosine_similarity(prediction.flatten(1), target.flatten(1), dim=1)
    return (1 - similarity).mean()


class FeatureCosine(nn.Module):
    """Sum of the cosine distances of the features of a frozen network.

    Args:
        network: a module with ``features(image)``, or its ``dict(type=Class, ...)``; it is frozen
            and kept in evaluation mode.
        levels: ``"multi"`` sums over all features, ``"last"`` takes the last alone.
    """

    def __init__(self, network: nn.Module | dict[str, Any], *, levels: str = "multi") -> None:
        super().__init__()
        if levels not in LEVELS:
            raise ValueError(f"levels: expected one of {', '.join(LEVELS)}, got {levels!r}")
        self.network = build_expert(network).requires_grad_(False).eval()
        self.levels = levels

    def train(self, mode: bool = True) -> FeatureCosine:
        """Stay in evaluation mode: the network is a fixed measure."""
        del mode
        return super().train(False)

    def prepare(self, image: Tensor) -> Tensor:
        """Return the part of the image that the network looks at."""
        return image

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare two images ``B 3 H W`` in [-1, 1]."""
        check_shape(prediction, "B 3 H W", name="prediction")
        features = cast(Callable[[Tensor], list[Tensor]], self.network.features)
        with torch.no_grad():
            wanted = features(self.prepare(target))
        found = features(self.prepare(prediction))
        first = 0 if self.levels == "multi" else len(found) - 1
        pairs = zip(found[first:], wanted[first:], strict=True)
        return torch.stack([cosine_distance(a, b) for a, b in pairs]).sum()


@LOSSES.register
class IdentityLoss(FeatureCosine):
    """Distance of two faces in a face recognition network (eq. 10).

    Paper: one embedding, weight 0.1, a weight that E4S uses with the sum over five levels; ours:
        ``levels``.

    Args:
        network: a module with ``features(image)`` whose last entry is the embedding.
        levels: ``"multi"`` or ``"last"``.
        box: top, left, bottom and right edge of the face in the image, as fractions; the network
            sees only this. The default suits the face crop of this toolkit; `E4S_FACE_BOX` suits
            pictures aligned as FFHQ's.
        pool: side the image is averaged to before the face is cut out (E4S: 256); None cuts from
            the image as it is.

    Source:
        Section 3.3, eq. 10.
    """

    def __init__(
        self,
        network: nn.Module | dict[str, Any],
        *,
        levels: str = "multi",
        box: tuple[float, float, float, float] = (0.24, 0.21, 0.82, 0.79),
        pool: int | None = None,
    ) -> None:
        super().__init__(network, levels=levels)
        self.box = box
        self.pool = pool

    def prepare(self, image: Tensor) -> Tensor:
        """Cut the face out."""
        if self.pool is not None:
            image = functional.adaptive_avg_pool2d(image, self.pool)
        height, width = image.shape[-2:]
        top, left, bottom, right = self.box
        rows = slice(round(top * height), round(bottom * height))
        return image[..., rows, round(left * width) : round(right * width)]


@LOSSES.register
class ParsingLoss(FeatureCosine):
    """Distance of two faces in the encoder of a face parser (eq. 11).

    Args:
        network: a module with ``features(image)``, such as ``ParsingFeatures``.
        levels: ``"multi"`` or ``"last"``.

    Source:
        Section 3.3, eq. 11.
    """
