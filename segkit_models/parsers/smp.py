"""Face parsers out of segmentation-models-pytorch: any of its architectures and encoders."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.registry import PARSERS
from segkit_models.layers.imagenet import normalise_as_imagenet
from segkit_models.layers.smp_network import MULTIPLE, make_smp_network


@PARSERS.register
class SmpParser(nn.Module):
    """Parse a face by an encoder-decoder of segmentation-models-pytorch, trained by oneself.

    Args:
        num_regions: R.
        architecture: class of the library: ``"Unet"``, ``"DeepLabV3Plus"``, ``"Segformer"``, ...
        encoder: its backbone: ``"resnet34"``, ``"mit_b0"``, ``"tu-convnext_tiny"``, ...
        encoder_weights: name of pretrained weights, such as ``"imagenet"``, which the library
            fetches from the network; None fetches nothing.

    Raises:
        ValueError: no such architecture or encoder.

    Source: Iakubovskii 2019 (segmentation-models-pytorch). Paper: BiSeNet.
    """

    # A finished model does without it: bundles and checkpoints hold the weights.
    only_training = ("encoder_weights",)

    def __init__(
        self,
        *,
        num_regions: int = 12,
        architecture: str = "Unet",
        encoder: str = "resnet34",
        encoder_weights: str | None = None,
    ) -> None:
        super().__init__()
        self.num_regions = num_regions
        self.network = make_smp_network(
            architecture,
            encoder,
            in_channels=3,
            num_classes=num_regions,
            encoder_weights=encoder_weights,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Parse a batch.

        Args:
            image: ``B 3 H W`` in [-1, 1], any size; it is padded by its edge to a multiple of 32.

        Returns:
            Logits ``B R H W``.
        """
        size = check_shape(image, "B 3 H W", name="image")
        padding = (0, -size["W"] % MULTIPLE, 0, -size["H"] % MULTIPLE)
        image = functional.pad(normalise_as_imagenet(image), padding, mode="replicate")
        return self.network(image)[..., : size["H"], : size["W"]]
