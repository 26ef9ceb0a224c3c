"""Global audio encoder: convolutions over a frozen recogniser's phoneme probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.phonemes import FEATURES_PER_FRAME, PhonemeRecogniser
from segkit.registry import AUDIO_ENCODERS
from segkit_models.layers.convolution import ConvBlock

_REACH = 6
"""Features before and after a frame's own two that its embedding sees: 0.12 s."""


@AUDIO_ENCODERS.register
class PhonemeCNN(nn.Module):
    """Embed the phonemes around each frame.

    Phonemes are what different voices have in common: trained on a few voices, it follows others.

    Args:
        out_dim: width of the embedding.
        width: channels of the hidden layers.

    Attributes:
        out_dim: width of the embedding.
        features_per_frame: 2.

    Source: Paper: AV-HuBERT as the global encoder (section 3.2); ours: phoneme posteriors, for
        which published weights may be shipped.
    """

    features_per_frame = FEATURES_PER_FRAME

    def __init__(self, *, out_dim: int = 128, width: int = 96) -> None:
        super().__init__()
        self.out_dim = out_dim
        sizes: list[tuple[int, int, Any]] = [
            (PhonemeRecogniser.num_features, width, (1, 1)),
            (width, width, (1, 5)),
            (width, width, (1, 5)),
        ]
        # Batch norm: the statistics of a group would be those of the stretch asked for.
        # No zeros are laid around hidden layers: outside a clip its features are 0, and only they.
        self.layers = nn.Sequential(
            *(ConvBlock(c, d, kernel_size=kernel, padding=0) for c, d, kernel in sizes),
            ConvBlock(width, out_dim, kernel_size=(1, 6), stride=(1, 2), padding=0),
        )

    def listen(self, waveform: Tensor) -> Tensor:
        """Describe a whole clip's speech ``N`` once, as ``F C`` (see `PhonemeRecogniser`)."""
        return PhonemeRecogniser()(waveform)

    def forward(
        self, waveform: Tensor, num_frames: int, first: int = 0, *, features: Tensor | None = None
    ) -> Tensor:
        """Embed frames ``first .. first + num_frames - 1``.

        Args:
            waveform: ``B N``, 16 kHz in [-1, 1]; frame 0 begins at sample 0.
            num_frames: T.
            first: index of the first frame wanted.
            features: ``B F C`` of ``listen`` for the waveform, two per frame; outside them nothing
                is heard. None listens now, which is slow and hears no more than the waveform.

        Returns:
            ``B T D``, not negative.

        Raises:
            ValueError: features of another shape, or no frame wanted.
        """
        check_shape(waveform, "B N", name="waveform")
        if features is None:
            features = torch.stack([self.listen(speech) for speech in waveform])
        check_shape(features, f"B F C={PhonemeRecogniser.num_features}", name="features")
        if num_frames < 1 or first < 0:
            raise ValueError(
                f"frames: expected num_frames >= 1 and first >= 0, got {num_frames} and {first}"
            )
        start = FEATURES_PER_FRAME * first - _REACH
        stop = FEATURES_PER_FRAME * (first + num_frames) + _REACH
        stretch = features[:, max(start, 0) : max(stop, 0)]
        left = max(-start, 0)
        stretch = functional.pad(stretch, (0, 0, left, stop - start - left - stretch.shape[1]))
        return self.layers(stretch.transpose(1, 2).unsqueeze(2))[:, :, 0].transpose(1, 2)
