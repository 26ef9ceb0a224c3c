"""TSG's generator: a U-Net from two masks and a speech embedding to the talking segmentation."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import MASK_DECODERS
from segkit_models.layers.checkpointing import run_part
from segkit_models.layers.convolution import ConvBlock, NormName, UpBlock, scale_width
from segkit_models.layers.skip_ladder import (
    DECODER_WIDTHS,
    ENCODER_WIDTHS,
    make_decoder,
    make_encoder,
)

_BOTTLENECK = 4
"""Side of the map that one last convolution closes to a single vector."""

_DECODER = {"A": DECODER_WIDTHS, "B": (*DECODER_WIDTHS[1:], 32)}


class PreparedMasks(NamedTuple):
    """What a decoder knows of two masks before anything is said.

    Attributes:
        kernels: for every block that begins with a skip, its kernel's part for what the speech
            grew.
        sums: what the skip and the bias add to that, ``B O H W``.
    """

    kernels: list[Tensor]
    sums: list[Tensor]


@MASK_DECODERS.register
class UNetMaskDecoder(nn.Module):
    """Both masks down to a vector, joined there by speech, and up again with skips.

    Paper: layers not given (supplement unavailable); ours: Wav2Lip's ladder grown to the mask's
    size, its ``3 x 3`` bottleneck made ``4 x 4`` for sides that are powers of two.

    Args:
        num_regions: R.
        size: side of the masks, a power of two from 32.
        audio_dim: D, width of the speech embedding.
        variant: ``"A"`` keeps Wav2Lip's widths near the output; ``"B"`` halves them, for 40 % of
            the work.
        width: multiplies every channel count (rounded to multiples of 8).
        norm: ``"batch"`` or ``"group"``. Group norm keeps what all frames have in common, and the
            speech drowns in it: before training, another sound moves the logits a quarter as far
            as with batch norm, and small decoders never begin to listen.
        checkpoint_activations: in training keep the maps between the blocks alone, and make those
            inside again in the backward pass: up to a third more work, gradients equal.

    Raises:
        ValueError: a size that is no power of two from 32, or an unknown variant.

    Source: section 3.2; Prajwal et al. 2020 (Wav2Lip).
    """

    # Changes no result: bundles leave this argument out.
    only_training = ("checkpoint_activations",)

    def __init__(
        self,
        *,
        num_regions: int = 12,
        size: int = 512,
        audio_dim: int = 512,
        variant: Literal["A", "B"] = "B",
        width: float = 1.0,
        norm: NormName = "batch",
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        if size < 32 or size & (size - 1):
            raise ValueError(f"size: expected a power of two from 32, got {size}")
        if variant not in _DECODER:
            raise ValueError(f"variant: expected 'A' or 'B', got {variant!r}")
        self.num_regions = num_regions
        self.size = size
        self.audio_dim = audio_dim
        self.checkpoint_activations = checkpoint_activations

        num_halvings = int(math.log2(size // _BOTTLENECK))
        base = scale_width(16, width)
        encoder = [scale_width(channels, width) for channels in ENCODER_WIDTHS[:num_halvings]]
        vector = scale_width(512, width)
        decoder = [
            scale_width(channels, width) for channels in _DECODER[variant][-num_halvings - 1 :]
        ]

        self.mask_encoder_blocks = make_encoder(
            2 * num_regions, base, encoder, vector, bottleneck=_BOTTLENECK, norm=norm
        )
        self.mask_decoder_blocks = make_decoder(
            audio_dim,
            vector,
            decoder,
            [*encoder[::-1], base],
            bottleneck=_BOTTLENECK,
            full_residuals=1 if variant == "B" else 2,
            norm=norm,
        )
        top = scale_width(32, width)
        self.output_block = nn.Sequential(
            ConvBlock(decoder[-1] + base, top, norm=norm), nn.Conv2d(top, num_regions, 1)
        )
        # Channels last: half again as fast on a CPU, and what bfloat16 on a GPU wants.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self, pose: Tensor, reference: Tensor, audio: Tensor, *, first_row: int = 0
    ) -> Tensor:
        """Predict the mask of a talking face.

        Args:
            pose: ``B R H W``, one-hot mask whose lower half is all zero.
            reference: ``B R H W``, one-hot mask of another frame of the same person.
            audio: ``B D``, speech at the frame.
            first_row: of the logits that are wanted; those above are zero. On the way up only the
                rows that the wanted ones depend on are worked out, but with group norm or in
                training, where all rows depend on all.

        Returns:
            Logits ``B R H W``.

        Raises:
            ValueError: shapes that do not fit the decoder or one another.
        """
        return self.decode(self.encode(pose, reference), audio, first_row=first_row)

    @torch.no_grad()
    def shift_logits(self, offsets: Tensor) -> None:
        """Add a number per region (``R``) to all logits from now on."""
        check_shape(offsets, f"R={self.num_regions}", name="offsets")
        last = self.output_block[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.bias += offsets

    def encode(self, pose: Tensor, reference: Tensor) -> list[Tensor]:
        """Reduce both masks to feature maps, finest first; the last is ``B C 1 1``."""
        side = self.size
        pattern = f"B R={self.num_regions} H={side} W={side}"
        check_shape(pose, pattern, name="pose")
        check_shape(reference, pattern, name="reference")
        first, *others = self.mask_encoder_blocks
        features = [self._run(first, pose, reference)]
        for block in others:
            features.append(self._run(block, features[-1]))
        return features

    def prepare(self, pose: Tensor, reference: Tensor) -> PreparedMasks:
        """Do all that speech has no part in, for masks that stay the same, as a portrait's do.

        The encoder is run; and of every convolution that sees a skip beside what the speech grew,
        the skip's share of the sum is made.

        Args:
            pose: ``B R H W``, see ``forward``.
            reference: ``B R H W``.
        """
        features, kernels, sums = self.encode(pose, reference), [], []
        for block, skip in zip(self._joining_blocks(), reversed(features), strict=True):
            convolution = _first_convolution(block)
            axis = int(isinstance(convolution, nn.Conv2d))
            sizes = [convolution.in_channels - skip.shape[1], skip.shape[1]]
            own, shared = convolution.weight.split(sizes, dim=axis)
            kernels.append(own.contiguous(memory_format=torch.channels_last))
            sums.append(_share(convolution, skip, shared, convolution.bias))
        return PreparedMasks(kernels, sums)

    def decode_prepared(
        self, prepared: PreparedMasks, audio: Tensor, *, first_row: int = 0
    ) -> Tensor:
        """Grow the logits ``B R H W`` from speech ``B D`` and what `prepare` made, of batch B or 1.

        Equal to ``forward`` but for the order of its sums.
        """
        check_shape(audio, f"B D={self.audio_dim}", name="audio")
        x, top = self.mask_decoder_blocks[0](audio[:, :, None, None]), 0
        joined = zip(self._joining_blocks(), self._entries(first_row), *prepared, strict=True)
        for block, entry, kernel, known in joined:
            convolution = _first_convolution(block)
            x, top = _share(convolution, x[:, :, entry - top :], kernel, None), _grown(block, entry)
            x = nn.functional.relu(_first_layers(block)[1](x + known[:, :, top:]), inplace=True)
            x = block[1:](x)
        return _from_row(first_row, x, top)

    def _joining_blocks(self) -> list[nn.Sequential]:
        """Return the blocks that begin with a skip, deepest first."""
        blocks = [*self.mask_decoder_blocks[1:], self.output_block]
        return [cast(nn.Sequential, block) for block in blocks]

    def decode(self, features: list[Tensor], audio: Tensor, *, first_row: int = 0) -> Tensor:
        """Grow the logits ``B R H W`` from speech ``B D`` and the maps of `encode`."""
        check_shape(audio, f"B D={self.audio_dim}", name="audio")
        x, top = self._run(self.mask_decoder_blocks[0], audio[:, :, None, None]), 0
        joined = zip(
            self._joining_blocks(), self._entries(first_row), reversed(features), strict=True
        )
        for block, entry, skip in joined:
            x = self._run(block, x[:, :, entry - top :], skip[:, :, entry:])
            top = _grown(block, entry)
        return _from_row(first_row, x, top)

    def _entries(self, first_row: int) -> list[int]:
        """Return the first row that each joining block needs of its input, deepest first.

        A 3 x 3 convolution needs a row above, a doubling none. Where a map is cut, the convolution
        sees zeros in its place; what that spoils is above the rows of the next block.
        """
        if not 0 <= first_row < self.size:
            raise ValueError(f"first_row: expected 0 to {self.size - 1}, got {first_row}")
        blocks = self._joining_blocks()
        if self.training or any(isinstance(part, nn.GroupNorm) for part in self.modules()):
            return [0] * len(blocks)
        needed, entries = first_row, []
        for block in reversed(blocks):
            num_around = sum(isinstance(layer, ConvBlock) for layer in block)
            needed = max(0, needed - num_around)
            if isinstance(block[0], UpBlock):
                # Of the vector, which one convolution opens to a map, there is a single row.
                needed = needed // 2 if _first_convolution(block).stride == (2, 2) else 0
            entries.append(needed)
        return entries[::-1]

    def _run(self, block: nn.Module, *maps: Tensor) -> Tensor:
        """Run a block on joined maps, of which no joined copy is kept where maps are forgotten."""
        return run_part(
            block,
            lambda *maps: block(maps[0] if len(maps) == 1 else torch.cat(maps, dim=1)),
            *maps,
            forget=self.checkpoint_activations and self.training,
        )


def _grown(block: nn.Sequential, row: int) -> int:
    """Return where a row of a block's input begins in its output."""
    return 2 * row if isinstance(block[0], UpBlock) else row


def _from_row(first_row: int, x: Tensor, top: int) -> Tensor:
    """Give a map that begins with row ``top`` its place again, zero above ``first_row``."""
    if first_row == 0:
        return x
    return nn.functional.pad(x[:, :, first_row - top :], (0, 0, first_row, 0))


def _first_convolution(block: nn.Sequential) -> nn.Conv2d | nn.ConvTranspose2d:
    return cast("nn.Conv2d | nn.ConvTranspose2d", _first_layers(block)[0])


def _first_layers(block: nn.Sequential) -> nn.Sequential:
    """Return the convolution and the norm that a block begins with."""
    first = cast("ConvBlock | UpBlock", block[0])
    return first.conv_block


def _share(
    convolution: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, kernel: Tensor, bias: Tensor | None
) -> Tensor:
    """Convolve some of the input's channels, by their part of the kernel."""
    stride, padding = convolution.stride, convolution.padding
    assert not isinstance(padding, str)
    if isinstance(convolution, nn.Conv2d):
        return nn.functional.conv2d(x, kernel, bias, stride, padding)
    return nn.functional.conv_transpose2d(
        x, kernel, bias, stride, padding, convolution.output_padding
    )
