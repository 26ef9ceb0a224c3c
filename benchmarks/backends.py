"""The mask decoder by every backend, for ``benchmarks/run.py``."""

from __future__ import annotations

import copy
import importlib.util
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.contestants import IN_BFLOAT16, Contestant, face_mask, no_grad
from segkit.backends import halved_decoder, with_folded_norms
from segkit.backends.compiling import compiled_decoder
from segkit.backends.runners import Runner, runner
from segkit.bfloat16 import is_fast_on
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
    folded: Any = with_folded_norms(decoder)
    mask, audio = face_mask(size).contiguous(), torch.randn(1, 512)
    inputs = (mask, mask, audio)

    def portrait(decoder: Any) -> Callable[[], Tensor]:
        with torch.no_grad():
            prepared = decoder.prepare(mask, mask)
        return no_grad(lambda: decoder.decode_prepared(prepared, audio))

    ways = {
        "NCHW": no_grad(lambda: planes(*inputs)),
        "channels last": no_grad(lambda: decoder(*inputs)),
        "channels last, norms folded": no_grad(lambda: folded(*inputs)),
        "channels last, compiled": no_grad(lambda: compiled(*inputs)),
        "portrait": portrait(decoder),
        "portrait, norms folded": portrait(folded),
        "portrait, compiled": portrait(compiled),
    }
    in_bfloat16 = {}
    if is_fast_on(mask.device):
        halved: Any = halved_decoder(folded)
        in_bfloat16["norms folded, bfloat16"] = no_grad(lambda: halved(*inputs))
        in_bfloat16["portrait, norms folded, bfloat16"] = portrait(halved)
    for backend in ("onnxruntime", "openvino"):
        if all(importlib.util.find_spec(each) for each in ("onnx", "onnxruntime", backend)):
            ways[backend] = partial(_runner(decoder, inputs, backend), *inputs)
            if backend == "openvino" and in_bfloat16:
                run = _runner(decoder, inputs, backend, precision="bf16")
                in_bfloat16[f"{backend}, bfloat16"] = partial(run, *inputs)
    opaque = ("channels last, compiled", "portrait, compiled", "onnxruntime", "openvino")
    yardsticks = ("channels last", "portrait")
    return [
        Contestant(name, run, yardstick=name in yardsticks, counted=name not in opaque)
        for name, run in ways.items()
    ] + [Contestant(name, run, counted=False, **IN_BFLOAT16) for name, run in in_bfloat16.items()]


def _runner(
    decoder: torch.nn.Module,
    inputs: tuple[Tensor, ...],
    backend: str,
    *,
    precision: str = "fp32",
) -> Runner:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decoder.onnx"
        rows = tuple(torch.cat([each, each]) for each in inputs)
        export_module(decoder, rows, path, input_names=_NAMES, output_names=("logits",))
        return runner(path, _NAMES, backend=backend, precision=precision)
