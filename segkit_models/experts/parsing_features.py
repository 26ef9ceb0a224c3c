"""The encoder of a U-Net face parser, whose features the parsing loss compares."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.weights import read_tensors

_LEVELS = ("conv1", "conv2", "conv3", "conv4", "center")


class ParsingFeatures(nn.Module):
    """Five levels of a U-Net parser's encoder, each two 3 x 3 convolutions.

    Args:
        weights: ``model.pth`` of CelebAMask-HQ's parser (non-commercial research licence), or its
            conversion to safetensors; random weights when not given.
        width: channels of the first level, doubled at each of the next.
        size: side the image is pooled to.

    Source:
        Section 3.3, eq. 11: "the pre-trained face parser used in [17]"; layout: CelebAMask-HQ (Lee
        et al. 2020).
    """

    def __init__(
        self, weights: str | Path | None = None, *, width: int = 16, size: int = 512
    ) -> None:
        super().__init__()
        self.size = size
        in_channels = 3
        self.levels = nn.ModuleList()
        for index in range(len(_LEVELS)):
            out_channels = width * 2**index
            self.levels.append(
                nn.Sequential(
                    nn.Conv2d(in_channels, out_channels, 3, padding=1),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(),
                    nn.Conv2d(out_channels, out_channels, 3, padding=1),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(),
                )
            )
            in_channels = out_channels
        if weights is not None:
            self.load_state_dict(from_celebamask_hq(read_tensors(weights)))

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the five maps, finest first.

        Args:
            image: ``B 3 H W`` in [-1, 1].
        """
        check_shape(image, "B 3 H W", name="image")
        x = (
            functional.adaptive_avg_pool2d(image, self.size)
            if image.shape[-1] > self.size
            else image
        )
        maps: list[Tensor] = []
        for level in self.levels:
            x = level(functional.max_pool2d(x, 2) if maps else x)
            maps.append(x)
        return maps


def from_celebamask_hq(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the encoder of CelebAMask-HQ's parser to ours; the decoder is left out.

    Args:
        state: its state dict, with or without the ``module.`` of parallel training.
    """
    renamed = {}
    for key, value in state.items():
        level, _, rest = key.removeprefix("module.").partition(".")
        if level in _LEVELS:
            block, layer, name = rest.split(".")
            index = int(layer) + 3 * (int(block[-1]) - 1)
            renamed[f"levels.{_LEVELS.index(level)}.{index}.{name}"] = value
    return renamed
