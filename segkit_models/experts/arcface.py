"""ArcFace's face recognition network IR-SE-50, the paper's measure of identity."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import check_shape
from segkit.weights import load_weights
from segkit_models.layers.face_backbone import UNITS, WIDTH, make_stages, make_stem, stage_maps


class IRSE50(nn.Module):
    """Embed a face so that the angle between two faces tells whether they are one person.

    Args:
        weights: a file made by `segkit convert irse50`; random weights when not given.
        width: channels of the stem and of the four stages.
        units: residual units per stage.
        dim: width D of the embedding.
        input_size: side of the face inside the network, a multiple of 16.

    Source:
        Section 3.3, eq. 10; ArcFace (Deng et al. 2019) as in InsightFace_Pytorch, whose
        ``model_ir_se50.pth`` pSp and E4S use.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        width: tuple[int, int, int, int, int] = WIDTH,
        units: tuple[int, int, int, int] = UNITS,
        dim: int = 512,
        input_size: int = 112,
    ) -> None:
        super().__init__()
        if input_size < 16 or input_size % 16:
            raise ValueError(f"input_size: expected a multiple of 16, got {input_size}")
        self.input_size = input_size
        self.stem = make_stem(width)
        self.stages = make_stages(width, units)
        self.embed = nn.Sequential(
            nn.BatchNorm2d(width[4]),
            nn.Dropout(0.6),
            nn.Flatten(),
            nn.Linear(width[4] * (input_size // 16) ** 2, dim),
            nn.BatchNorm1d(dim),
        )
        if weights is not None:
            load_weights(self, weights)

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the map at the end of each of the four stages, then the embedding ``B D``.

        These are the five levels of E4S's identity loss.

        Args:
            image: the face alone, ``B 3 H W`` in [-1, 1], eyes and mouth where ArcFace has them;
                another size is averaged to 112 px.
        """
        check_shape(image, "B 3 H W", name="image")
        # Leaves a face of the right size as it is.
        image = functional.adaptive_avg_pool2d(image, self.input_size)
        maps = stage_maps(self.stem, self.stages, image)
        return [*maps, functional.normalize(self.embed(maps[-1]))]

    def forward(self, image: Tensor) -> Tensor:
        """Return the embedding ``B D``, of length 1, of a face ``B 3 H W`` in [-1, 1]."""
        return self.features(image)[-1]
