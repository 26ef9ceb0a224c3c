"""What a fit has learned, in words: the same for the command line and for the page."""

from __future__ import annotations

from typing import Any

_LATE_SHARE, _LATE_GAIN_DB = 2 / 3, 0.3


def learned(report: dict[str, Any]) -> list[str]:
    """Tell how well frames are met that only chose the weights, before and after.

    Args:
        report: what `segkit.talk.fit.fit` returns; after an interrupt a half may be missing.

    Returns:
        A sentence for each half without a full stop.
    """
    told = []
    if masks := report.get("masks"):
        before, after = masks["mouth_iou"]
        told.append(
            f"lips and mouth overlap those of held-out frames by {before:.2f} -> {after:.2f} "
            f"({masks['steps']} steps)"
        )
    if images := report.get("images"):
        before, after = images["psnr_lower"]
        told.append(
            f"lower halves of held-out frames are drawn at {before:.1f} -> {after:.1f} dB "
            f"({images['steps']} steps)"
        )
    return told


def still_learning(report: dict[str, Any]) -> bool:
    """Tell whether more time would have helped: what is drawn got better to the very end.

    Args:
        report: what `segkit.talk.fit.fit` returns.

    Returns:
        True where the last third of the drawing's time brought 0.3 dB, or where there were too few
        steps to tell.
    """
    curve = report.get("images", {}).get("curve", [])
    if len(curve) < 2:
        return True
    late = next(psnr for second, psnr in curve if second >= _LATE_SHARE * curve[-1][0])
    return curve[-1][1] - late >= _LATE_GAIN_DB
