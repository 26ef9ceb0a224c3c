"""Networks of segmentation-models-pytorch, built by name with errors that help."""

from __future__ import annotations

import difflib

from torch import nn

MULTIPLE = 32
"""Every encoder halves a side five times at most: sides of this multiple fit all of them."""


def make_smp_network(
    architecture: str,
    encoder: str,
    *,
    in_channels: int,
    num_classes: int,
    encoder_weights: str | None = None,
) -> nn.Module:
    """Build an encoder-decoder.

    Args:
        architecture: class of the library, such as ``"Unet"``, ``"FPN"`` or ``"Segformer"``.
        encoder: its backbone, such as ``"resnet34"`` or ``"tu-convnext_tiny"`` (timm's).
        in_channels: planes of the input.
        num_classes: planes of the output.
        encoder_weights: name of pretrained weights, which the library fetches; None fetches
            nothing.

    Raises:
        ValueError: no such architecture or encoder.
    """
    import segmentation_models_pytorch as smp  # slow to import; only its users need it

    known = {kind.__name__: kind for kind in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    if architecture not in known:
        raise ValueError(
            f"architecture: no {architecture!r} in segmentation-models-pytorch"
            f"{_close(architecture, list(known))}; known: {', '.join(sorted(known))}"
        )
    try:
        return known[architecture](
            encoder, encoder_weights=encoder_weights, in_channels=in_channels, classes=num_classes
        )
    except KeyError as error:
        names = list(smp.encoders.encoders)
        raise ValueError(
            f"encoder: no {encoder!r} in segmentation-models-pytorch{_close(encoder, names)}; "
            "`segmentation_models_pytorch.encoders.get_encoder_names()` lists them, and "
            "'tu-NAME' takes timm's"
        ) from error


def _close(given: str, names: list[str]) -> str:
    close = difflib.get_close_matches(given, names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
