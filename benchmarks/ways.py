"""Three ways to make a frame of a talking face: ours, regions one by one, Wav2Lip restored.

All weights are random: this is about cost. So that masks look like masks all the same, the speaking
mask is the reference's, after a mask decoder of full size has run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.contestants import face_mask
from benchmarks.reference_loop import draw_by_loop
from benchmarks.restoration import Restoration
from segkit.talk.bundle import Bundle, new_bundle
from segkit.talk.masks import to_pixels
from segkit_models.baselines.wav2lip import Wav2Lip
from segkit_models.generators import RegionStyleGAN2
from segkit_models.parsers import BiSeNet


class Echo(nn.Module):
    """A mask decoder that runs, and then gives back the reference mask.

    Args:
        network: with ``prepare`` and ``decode_prepared``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(
        self, pose: Tensor, reference: Tensor, audio: Tensor, *, first_row: int = 0
    ) -> Tensor:
        """Return logits ``B R H W``."""
        return 20 * reference + 0 * self.network(pose, reference, audio, first_row=first_row)

    def prepare(self, pose: Tensor, reference: Tensor) -> tuple[Any, Tensor]:
        """Do what does not hear the speech."""
        return self.network.prepare(pose, reference), reference

    def decode_prepared(
        self, prepared: tuple[Any, Tensor], audio: Tensor, *, first_row: int = 0
    ) -> Tensor:
        """Do the rest."""
        run = self.network.decode_prepared(prepared[0], audio, first_row=first_row)
        return 20 * prepared[1] + 0 * run


def paper_bundle(*, size: int = 512, masked_layers: int = 13, **small: Any) -> Bundle:
    """Build the model of ``projects/segtalker`` with the exact generator.

    Args:
        size: of the crop and of its masks.
        masked_layers: K of the generator.
        small: part -> arguments of a smaller model.
    """
    num_layers = 2 * size.bit_length() - 4
    parts: dict[str, dict[str, Any]] = {
        "audio_encoder": dict(
            type="Concat", encoders=[dict(type="MelCNN"), dict(type="AVHubert")], out_dim=512
        ),
        "mask_decoder": dict(type="UNetMaskDecoder", size=size, audio_dim=512),
        "region_encoder": dict(type="FPNRegionEncoder", num_layers=num_layers),
        "generator": dict(
            type="RegionStyleGAN2", size=size, num_masked_layers=masked_layers, region_conv="exact"
        ),
    }
    bundle = new_bundle({name: {**part, **small.get(name, {})} for name, part in parts.items()},
                        size=size)  # fmt: skip
    bundle.modules["mask_decoder"] = Echo(bundle.modules["mask_decoder"])
    return bundle


class RegionLoop:
    """Parse every frame, encode its regions, draw them one by one, as E4S edits a film.

    Args:
        encoder: of regions.
        generator: whose weights draw.
        parser: labels the face; what it says is not used.
    """

    def __init__(
        self, encoder: nn.Module, generator: nn.Module, *, parser: nn.Module | None = None
    ) -> None:
        assert isinstance(generator, RegionStyleGAN2)
        self.encoder, self.generator = encoder, generator
        self.parser = BiSeNet(aux_heads=False).eval() if parser is None else parser
        self.mask = face_mask(generator.size).contiguous()

    def draw(self, picture: Tensor) -> Tensor:
        """Redraw pictures ``1 3 S S`` in [-1, 1]."""
        self.parser(picture)
        return draw_by_loop(self.generator, self.encoder(picture, self.mask), self.mask)

    @torch.no_grad()
    def __call__(self, crop: np.ndarray, number: int) -> np.ndarray:
        """Redraw a crop uint8 RGB ``S S 3``."""
        del number
        return to_pixels(self.draw(_picture(crop)))[0]


class RestoredLips:
    """Wav2Lip at 96 px, enlarged and restored, as its users do it.

    Args:
        lips: Wav2Lip.
        restoration: of the crop's size.
        mel: windows ``T 80 16`` of the speech.
    """

    def __init__(self, lips: Wav2Lip, restoration: nn.Module, mel: Tensor) -> None:
        self.lips, self.restoration, self.mel = lips, restoration, mel

    @classmethod
    def of_full_size(cls, mel: Tensor) -> RestoredLips:
        """Build both networks at their published sizes, for crops of 512 px."""
        return cls(Wav2Lip().eval(), Restoration().eval(), mel)

    def draw(self, pixels: Tensor, number: int) -> Tensor:
        """Redraw frame ``number``, uint8 RGB ``1 3 S S``, in [-1, 1]."""
        return self.restoration(self.speak(pixels, number).float() / 127.5 - 1)

    def speak(self, pixels: Tensor, number: int) -> Tensor:
        """Return frame ``number`` before it is restored."""
        return self.lips.predict(pixels, pixels, self.mel[number : number + 1])

    @torch.no_grad()
    def __call__(self, crop: np.ndarray, number: int) -> np.ndarray:
        """Redraw a crop uint8 RGB ``S S 3``."""
        pixels = torch.from_numpy(crop).permute(2, 0, 1)[None]
        return to_pixels(self.draw(pixels, number))[0]


def _picture(crop: np.ndarray) -> Tensor:
    return torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1
