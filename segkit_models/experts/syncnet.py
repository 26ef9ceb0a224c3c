"""The SyncNet of masks: do five lower-half masks and 0.2 s of speech belong together?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit_models.layers.convolution import NormName, scale_width
from segkit_models.layers.face_tower import make_face_tower
from segkit_models.layers.mel_tower import MEL_WIDTHS, make_mel_tower

EPSILON = 1e-7
"""Distance of a probability from 0 and 1; a float32 cosine passes 1 by a few of these."""


class SegmentationSyncNet(nn.Module):
    """Embed masks and speech so that the cosine tells whether they are in sync.

    Every layer, the last included, ends in a ReLU: no embedding is negative, so the cosine is in
    [0, 1] as equation 4 needs.

    Paper: layers not given ("from [24]"); ours: Wav2Lip's, with more halvings for larger masks and
    padding that keeps their sides powers of two.

    Args:
        num_regions: R of the masks given.
        size: width W of the masks inside the network; masks of a larger side are averaged down to
            it. The lower half is ``size // 2`` high. 64, 96, 128, 256 or 512.
        num_frames: T.
        width: multiplies every channel count (rounded to multiples of 8), the embeddings' 512
            included.
        regions: labels of the regions to look at; None looks at all.
        norm: ``"batch"`` or ``"group"``.

    Attributes:
        embedding_dim: D.

    Raises:
        ValueError: a size whose lower half does not halve down to 3 or 4 rows, or labels outside
            the scheme.

    Source: section 3.2, SyncNet loss; Prajwal et al. 2020 (Wav2Lip).
    """

    def __init__(
        self,
        *,
        num_regions: int = 12,
        size: int = 256,
        num_frames: int = 5,
        width: float = 1.0,
        regions: Sequence[int] | None = None,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        if regions is not None and not all(0 <= label < num_regions for label in regions):
            raise ValueError(f"regions: expected labels 0..{num_regions - 1}, got {tuple(regions)}")
        self.num_regions = num_regions
        self.size = size
        self.num_frames = num_frames
        self.regions = None if regions is None else tuple(regions)
        self.embedding_dim = scale_width(512, width)
        num_planes = num_frames * (num_regions if regions is None else len(regions))
        self.mask_encoder = make_face_tower(num_planes, size, width=width, norm=norm)
        self.audio_encoder = make_mel_tower(
            [scale_width(channels, width) for channels in MEL_WIDTHS],
            out_dim=self.embedding_dim,
            num_last_residuals=2,
            norm=norm,
        )
        # Channels last: half again as fast on a CPU, and what bfloat16 on a GPU wants.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, mask: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Embed both sides.

        Args:
            mask: ``B T R h W``: the lower halves (``h = W / 2``) of T one-hot or softmax masks.
            mel: ``B 80 16``: the mel window of the T frames.

        Returns:
            Mask embedding and audio embedding, each ``B D`` in float32, not negative, of length 1.

        Raises:
            ValueError: shapes that do not fit.
        """
        return self.embed_mask(mask), self.embed_audio(mel)

    def embed_mask(self, mask: Tensor) -> Tensor:
        """Embed lower halves ``B T R h W`` as ``B D`` of length 1."""
        planes = self.shrink(mask)
        if self.regions is not None:
            planes = planes[:, :, list(self.regions)]
        return unit_length(self.mask_encoder(planes.flatten(1, 2)))

    def shrink(self, mask: Tensor) -> Tensor:
        """Average masks ``B T R h W`` down to the width of the network, ``B T R size/2 size``.

        Raises:
            ValueError: no lower halves of one of the widths allowed.
        """
        size = check_shape(
            mask, f"B T={self.num_frames} R={self.num_regions} h W", name="lower-half mask"
        )
        if size["W"] != 2 * size["h"] or size["W"] % self.size:
            raise ValueError(
                f"lower-half mask: expected height W/2 and a width that is a multiple of "
                f"{self.size}, got {size['h']} x {size['W']}; give the lower half only"
            )
        # Averaging (not picking) pixels keeps thin lips visible and lets gradients through.
        small = functional.avg_pool2d(mask.flatten(1, 2), size["W"] // self.size)
        return small.unflatten(1, mask.shape[1:3])

    def embed_audio(self, mel: Tensor) -> Tensor:
        """Embed mel windows ``B 80 16`` as ``B D`` of length 1."""
        check_shape(mel, "B 80 16", name="mel")
        return unit_length(self.audio_encoder(mel.unsqueeze(1)))


def sync_probability(mask_embedding: Tensor, audio_embedding: Tensor) -> Tensor:
    """Turn two embeddings into the probability that they are in sync (eq. 3).

    Computed in float32 whatever the precision around it, and kept inside (0, 1) so that a logarithm
    is finite.

    Args:
        mask_embedding: ``B D`` of length 1.
        audio_embedding: ``B D`` of length 1.

    Returns:
        ``B`` in [1e-7, 1 - 1e-7].
    """
    with torch.autocast(mask_embedding.device.type, enabled=False):
        cosine = (mask_embedding.float() * audio_embedding.float()).sum(-1)
        return cosine.clamp(EPSILON, 1 - EPSILON)


def unit_length(features: Tensor) -> Tensor:
    """Flatten ``B D 1 1`` and scale to length 1 (the denominator of eq. 3)."""
    return functional.normalize(features.flatten(1).float(), dim=1)
