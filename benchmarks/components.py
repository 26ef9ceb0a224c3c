"""Time, work and memory of one full-size forward pass of every component, on this machine's CPU.

Run: ``python benchmarks/components.py [--threads 1] [--only NAME]``. Each component runs in a
process of its own; the memory is the process's peak above what it held with the component built,
and the time the median of three passes after one that warms up. The work is counted, not timed.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Case = tuple[Callable[[], Any], Callable[[], tuple[Any, ...]]]


def cases() -> dict[str, Case]:
    """Return name -> (build the component, make its inputs), at the paper's sizes."""
    import torch

    from segkit_metrics.i3d import I3D
    from segkit_models.audio_encoders import AVHubert, MelCNN, TorchaudioSSL
    from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet
    from segkit_models.experts.arcface import IRSE50
    from segkit_models.experts.discriminator import StyleGAN2Discriminator
    from segkit_models.experts.evaluation_syncnet import EvaluationSyncNet
    from segkit_models.experts.identity import FaceResNet
    from segkit_models.experts.parsing_features import ParsingFeatures
    from segkit_models.experts.syncnet import SegmentationSyncNet
    from segkit_models.generators import RegionStyleGAN2, SEANGenerator, SPADEGenerator
    from segkit_models.mask_decoders import SmpMaskDecoder, UNetMaskDecoder
    from segkit_models.parsers import BiSeNet, SmpParser
    from segkit_models.region_encoders import (
        E4SRegionEncoder,
        FPNRegionEncoder,
        PSPEncoder,
        SEANRegionEncoder,
        TimmFPNRegionEncoder,
    )

    def image(size: int, channels: int = 3) -> torch.Tensor:
        return torch.rand(1, channels, size, size) * 2 - 1

    def mask(size: int, regions: int = 12) -> torch.Tensor:
        """Bands of every region: each is there at every size."""
        rows = torch.arange(size) * regions // size
        labels = rows[:, None].expand(size, size)
        return torch.nn.functional.one_hot(labels, regions).permute(2, 0, 1)[None].float()

    def speech() -> tuple[Any, ...]:
        return torch.randn(1, 48_000).clamp(-1, 1), 75

    def to_mask() -> tuple[Any, ...]:
        return mask(512), mask(512), torch.randn(1, 512)

    def portrait() -> tuple[Any, ...]:
        return image(512), mask(512)

    def styles(layers: int, size: int = 512) -> Callable[[], tuple[Any, ...]]:
        return lambda: (torch.randn(1, 12, layers, 512) * 0.5, mask(size))

    encoder = dict(num_regions=12, num_layers=16)
    exact = dict(num_regions=12, region_conv="bbox")
    return {
        "MelCNN, 3 s": (MelCNN, speech),
        "AVHubert base, 3 s": (AVHubert, speech),
        "AVHubert large, 3 s": (
            lambda: AVHubert(dim=1024, num_layers=24, num_heads=16, ff_dim=4096),
            speech,
        ),
        "TorchaudioSSL HuBERT base, 3 s": (lambda: TorchaudioSSL(name="HUBERT_BASE"), speech),
        "UNetMaskDecoder A, 512": (lambda: UNetMaskDecoder(variant="A"), to_mask),
        "UNetMaskDecoder B, 512": (UNetMaskDecoder, to_mask),
        "SmpMaskDecoder, 512": (SmpMaskDecoder, to_mask),
        "BiSeNet, 512": (BiSeNet, lambda: (image(512),)),
        "SmpParser, 512": (SmpParser, lambda: (image(512),)),
        "FPNRegionEncoder, 256": (lambda: FPNRegionEncoder(**encoder), portrait),
        "TimmFPNRegionEncoder, 256": (lambda: TimmFPNRegionEncoder(**encoder), portrait),
        "E4SRegionEncoder, 256": (lambda: E4SRegionEncoder(num_layers=18), portrait),
        "SEANRegionEncoder, 256": (SEANRegionEncoder, portrait),
        "RegionStyleGAN2 256, spatial": (lambda: RegionStyleGAN2(size=256), styles(14, 256)),
        "RegionStyleGAN2 512, spatial": (lambda: RegionStyleGAN2(size=512), styles(16)),
        "RegionStyleGAN2 1024, spatial": (lambda: RegionStyleGAN2(size=1024), styles(18)),
        "RegionStyleGAN2 512, bbox": (lambda: RegionStyleGAN2(size=512, **exact), styles(16)),
        "RegionStyleGAN2 1024, bbox": (lambda: RegionStyleGAN2(size=1024, **exact), styles(18)),
        "SEANGenerator, 256": (SEANGenerator, styles(1, 256)),
        "SPADEGenerator, 256": (SPADEGenerator, styles(1, 256)),
        "StyleGAN2Discriminator, 512": (StyleGAN2Discriminator, lambda: (image(512),)),
        "SegmentationSyncNet, 256": (
            SegmentationSyncNet,
            lambda: (torch.rand(1, 5, 12, 128, 256), torch.randn(1, 80, 16)),
        ),
        "EvaluationSyncNet, video": (
            lambda: _Method(EvaluationSyncNet(), "encode_video"),
            lambda: (torch.rand(1, 3, 5, 224, 224) * 255,),
        ),
        "IRSE50, 112": (IRSE50, lambda: (image(112),)),
        "FaceResNet, 150": (FaceResNet, lambda: (image(150),)),
        "ParsingFeatures, 512": (ParsingFeatures, lambda: (image(512),)),
        "PSPEncoder, 256": (PSPEncoder, lambda: (image(256),)),
        "Wav2Lip, 96": (Wav2Lip, lambda: (torch.randn(1, 1, 80, 16), torch.rand(1, 6, 96, 96))),
        "Wav2LipSyncNet, 96": (
            Wav2LipSyncNet,
            lambda: (torch.randn(1, 1, 80, 16), torch.rand(1, 15, 48, 96)),
        ),
        "I3D, 16 frames": (I3D, lambda: (torch.rand(1, 3, 16, 224, 224) * 2 - 1,)),
    }


