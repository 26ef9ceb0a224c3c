"""Public checkouts that compete in ``benchmarks/run.py``: loaded from a path, never shipped.

StyleGAN2's code, and E4S' after it, compiles two CUDA operators when it is imported. They are
replaced by plain torch on the way; the checkout's own files stay as they are.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.weights.checkpoint import ForeignState
from segkit_models.converters.stylegan2_names import ROSINALITY
from segkit_models.generators import RegionStyleGAN2

FILES = {
    "stylegan2": "model.py",
    "e4s": "src/models/stylegan2/model.py",
    "wav2lip": "models/wav2lip.py",
}
"""Name of a peer -> the file that its checkout has."""


def parse_peers(texts: Sequence[str]) -> dict[str, Path]:
    """Turn ``NAME=PATH`` texts into name -> checkout.

    Raises:
        ValueError: another form, or an unknown name.
        FileNotFoundError: the folder is not that code.
    """
    found = {}
    for text in texts:
        name, _, path = text.partition("=")
        if name not in FILES or not path:
            known = ", ".join(f"{each}=PATH" for each in FILES)
            raise ValueError(f"--peer: expected one of {known}, got {text!r}")
        if not (Path(path) / FILES[name]).is_file():
            raise FileNotFoundError(
                f"--peer {name}: expected a checkout with {FILES[name]}, which {path} has not"
            )
        found[name] = Path(path)
    return found


def public_generator(name: str, root: Path, ours: RegionStyleGAN2) -> nn.Module:
    """Build the generator of ``stylegan2`` or ``e4s`` and give its weights and noise to ours."""
    layers = {} if name == "stylegan2" else {"remaining_layer_idx": ours.num_masked_layers}
    with _plain_operators():
        theirs = _module(root, FILES[name]).Generator(ours.size, ours.style_dim, 1, **layers)
    table = ROSINALITY.generator(len(ours.channels), noise=True)
    ours.load_state_dict(ForeignState(name, theirs.state_dict()).rename(table))
    return theirs.eval()


def public_wav2lip(root: Path, ours: nn.Module) -> nn.Module:
    """Build the public Wav2Lip with the weights of ours."""
    theirs = _module(root, FILES["wav2lip"], package="models").Wav2Lip()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    return theirs.eval()


def draw_plain(generator: Any, styles: Tensor) -> Tensor:
    """Draw by the public StyleGAN2: codes ``B 1 L D``."""
    return generator([styles[:, 0]], input_is_latent=True, randomize_noise=False)[0]


def draw_masked(generator: Any, styles: Tensor, mask: Tensor) -> Tensor:
    """Draw by the public E4S: codes ``1 R L D``, mask one-hot ``1 R H W``."""
    return generator([styles], None, mask, input_is_latent=True, randomize_noise=False)[0]


def _module(root: Path, file: str, *, package: str = "") -> Any:
    """Run a checkout's file; with a package its neighbours can be imported by it."""
    name = f"{package}.{Path(file).stem}" if package else f"peer_{root.name}"
    if package:
        parent = types.ModuleType(package)
        parent.__path__ = [str(root / package)]
        sys.modules[package] = parent
    spec = importlib.util.spec_from_file_location(name, root / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        for loaded in [key for key in sys.modules if package and key.split(".")[0] == package]:
            del sys.modules[loaded]
    return module


@contextmanager
def _plain_operators() -> Iterator[None]:
    """Put plain torch where the public code imports its compiled operators from."""
    operators: Any = types.ModuleType("op")
    operators.FusedLeakyReLU = _FusedLeakyReLU
    operators.fused_leaky_relu = _fused_leaky_relu
    operators.upfirdn2d = _upfirdn2d
    operators.conv2d_gradfix = functional
    names = ("op", "src.models.stylegan2.op")
    sys.modules.update(dict.fromkeys(names, operators))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


class _FusedLeakyReLU(nn.Module):
    def __init__(self, channel: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channel))

    def forward(self, x: Tensor) -> Tensor:
        return _fused_leaky_relu(x, self.bias)


def _fused_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return functional.leaky_relu(x + bias.view(shape), 0.2) * 2**0.5


def _upfirdn2d(
    x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)
) -> Tensor:
    batch, channels, height, width = x.shape
    planes = x.reshape(-1, 1, height, width)
    if up > 1:
        spread = planes.new_zeros(len(planes), 1, height * up, width * up)
        spread[..., ::up, ::up] = planes
        planes = spread
    planes = functional.pad(planes, (*pad, *pad))
    planes = functional.conv2d(planes, kernel.flip(0, 1)[None, None])[..., ::down, ::down]
    return planes.view(batch, channels, *planes.shape[2:])
