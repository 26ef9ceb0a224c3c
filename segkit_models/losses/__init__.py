"""Losses: ``(prediction, target)`` -> unweighted scalar."""

from segkit_models.losses.cosine import IdentityLoss, ParsingLoss
from segkit_models.losses.image import L2, PyramidL1
from segkit_models.losses.mask import MaskL1, WeightedCrossEntropy
from segkit_models.losses.perceptual import LPIPS
from segkit_models.losses.sync import SyncBinaryCrossEntropy, SyncContrast, SyncLoss

__all__ = [
    "L2",
    "LPIPS",
    "IdentityLoss",
    "MaskL1",
    "ParsingLoss",
    "PyramidL1",
    "SyncBinaryCrossEntropy",
    "SyncContrast",
    "SyncLoss",
    "WeightedCrossEntropy",
]
