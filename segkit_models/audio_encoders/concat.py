"""Several audio encoders as one: their embeddings side by side, mixed by a linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segkit.contracts import encode_audio
from segkit.registry import AUDIO_ENCODERS
from segkit_models.layers.convolution import ConvBlock, NormName


@AUDIO_ENCODERS.register
class Concat(nn.Module):
    """Hear with a local and a global encoder, or any others.

    Args:
        encoders: built, or their configs; at most one has ``listen``.
        out_dim: width of the embedding.
        norm: ``"batch"`` or ``"group"``, of the mixing layer.
        encoder_dropout: share of the samples in training that hear with one encoder less. Paper:
            none; ours: 0, and 0.25 where one encoder knows fewer voices than another.

    Attributes:
        out_dim: width of the embedding.

    Raises:
        ValueError: no encoder, or several that listen to whole clips.

    Source: section 3.2 (local and global speech); modality dropout of AV-HuBERT (Shi et al. 2022).
    Paper: fusion not given; ours: TalkLip's, a linear layer over both.
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module | dict[str, Any]],
        *,
        out_dim: int = 512,
        norm: NormName = "batch",
        encoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.out_dim = out_dim
        self.encoder_dropout = encoder_dropout
        self.encoders = nn.ModuleList([AUDIO_ENCODERS.build(encoder) for encoder in encoders])
        listening = [encoder for encoder in self.encoders if hasattr(encoder, "listen")]
        if not len(self.encoders) or len(listening) > 1:
            raise ValueError(
                f"encoders: expected one or more, of which one listens to whole clips at most, got "
                f"{len(self.encoders)} with {len(listening)} that listen"
            )
        if listening:
            # Attributes only if there is one: their presence tells that features are wanted.
            self.listen = listening[0].listen
            self.features_per_frame = listening[0].features_per_frame
        width = 0
        for encoder in self.encoders:
            assert isinstance(encoder.out_dim, int)
            width += encoder.out_dim
        self.mix = ConvBlock(width, out_dim, kernel_size=1, padding=0, norm=norm)

    def forward(
        self, waveform: Tensor, num_frames: int, first: int = 0, *, features: Tensor | None = None
    ) -> Tensor:
        """Embed frames ``first .. first + num_frames - 1``.

        Args:
            waveform: ``B N``, 16 kHz in [-1, 1]; frame 0 begins at sample 0.
            num_frames: T.
            first: index of the first frame wanted.
            features: ``B F C`` of ``listen`` for the waveform; None listens now.

        Returns:
            ``B T D``, not negative.
        """
        heard = [
            encode_audio(encoder, waveform, num_frames, first, features)
            for encoder in self.encoders
        ]
        if self.training and self.encoder_dropout and len(heard) > 1:
            heard = self._without_some(heard)
        together = torch.cat(heard, -1).flatten(0, 1)[..., None, None]
        return self.mix(together).flatten(1).unflatten(0, (-1, num_frames))

    def _without_some(self, heard: list[Tensor]) -> list[Tensor]:
        """Silence one encoder, chosen per sample, in a share of the samples."""
        batch, device = len(heard[0]), heard[0].device
        chosen = torch.randint(len(heard), (batch,), device=device)
        dropped = torch.rand(batch, device=device) < self.encoder_dropout
        return [
            embedding * ~(dropped & (chosen == number))[:, None, None]
            for number, embedding in enumerate(heard)
        ]