class _Method:
    """A component of which another method than ``forward`` is measured."""

    def __init__(self, module: Any, method: str) -> None:
        self.module, self.method = module.eval(), method

    def parameters(self) -> Any:
        return self.module.parameters()

    def eval(self) -> _Method:
        return self

    def __call__(self, *inputs: Any) -> Any:
        return getattr(self.module, self.method)(*inputs)


def peak_mb() -> float:
    """Return the highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, threads: int) -> dict[str, Any]:
    """Run one component in this process."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    build, make_inputs = cases()[name]
    module, inputs = build().eval(), make_inputs()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    before = peak_mb()
    seconds = []
    with torch.no_grad():
        with FlopCounterMode(display=False) as work:
            module(*inputs)
        for _ in range(3):
            started = time.perf_counter()
            module(*inputs)
            seconds.append(time.perf_counter() - started)
    return {
        "name": name,
        "millions": sum(p.numel() for p in module.parameters()) / 1e6,
        "gflop": work.get_total_flops() / 1e9,
        "seconds": statistics.median(seconds),
        "peak_mb": peak_mb() - before,
    }


def main(
    only: Annotated[str, typer.Option(help="Part of the names to run.")] = "",
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 1,
    one: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print a table, one component a line."""
    if one:
        print(json.dumps(measure(one, threads)))
        return
    print(f"{'component':<32}{'M params':>10}{'GFLOP':>9}{'s':>8}{'peak MiB':>10}")
    for name in cases():
        if only.lower() not in name.lower():
            continue
        words = [sys.executable, __file__, "--one", name, "--threads", str(threads)]
        answer = subprocess.run(
            words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
        )
        if answer.returncode:
            print(f"{name:<32}  failed: {answer.stderr.strip().splitlines()[-1]}")
            continue
        row = json.loads(answer.stdout.splitlines()[-1])
        print(
            f"{name:<32}{row['millions']:>10.2f}{row['gflop']:>9.1f}{row['seconds']:>8.2f}"
            f"{row['peak_mb']:>10.0f}",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)
