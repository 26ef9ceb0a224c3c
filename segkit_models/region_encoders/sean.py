"""SEAN's region encoder: five convolutions and the mean of every region, at half the size."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from segkit.registry import REGION_ENCODERS
from segkit_models.layers.equalised import SLOPE
from segkit_models.layers.residual_se import InstanceNorm
from segkit_models.region_encoders.pooled import PooledRegionEncoder


@REGION_ENCODERS.register
class SEANRegionEncoder(PooledRegionEncoder):
    """Encode the look of every region of a face, from pixels near to each other only.

    Args:
        weights: a file made by ``segkit convert sean``; random weights when not given.
        num_regions: R.
        num_layers: L. 1 gives the means themselves, which ``SEANGenerator`` takes; more map them to
            a code per layer of a StyleGAN2 generator.
        style_dim: width D of the codes.
        input_size: side the image is resized to, even; the map that is averaged is half of it.
        width: channels of the first convolution.
        mlp: map the means to codes by one network per region; needed where L is not 1.

    Raises:
        ValueError: several layers without ``mlp``.

    Source:
        SEAN (Zhu et al. 2020), section 3.1; the mapping to codes: eq. 7.
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        num_regions: int = 12,
        num_layers: int = 1,
        style_dim: int = 512,
        input_size: int = 256,
        width: int = 32,
        mlp: bool = False,
    ) -> None:
        if num_layers != 1 and not mlp:
            raise ValueError(
                f"num_layers: expected 1, the means as they are, got {num_layers}; set mlp=True "
                "for a code per layer"
            )
        super().__init__(
            num_regions=num_regions,
            num_layers=num_layers,
            style_dim=style_dim,
            input_size=input_size,
            vector_dim=style_dim,
        )
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(3, width, 3, padding=1, padding_mode="reflect"),
                nn.Conv2d(width, 2 * width, 3, 2, padding=1),
                nn.Conv2d(2 * width, 4 * width, 3, 2, padding=1),
                nn.ConvTranspose2d(4 * width, 8 * width, 3, 2, padding=1, output_padding=1),
            ]
        )
        self.norms = nn.ModuleList(InstanceNorm(factor * width) for factor in (1, 2, 4, 8))
        self.out = nn.Conv2d(8 * width, style_dim, 3, padding=1, padding_mode="reflect")
        self.add_codes(num_layers if mlp else None)
        if weights is not None:
            from segkit.weights import load_weights

            load_weights(self, weights)

    def features(self, image: Tensor) -> tuple[Tensor]:
        """Return the map that is averaged, ``B D input_size/2 input_size/2`` in [-1, 1].

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.
        """
        x = self.resized(image)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.leaky_relu(norm(conv(x)), SLOPE)
        return (self.out(x).tanh(),)
