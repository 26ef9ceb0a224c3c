"""Wav2Lip: the lower half of a face redrawn to speech, and the SyncNet of pictures it learns from.

Pictures are BGR in [0, 1] inside both networks, as their published weights want them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.halves import pose_of, with_upper_half_of
from segkit.weights import load_weights
from segkit_models.experts.syncnet import unit_length
from segkit_models.layers.convolution import ConvBlock, scale_width
from segkit_models.layers.face_tower import make_face_tower
from segkit_models.layers.mel_tower import MEL_WIDTHS, make_mel_tower
from segkit_models.layers.skip_ladder import (
    DECODER_WIDTHS,
    ENCODER_WIDTHS,
    make_decoder,
    make_encoder,
)

_BOTTLENECK = 3
"""Side of the map that one last convolution closes to a single vector."""


class Wav2Lip(nn.Module):
    """Two frames and 0.2 s of speech in, the face that says it out.

    Args:
        weights: a file made by ``segkit convert wav2lip``; random weights when not given.
        size: side of the frames, 96 times a power of two. Published: 96; larger ones continue the
            ladder by more 512-channel stages.
        width: multiplies every channel count (rounded to multiples of 8).

    Raises:
        ValueError: a size that no such ladder has.

    Source: Prajwal et al. 2020, "A Lip Sync Expert Is All You Need for Speech to Lip Generation In
    the Wild"; the parameter names are theirs.
    """

    def __init__(
        self, *, weights: str | Path | None = None, size: int = 96, width: float = 1.0
    ) -> None:
        super().__init__()
        num_halvings = (size // _BOTTLENECK).bit_length() - 1
        if size < 96 or size != _BOTTLENECK << num_halvings or num_halvings > len(ENCODER_WIDTHS):
            raise ValueError(f"size: expected 96, 192, 384 or 768, got {size}")
        self.size = size
        base, vector, top = (scale_width(channels, width) for channels in (16, 512, 32))
        encoder = [scale_width(channels, width) for channels in ENCODER_WIDTHS[:num_halvings]]
        decoder = [scale_width(channels, width) for channels in DECODER_WIDTHS[-num_halvings - 1 :]]
        self.face_encoder_blocks = make_encoder(6, base, encoder, vector, bottleneck=_BOTTLENECK)
        self.audio_encoder = make_mel_tower(
            [scale_width(channels, width) for channels in MEL_WIDTHS], out_dim=vector
        )
        self.face_decoder_blocks = make_decoder(
            vector, vector, decoder, [*encoder[::-1], base], bottleneck=_BOTTLENECK
        )
        self.output_block = nn.Sequential(ConvBlock(decoder[-1] + base, top), nn.Conv2d(top, 3, 1))
        # Channels last: half again as fast on a CPU, and what bfloat16 on a GPU wants.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if weights is not None:
            load_weights(self, weights)

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """Draw frames, or windows of them.

        Args:
            mel: ``B 1 80 16``, the mel window of each frame; or ``B T 1 80 16``.
            face: ``B 6 H W`` as `face_planes` makes it: the frame to redraw with its lower half
                zero, then another frame of the same person; or ``B 6 T H W``.

        Returns:
            ``B 3 H W`` in [0, 1], BGR; or ``B 3 T H W``.

        Raises:
            ValueError: shapes that do not fit the network or one another.
        """
        if face.ndim == 5:
            size = check_shape(face, "B 6 T H W", name="face")
            check_shape(mel, f"B={size['B']} T={size['T']} 1 80 16", name="mel")
            images = self(mel.flatten(0, 1), face.transpose(1, 2).flatten(0, 1))
            return images.unflatten(0, (size["B"], size["T"])).transpose(1, 2)
        size = check_shape(face, f"B 6 H={self.size} W={self.size}", name="face")
        check_shape(mel, f"B={size['B']} 1 80 16", name="mel")
        x, features = face, []
        for block in self.face_encoder_blocks:
            x = block(x)
            features.append(x)
        x = self.audio_encoder(mel)
        for block, skip in zip(self.face_decoder_blocks, reversed(features), strict=True):
            x = torch.cat([block(x), skip], dim=1)
        return self.output_block(x).sigmoid()

    @torch.no_grad()
    def predict(
        self,
        frames: Tensor,
        reference: Tensor,
        mel: Tensor,
        *,
        compose: Literal["full", "lower"] = "full",
    ) -> Tensor:
        """Redraw face crops of any size.

        Args:
            frames: ``B 3 H W`` uint8 RGB; what the lower halves show is not looked at.
            reference: the same shape, other frames of the person; or one for all, ``1 3 H W``.
                Published inference gives the frames themselves.
            mel: ``B 80 16``, see `segkit.audio.mel_windows`.
            compose: ``"full"`` returns the network's picture, as the published pipeline pastes it;
                ``"lower"`` keeps the frames' own upper halves.

        Returns:
            ``B 3 H W`` uint8 RGB.

        Raises:
            ValueError: shapes that do not fit, or an unknown way to compose.
        """
        if compose not in ("full", "lower"):
            raise ValueError(f"compose: expected 'full' or 'lower', got {compose!r}")
        batch = check_shape(frames, "B 3 H W", name="frames")["B"]
        check_shape(mel, f"B={batch} 80 16", name="mel")
        if reference.ndim != 4 or reference.shape[0] not in (1, batch) or reference.shape[1] != 3:
            raise ValueError(
                f"reference: expected shape (1 or {batch}, 3, H, W), got {tuple(reference.shape)}"
            )
        small, other = (_resized(x.float(), (self.size, self.size)) for x in (frames, reference))
        face = face_planes(small, other.expand(batch, -1, -1, -1))
        drawn = _resized(self(mel.unsqueeze(1), face).float().flip(1), frames.shape[-2:])
        # Published: truncated; ours: rounded, which has no bias.
        pixels = (drawn * 255).round().clamp(0, 255).to(frames.dtype)
        return with_upper_half_of(pixels, frames) if compose == "lower" else pixels


class Wav2LipSyncNet(nn.Module):
    """Embed pictures and speech so that the cosine tells whether they are in sync.

    Every layer, the last included, ends in a ReLU: no embedding is negative, so the cosine is in
    [0, 1].

    Args:
        weights: a file made by ``segkit convert wav2lip_syncnet``; random weights when not given.
        size: width of the frames, whose lower half is given. Published: 96.
        num_frames: T.
        width: multiplies every channel count (rounded to multiples of 8).

    Attributes:
        embedding_dim: D.

    Raises:
        ValueError: a size whose lower half does not halve down to 3 or 4 rows.

    Source: Prajwal et al. 2020 (Wav2Lip); the parameter names are theirs.
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        size: int = 96,
        num_frames: int = 5,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.size = size
        self.num_frames = num_frames
        self.embedding_dim = scale_width(512, width)
        # Padding that keeps powers of two, but at the published size.
        self.face_encoder = make_face_tower(
            3 * num_frames, size, width=width, wide_padding=1 if size == 96 else 2
        )
        self.audio_encoder = make_mel_tower(
            [scale_width(channels, width) for channels in MEL_WIDTHS],
            out_dim=self.embedding_dim,
            num_last_residuals=2,
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if weights is not None:
            load_weights(self, weights)

    def forward(self, mel: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        """Embed both sides.

        Args:
            mel: ``B 1 80 16``, the mel window of the T frames.
            face: ``B 3T h W``: the lower halves (``h = W / 2``) of T frames, BGR in [0, 1].

        Returns:
            Audio embedding and face embedding, each ``B D`` in float32, not negative, of length 1.

        Raises:
            ValueError: shapes that do not fit.
        """
        check_shape(mel, "B 1 80 16", name="mel")
        return self.embed_audio(mel.squeeze(1)), self.embed_face(face)

    def embed_face(self, face: Tensor) -> Tensor:
        """Embed lower halves ``B 3T h W`` (BGR in [0, 1]) as ``B D`` of length 1."""
        planes, height = 3 * self.num_frames, self.size // 2
        check_shape(
            face, f"B 3T={planes} h={height} W={self.size}", name="lower-half frames",
            remedy=f"give the lower halves of {self.num_frames} frames of {self.size} px only",
        )  # fmt: skip
        return unit_length(self.face_encoder(face))

    def embed_audio(self, mel: Tensor) -> Tensor:
        """Embed mel windows ``B 80 16`` as ``B D`` of length 1."""
        check_shape(mel, "B 80 16", name="mel")
        return unit_length(self.audio_encoder(mel.unsqueeze(1)))


def bgr_of(frames: Tensor) -> Tensor:
    """Turn RGB frames ``... 3 H W`` in [0, 255] into what these networks see: BGR in [0, 1]."""
    return frames.float().flip(-3) / 255


def face_planes(frames: Tensor, reference: Tensor) -> Tensor:
    """Make the generator's input: frames with the lower half hidden, then reference frames.

    Args:
        frames: ``B 3 H W``, RGB in [0, 255].
        reference: the same shape.

    Returns:
        ``B 6 H W``, BGR in [0, 1].
    """
    return torch.cat([pose_of(bgr_of(frames)), bgr_of(reference)], dim=-3)


def _resized(images: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    if images.shape[-2:] == size:
        return images
    return functional.interpolate(images, tuple(size), mode="bilinear", antialias=True)
