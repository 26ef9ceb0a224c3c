"""One small network per region, from a style vector to style codes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from segkit_models.layers.equalised import RegionLinear


class RegionMLP(nn.Module):
    """Two linear layers per region, from a style vector to the codes of all layers (eq. 7).

    Paper: one MLP or one per region, not said; ours: one per region, as E4S.

    Args:
        num_regions: R.
        vector_dim: width V of a style vector.
        style_dim: width D of a code.
        num_coded_layers: layers that get a code of their own.
    """

    def __init__(
        self, num_regions: int, *, vector_dim: int, style_dim: int, num_coded_layers: int
    ) -> None:
        super().__init__()
        self.hidden = RegionLinear(num_regions, vector_dim, style_dim)
        self.out = RegionLinear(num_regions, style_dim, style_dim * num_coded_layers)
        self.num_coded_layers = num_coded_layers

    def forward(self, vectors: Tensor) -> Tensor:
        """Map ``B R V`` to ``B R num_coded_layers D``."""
        codes = self.out(functional.leaky_relu(self.hidden(vectors), 0.01))
        return codes.unflatten(2, (self.num_coded_layers, -1))
