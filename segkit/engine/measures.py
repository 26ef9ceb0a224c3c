"""Quick measures for a training's own log; the full metrics live in segkit_metrics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segkit.regions import SCHEME_12


def mouth_overlap(predictions: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    """Return the intersection over union of lips and mouth interior, over all frames together.

    Args:
        predictions: dicts of ``labels`` and ``target``, label maps ``... H W`` of the 12-class
            scheme.
    """
    labels = torch.stack([prediction["labels"] for prediction in predictions])
    target = torch.stack([prediction["target"] for prediction in predictions])
    overlaps = {}
    for name in ("lip", "mouth"):
        number = SCHEME_12.index(name)
        found, wanted = labels == number, target == number
        union = int((found | wanted).sum())
        overlaps[f"iou_{name}"] = int((found & wanted).sum()) / union if union else 1.0
    return overlaps


def region_overlap(predictions: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    """Return the mean intersection over union of the regions that are there, over all pictures.

    Args:
        predictions: dicts of ``labels`` and ``target``, label maps ``... H W`` of any scheme.
    """
    labels = torch.stack([prediction["labels"] for prediction in predictions]).long()
    target = torch.stack([prediction["target"] for prediction in predictions]).long()
    num_regions = int(torch.maximum(labels.max(), target.max())) + 1
    pairs = torch.bincount((target * num_regions + labels).flatten(), minlength=num_regions**2)
    pairs = pairs.view(num_regions, num_regions).double()
    union = pairs.sum(0) + pairs.sum(1) - pairs.diagonal()
    there = pairs.sum(1) > 0
    return {"mean_iou": float((pairs.diagonal() / union)[there].mean())}


def image_fidelity(predictions: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    """Return the peak signal-to-noise ratio (dB) of the whole image and of its lower half.

    Args:
        predictions: dicts of ``prediction`` and ``target``, uint8 images ``3 H W``.
    """
    error = torch.stack(
        [(p["prediction"].float() - p["target"].float()) / 255 for p in predictions]
    ).square()
    lower = error[..., error.shape[-2] // 2 :, :]
    return {"psnr": _decibel(error), "psnr_lower": _decibel(lower)}


def _decibel(squared_error: Tensor) -> float:
    """Average over the images in decibels; an exact image counts as 100 dB."""
    return float((-10 * squared_error.flatten(1).mean(1).clamp_min(1e-10).log10()).mean())
