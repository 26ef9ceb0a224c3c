"""The Inception networks of the Frechet distance, from local files."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.weights import read_tensors
from segkit_metrics.networks import INJECTED, checked_script
from segkit_metrics.weight_files import find_weights

SIDE = 299

Mode = Literal["clean", "legacy_pytorch"]

KNOWN = {
    "clean": dict(
        name="inception-2015-12-05.pt",
        sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
        source="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics",
    ),
    "legacy_pytorch": dict(
        name="pt_inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        source="https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
    ),
}
"""The published file of each mode."""

Resizer = Callable[[np.ndarray], Tensor]
"""Frames ``T 3 H W``, uint8 or in [0, 1] -> ``T 3 299 299`` in 0..255."""


def make_resizer(mode: Mode) -> Resizer:
    """Return how a mode resizes frames; the numbers of the modes do not compare.

    Args:
        mode: ``"clean"``: bicubic with antialiasing, unrounded (Parmar et al. 2022);
            ``"legacy_pytorch"``: bilinear without, as pytorch-fid.
    """
    if mode == "legacy_pytorch":
        return _bilinear
    from cleanfid.resize import build_resizer  # slow to import

    resize = build_resizer("clean")

    def bicubic(frames: np.ndarray) -> Tensor:
        pictures = (_to_255(frame).transpose(1, 2, 0) for frame in frames)
        return torch.from_numpy(np.stack([resize(p).transpose(2, 0, 1) for p in pictures]))

    return bicubic


def make_network(
    weights: str | Path | nn.Module | None, *, mode: Mode, trust: bool = False
) -> tuple[nn.Module, str]:
    """Return the network ``B 3 299 299`` in 0..255 -> ``B 2048`` of a mode.

    Args:
        weights: the published file of the mode, see `KNOWN`; or a network.
        mode: which.
        trust: take another file than the published one. That of ``"clean"`` is code and is run.

    Returns:
        The network in evaluation mode, and words for a definition.

    Raises:
        MissingWeightsError: no such file.
        ValueError: another file, and not trusted.
    """
    if isinstance(weights, nn.Module):
        return weights.eval(), INJECTED
    known = KNOWN[mode]
    if mode == "clean":
        path = checked_script(weights, **known, trust=trust)
        network: nn.Module = _clean_inception(path)
    else:
        path = find_weights(weights, **known, check=not trust)
        network = PytorchFIDInception()
        network.base.load_state_dict(read_tensors(path))
    name = f"{path.name}, trusted" if trust else f"{known['name']} {known['sha256'][:8]}"
    return network.requires_grad_(False).eval(), name


class PytorchFIDInception(nn.Module):
    """Inception V3 with the pooling of its TensorFlow original, as pytorch-fid builds it.

    Source: Seitzer 2020 (pytorch-fid); the parts come from clean-fid.
    """

    def __init__(self) -> None:
        super().__init__()
        import torchvision  # slow to import
        from cleanfid import inception_pytorch as parts

        with warnings.catch_warnings():
            # torchvision warns that a pretrained network is built otherwise.
            warnings.simplefilter("ignore")
            self.base: Any = torchvision.models.inception_v3(
                weights=None, num_classes=1008, aux_logits=False, init_weights=False
            )
        self.base.Mixed_5b = parts.FIDInceptionA(192, pool_features=32)
        self.base.Mixed_5c = parts.FIDInceptionA(256, pool_features=64)
        self.base.Mixed_5d = parts.FIDInceptionA(288, pool_features=64)
        self.base.Mixed_6b = parts.FIDInceptionC(768, channels_7x7=128)
        self.base.Mixed_6c = parts.FIDInceptionC(768, channels_7x7=160)
        self.base.Mixed_6d = parts.FIDInceptionC(768, channels_7x7=160)
        self.base.Mixed_6e = parts.FIDInceptionC(768, channels_7x7=192)
        self.base.Mixed_7b = parts.FIDInceptionE_1(1280)
        self.base.Mixed_7c = parts.FIDInceptionE_2(2048)

    def forward(self, frames: Tensor) -> Tensor:
        """Map ``B 3 299 299`` in 0..255 to ``B 2048``."""
        x = frames / 127.5 - 1
        for name, layer in self.base.named_children():
            if name == "avgpool":
                break
            x = layer(x)
        return functional.adaptive_avg_pool2d(x, 1).flatten(1)


def _clean_inception(path: Path) -> nn.Module:
    from cleanfid.inception_torchscript import InceptionV3W

    wanted = KNOWN["clean"]["name"]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Deprecated, and the only way to read what is published.
        warnings.filterwarnings("ignore", message=".torch.jit", category=DeprecationWarning)
        link = Path(folder) / wanted
        try:
            link.symlink_to(path.resolve())
        except OSError:  # file systems and accounts without links
            shutil.copyfile(path, link)
        return InceptionV3W(folder, download=False, resize_inside=False)


def _bilinear(frames: np.ndarray) -> Tensor:
    return functional.interpolate(torch.from_numpy(_to_255(frames)), (SIDE, SIDE), mode="bilinear")


def _to_255(frames: np.ndarray) -> np.ndarray:
    frames = np.ascontiguousarray(frames)
    if frames.dtype == np.uint8:
        return frames.astype(np.float32)
    return (frames * 255).astype(np.float32)
