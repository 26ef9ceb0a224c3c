"""The training steps that are counted and timed: the paper's configs, and tiny ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from segkit_models.experts.arcface import IRSE50
from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.experts.parsing_features import ParsingFeatures
from segkit_models.losses import L2, LPIPS, IdentityLoss, ParsingLoss, PyramidL1
from segkit_models.losses.adversarial import generator_adversarial
from segkit_models.talking.sgi import SGI
from segkit_models.talking.tsg import TSG

Batch = dict[str, Tensor]


class Step(NamedTuple):
    """A training step up to its loss; the optimiser is left out.

    Attributes:
        build: makes the model, with random weights.
        batch: makes what the loader gives.
        loss: follows the generator's objective.
        samples: of a batch, as the loader counts them.
    """

    build: Callable[[], Any]
    batch: Callable[[], Batch]
    loss: Callable[[Any, Batch], Tensor]
    samples: int


def steps(*, quick: bool = False) -> dict[str, Step]:
    """Return name -> step: of the paper's sizes, or tiny ones."""
    if quick:
        return {
            "TSG 64, 2 clips of 5": tsg(2, size=64, width=0.1),
            "SGI 32, batch 4": sgi(4, size=32, channels=(8, 8, 8, 8)),
        }
    return {
        "TSG 512, batch 20 (4 clips of 5 frames), cross entropy": tsg(4, sync=False),
        "TSG 512, batch 20 (4 clips of 5 frames), with SyncNet": tsg(4),
        "TSG 512, 20 clips of 5 frames, with SyncNet": tsg(20),
        "SGI 512, batch 4": sgi(4),
        "SGI 1024, batch 4, K 17": sgi(4, size=1024, num_masked_layers=17),
    }


def tsg(clips: int, *, size: int = 512, width: float = 1.0, sync: bool = True) -> Step:
    """Return TSG's step (projects/segtalker/tsg.py; speech by the mel encoder).

    Args:
        clips: B.
        size: side of the masks.
        width: of all networks.
        sync: whether the SyncNet has joined.
    """
    dim = max(8, round(512 * width))
    mel = dict(type="MelCNN", out_dim=dim)
    if width < 1:
        mel |= dict(widths=(8, 8, 8, 8, 8))

    def build() -> nn.Module:
        decoder = dict(type="UNetMaskDecoder", size=size, audio_dim=dim, width=width)
        expert = dict(num_regions=12, size=min(size, 256), width=width) if sync else None
        return TSG(mel, decoder, class_weights=[1.0] * 12, sync_expert=expert, sync_begin=0)

    def batch() -> Batch:
        return dict(
            masks=torch.zeros(clips, 5, size, size, dtype=torch.uint8),
            reference=torch.zeros(clips, size, size, dtype=torch.uint8),
            waveform=torch.zeros(clips, 3 * 16_000),
        )

    return Step(build, batch, lambda model, batch: model(**batch, mode="loss")["loss"], clips)


def sgi(
    batch: int,
    *,
    size: int = 512,
    channels: tuple[int, ...] | None = None,
    num_masked_layers: int = 13,
) -> Step:
    """Return SGI's step for the generator (projects/segtalker/sgi.py), the discriminator frozen.

    Args:
        batch: B.
        size: side of the image and of its mask.
        channels: of a tiny step; StyleGAN2's when not given.
        num_masked_layers: K.
    """
    tiny = channels is not None
    num_layers, dim = 2 * (size.bit_length() - 2), 8 if tiny else 512

    def build() -> nn.Module:
        encoder = dict(type="FPNRegionEncoder", num_layers=num_layers, style_dim=dim)
        if tiny:
            encoder |= dict(input_size=32, width=(8,) * 5, units=(1,) * 4, fpn_dim=8)
        generator = dict(
            type="RegionStyleGAN2", size=size, style_dim=dim, channels=channels,
            num_masked_layers=num_masked_layers, random_noise=True,
        )  # fmt: skip
        critic = StyleGAN2Discriminator(size=size, **({"channels": channels} if tiny else {}))
        losses: dict[str, nn.Module | dict[str, Any] | None] = dict(l2=L2(), pyramid=PyramidL1())
        if not tiny:
            losses = dict(
                l2=L2(),
                lpips=LPIPS(),
                identity=IdentityLoss(IRSE50()),
                parsing=ParsingLoss(ParsingFeatures()),
            )
        model = SGI(encoder, generator, discriminator=critic, losses=losses, average_decay=0)
        model.discriminator.requires_grad_(False)
        return model

    def loss(model: Any, batch: Batch) -> Tensor:
        fake, target = model(**batch).float(), batch["target_image"].float() / 127.5 - 1
        with torch.autocast("cpu", enabled=False):
            terms = [term(fake, target) for term in model.losses.values()]
        terms.append(generator_adversarial(model.discriminator(fake).float()))
        return torch.stack(terms).sum()

    def make() -> Batch:
        image = torch.zeros(batch, 3, size, size, dtype=torch.uint8)
        mask = torch.zeros(batch, size, size, dtype=torch.uint8)
        return dict(image=image, mask=mask, target_image=image, target_mask=mask)

    return Step(build, make, loss, batch)
