"""The transformer of wav2vec 2.0's kind: convolutional positions, then pre-norm layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PositionalConv(nn.Module):
    """Tell every step where it is by a wide grouped convolution over its surroundings.

    The published networks keep this weight as a length and a direction per tap (weight norm over
    the first two axes). Here it is one plain tensor, folded at conversion: the layer is never
    trained alone, so the split would only cost time and two hooks in each copy.

    Args:
        dim: E, channels.
        kernel_size: steps that it sees.
        groups: of the channels.
    """

    def __init__(self, dim: int, *, kernel_size: int = 128, groups: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to ``B T E``, of the same shape."""
        # An even kernel, padded by its half, answers one step too many.
        found = self.conv(x.transpose(1, 2))[..., : x.shape[1]]
        return functional.gelu(found).transpose(1, 2)


class SelfAttention(nn.Module):
    """Let every step gather from all steps.

    Args:
        dim: E.
        num_heads: divides E.
        dropout: of the attention, in training.
    """

    def __init__(self, dim: int, *, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return ``B T E``; ``mask`` (``B 1 1 T``, bool) is True where a step may be seen."""

        def heads(projection: nn.Module) -> Tensor:
            return projection(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

        gathered = functional.scaled_dot_product_attention(
            heads(self.query), heads(self.key), heads(self.value), attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
        )  # fmt: skip
        return self.output(gathered.transpose(1, 2).flatten(2))


class TransformerLayer(nn.Module):
    """Attention and two linear layers, each normalised before it and added to its input.

    Args:
        dim: E.
        num_heads: of the attention.
        ff_dim: width between the linear layers.
        dropout: in training.
    """

    def __init__(self, dim: int, *, num_heads: int, ff_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, num_heads=num_heads, dropout=dropout)
        self.ff_norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, ff_dim)
        self.narrow = nn.Linear(ff_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return ``B T E``; see `SelfAttention` for the mask."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        return x + self.dropout(self.narrow(functional.gelu(self.widen(self.ff_norm(x)))))


class SpeechTransformer(nn.Module):
    """Positions, pre-norm layers and a last norm.

    Args:
        dim: E.
        num_layers: of the transformer.
        num_heads: divides E.
        ff_dim: inner width of a layer.
        position_kernel: steps that the positions are told by.
        position_groups: of their convolution.
        dropout: in training.

    Raises:
        ValueError: heads or groups that do not divide the width.

    Source: Baevski et al. 2020 (wav2vec 2.0), in the variant with the norms first.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_layers: int,
        num_heads: int,
        ff_dim: int,
        position_kernel: int = 128,
        position_groups: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, number in (("num_heads", num_heads), ("position_groups", position_groups)):
            if number < 1 or dim % number:
                raise ValueError(f"{name}: expected a divisor of dim={dim}, got {number}")
        self.position = PositionalConv(dim, kernel_size=position_kernel, groups=position_groups)
        self.layers = nn.ModuleList(
            [
                TransformerLayer(dim, num_heads=num_heads, ff_dim=ff_dim, dropout=dropout)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, *, layer: int | None = None
    ) -> Tensor:
        """Relate the steps of sequences to each other.

        Args:
            x: ``B T E``.
            lengths: ``B``, steps that count; what lies behind them is padding and changes nothing.
            layer: stop after this layer, counted from 1, without the last norm; None runs all.

        Returns:
            ``B T E``; of no meaning in the padding.
        """
        mask = None
        if lengths is not None:
            inside = torch.arange(x.shape[1], device=x.device) < lengths.to(x.device)[:, None]
            x = x * inside[..., None]
            mask = inside[:, None, None]
        x = x + self.position(x)
        for block in self.layers[:layer]:
            x = block(x, mask)
        return self.norm(x) if layer is None else x
