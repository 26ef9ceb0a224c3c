"""One training step of TSG and of SGI, in one of several processes: weights before and after.

Run by test_training_in_two_processes.py: ``two_processes.py OUT RANK NUM_PROCESSES``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed

from segkit.engine.optim import AutocastOptimWrapper, OptimisersOfModules
from segkit.engine.replicas import Replica
from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.talking.sgi import SGI
from segkit_models.talking.tsg import TSG

REGIONS, SAMPLES, SIDE = 4, 8, 32
SGD = {"type": AutocastOptimWrapper, "optimizer": {"type": "SGD", "lr": 1.0}}


def labels(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Blocks of labels; even samples have no region 3 at all, odd ones no region 0."""
    coarse = torch.randint(REGIONS - 1, (SAMPLES, *shape, 4, 4), generator=generator)
    coarse[1::2] += 1
    return coarse.byte().repeat_interleave(SIDE // 4, -1).repeat_interleave(SIDE // 4, -2)


def tsg() -> tuple[TSG, dict[str, torch.Tensor]]:
    """Group norm: a batch norm sees its own process's half, and must differ."""
    model = TSG(
        dict(type="MelCNN", out_dim=8, widths=(8, 8, 8, 8, 8), norm="group"),
        dict(
            type="UNetMaskDecoder", num_regions=REGIONS, size=SIDE, audio_dim=8, width=0.02,
            norm="group",
        ),
        num_regions=REGIONS,
        class_weights=(0.5, 1.0, 1.0, 2.0),
    )  # fmt: skip
    random = torch.Generator().manual_seed(3)
    batch = dict(
        masks=labels(random, 5),
        reference=labels(random),
        waveform=torch.randn(SAMPLES, 640 * 15, generator=random) * 0.1,
    )
    return model, batch


def sgi() -> tuple[SGI, dict[str, torch.Tensor]]:
    """With the discriminator's step and its gradient penalty."""
    encoder = dict(
        type="FPNRegionEncoder", num_regions=REGIONS, num_layers=8, style_dim=8, input_size=SIDE,
        width=(8, 8, 8, 8, 8), units=(1, 1, 1, 1), fpn_dim=8, norm="group",
    )  # fmt: skip
    generator = dict(
        type="RegionStyleGAN2", size=SIDE, num_regions=REGIONS, style_dim=8, channels=(8, 8, 8, 8),
        num_masked_layers=5,
    )  # fmt: skip
    critic = StyleGAN2Discriminator(size=SIDE, channels=(8, 8, 8, 8))
    model = SGI(
        encoder, generator, discriminator=critic, discriminator_interval=1, penalty_gamma=1.0
    )
    random = torch.Generator().manual_seed(4)
    mask, target = labels(random), labels(random)
    colours = torch.randint(256, (REGIONS, 3), generator=random, dtype=torch.uint8)
    image, drawn = (
        colours[each.long()].permute(0, 3, 1, 2).contiguous() for each in (mask, target)
    )
    return model, dict(image=image, mask=mask, target_image=drawn, target_mask=target)


def main(out: Path, rank: int, num_processes: int) -> None:
    """Train one step of each on this process's samples, and store what changed."""
    if num_processes > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{out}/meet", rank=rank, world_size=num_processes
        )
    changes = {}
    for name, make in (("tsg", tsg), ("sgi", sgi)):
        torch.manual_seed(rank)  # the replicas start equal all the same
        groups = {"generator": {"modules": ("region_encoder", "generator"), **SGD}}
        config = SGD if name == "tsg" else {**groups, "discriminator": SGD}
        model, batch = make()
        model = Replica(model).train()
        before = {key: value.detach().clone() for key, value in model.module.named_parameters()}
        # As SeekableSampler deals: process r of n takes the samples r, r + n, ...
        own = {key: value[rank::num_processes] for key, value in batch.items()}
        model.train_step(own, OptimisersOfModules(config)(model))
        after = dict(model.module.named_parameters())
        changes[name] = {key: before[key] - after[key].detach() for key in before}
    torch.save(changes, out / f"rank_{rank}_of_{num_processes}.pth")
    if num_processes > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
