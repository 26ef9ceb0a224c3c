"""From what a mask decoder believes to one label per pixel."""

from __future__ import annotations

from torch import Tensor

from segkit.regions import RegionScheme

_POSSIBLE = 0.12
"""A pixel less likely than this to be inside the mouth never is."""

_COUNTED = 0.03
"""Below this a probability is the floor of a softmax, and a face has many such pixels."""


def decide(logits: Tensor, scheme: RegionScheme) -> Tensor:
    """Choose labels; the inside of the mouth gets the area that is expected of it.

    An open mouth is a few pixels high. While its place is unsure by as much, each of them is more
    likely lip than mouth, and the likeliest label everywhere would be lips that never part. So as
    many pixels as their probabilities add up to become mouth: those likeliest to be.

    Args:
        logits: ``B R H W``.
        scheme: whose region ``mouth`` is meant; without one the likeliest label is chosen.

    Returns:
        ``B H W`` uint8.

    Source: Paper: the likeliest label; ours: this.
    """
    probability = logits.float().softmax(1)
    labels = probability.argmax(1)
    if "mouth" not in scheme.regions:
        return labels.byte()
    inside = scheme.index("mouth")
    mouth = probability[:, inside]
    counted = mouth * (mouth > _COUNTED)
    expected = counted.flatten(1).sum(1).round().long().clamp_max(mouth[0].numel())
    ranked = mouth.flatten(1).sort(dim=1, descending=True).values
    last = ranked.gather(1, (expected - 1).clamp_min(0)[:, None])[..., None]
    shown = (mouth >= last.clamp_min(_POSSIBLE)) & (expected > 0)[:, None, None]
    # Elsewhere the likeliest of the other labels.
    others = probability.clone()
    others[:, inside] = -1
    return others.argmax(1).masked_fill(shown, inside).byte()
