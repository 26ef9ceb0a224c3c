"""The mask decoder by every backend, for ``benchmarks/run.py``."""

from __future__ import annotations

import copy
import importlib.util
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.contestants import Contestant, face_mask, no_grad
from segkit.backends.compiling import compiled_decoder
from segkit.backends.runners import Runner, runner
from segkit.export.module import export_module
from segkit_models.mask_decoders import UNetMaskDecoder

_NAMES = ("pose", "reference", "audio")


def by_backend(
    size: int, *, variant: Literal["A", "B"] = "A", width: float = 1.0
) -> list[Contestant]:
    """Predict the mask of a frame, of a film or of a portrait, by what is installed here."""
    decoder: Any = UNetMaskDecoder(size=size, width=width, variant=variant).eval()
    planes = copy.deepcopy(decoder).to(memory_format=torch.contiguous_format)
    compiled: Any = compiled_decoder(decoder)
    mask, audio = face_mask(size).contiguous(), torch.randn(1, 512)
    inputs = (mask, mask, audio)
    with torch.no_grad():
        prepared = decoder.prepare(mask, mask)
    ways = {
        "NCHW": no_grad(lambda: planes(*inputs)),
        "channels last": no_grad(lambda: decoder(*inputs)),
        "channels last, compiled": no_grad(lambda: compiled(*inputs)),
        "portrait": no_grad(lambda: decoder.decode_prepared(prepared, audio)),
        "portrait, compiled": no_grad(lambda: compiled.decode_prepared(prepared, audio)),
    }
    for backend in ("onnxruntime", "openvino"):
        if all(importlib.util.find_spec(each) for each in ("onnx", "onnxruntime", backend)):
            ways[backend] = partial(_runner(decoder, inputs, backend), *inputs)
    plain = ("NCHW", "channels last", "portrait")
    return [
        Contestant(name, run, yardstick=name in plain[1:], counted=name in plain)
        for name, run in ways.items()
    ]


def _runner(decoder: torch.nn.Module, inputs: tuple[torch.Tensor, ...], backend: str) -> Runner:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decoder.onnx"
        rows = tuple(torch.cat([each, each]) for each in inputs)
        export_module(decoder, rows, path, input_names=_NAMES, output_names=("logits",))
        return runner(path, _NAMES, backend=backend, precision="fp32")
