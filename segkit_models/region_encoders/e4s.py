"""E4S' region encoder: a wide face backbone, mean of every region at three scales, one MLP each."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from segkit.registry import REGION_ENCODERS
from segkit.weights.fitting import misfits
from segkit_models.layers.face_backbone import UNITS, make_stages, make_stem, stage_maps
from segkit_models.layers.residual_se import NormName
from segkit_models.region_encoders.pooled import PooledRegionEncoder
from segkit_models.region_encoders.region_mlp import RegionMLP


@REGION_ENCODERS.register
class E4SRegionEncoder(PooledRegionEncoder):
    """Encode the look of every region of a face as one style code per generator layer.

    The last three stages of the backbone are averaged inside each region as they are, without a
    pyramid, and the averages are concatenated to a style vector: what E4S swaps between people.
    Twice as wide as ArcFace's IR-SE-50 and without batch statistics, so weights of that do not fit.

    Args:
        weights: a file made by ``segkit convert e4s``, for as many layers or more; random weights
            when not given.
        num_regions: R.
        num_layers: L, ``2 log2(size) - 2`` of the generator; 18 at 1024 px, 16 at 512.
        style_dim: width D of the codes.
        input_size: side the image is resized to; the three maps are 1/4, 1/8 and 1/16 of it.
        width: channels of the stem and of the four stages; a style vector is as wide as the last
            three together.
        units: residual units per stage.
        num_coded_layers: layers that get a code from the network, the rest the average latent.
            Paper: not given; ours: 13, as E4S.
        norm: ``"instance"`` (E4S), ``"batch"`` or ``"group"``.

    Raises:
        ValueError: a number of layers that does not fit.

    Source:
        E4S (Liu et al. 2023), which section 3.3 of the paper cites for eq. 5-7.
    """

    mlp: RegionMLP

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        num_regions: int = 12,
        num_layers: int = 16,
        style_dim: int = 512,
        input_size: int = 256,
        width: tuple[int, ...] = (64, 128, 256, 512, 512),
        units: tuple[int, ...] = UNITS,
        num_coded_layers: int = 13,
        norm: NormName = "instance",
    ) -> None:
        super().__init__(
            num_regions=num_regions,
            num_layers=num_layers,
            style_dim=style_dim,
            input_size=input_size,
            vector_dim=sum(width[2:]),
        )
        self.stem = make_stem(width, norm=norm)
        self.stages = make_stages(width, units, norm=norm)
        self.add_codes(num_coded_layers)
        if weights is not None:
            from segkit.weights import load_component, load_weights

            whole = load_component(weights, "encoder")
            if isinstance(whole, E4SRegionEncoder) and whole.num_layers > num_layers:
                self._load_first_layers(whole)
            else:
                load_weights(self, weights, part="encoder")

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps that are averaged: 1/4, 1/8 and 1/16 of ``input_size``.

        Args:
            image: ``B 3 H W`` in [-1, 1], any size.
        """
        _, fine, medium, coarse = stage_maps(self.stem, self.stages, self.resized(image))
        return fine, medium, coarse

    def _load_first_layers(self, whole: E4SRegionEncoder) -> None:
        """Take the weights of an encoder for a larger generator; its last layers are left out."""
        state = whole.state_dict()
        state["latent_average"] = state["latent_average"][: self.num_layers]
        rows = min(whole.mlp.num_coded_layers, self.num_layers) * whole.style_dim
        for key in ("mlp.out.weight", "mlp.out.bias"):
            state[key] = state[key][:, :rows]
        wrong = misfits(self.state_dict(), state)
        if wrong:
            raise ValueError(
                f"weights: the first {self.num_layers} layers of the file's {whole.num_layers} "
                f"differ from this encoder in {len(wrong)} tensors\n  " + "\n  ".join(wrong[:5])
            )
        self.load_state_dict(state)
