"""The two runners: an ONNX file, called with tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor


class Runner(Protocol):
    """Tensors in the order of the graph's inputs -> its first output, a new tensor."""

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run the graph."""
        ...


class OnnxRuntimeRunner:
    """Run a graph by ONNX Runtime on the CPU, with torch's number of threads.

    Args:
        path: ONNX file.
        names: of the inputs, in the order of the call.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._names = tuple(names)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run the graph."""
        pairs = zip(self._names, inputs, strict=True)
        feed = {name: tensor.detach().contiguous().numpy() for name, tensor in pairs}
        return torch.from_numpy(self._session.run(None, feed)[0])


class OpenVinoRunner:
    """Run a graph by OpenVINO on the CPU, with torch's number of threads.

    Args:
        path: ONNX file.
        names: of the inputs, in the order of the call.
        precision: ``"fp32"`` or ``"bf16"``; a quantised graph runs its own.
    """

    def __init__(self, path: Path, names: Sequence[str], *, precision: str = "fp32") -> None:
        import openvino

        kind = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16}[precision]
        settings = {
            "INFERENCE_PRECISION_HINT": kind,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled = openvino.Core().compile_model(str(path), "CPU", settings)
        self._names = tuple(names)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run the graph."""
        pairs = zip(self._names, inputs, strict=True)
        feed = {name: tensor.detach().contiguous().numpy() for name, tensor in pairs}
        # The result lies in memory that the next call writes to.
        return torch.from_numpy(self._compiled(feed)[0].copy())


def runner(path: Path, names: Sequence[str], *, backend: str, precision: str) -> Runner:
    """Open a graph by a backend; ``"int8"`` means that the graph itself is quantised."""
    if backend == "onnxruntime":
        return OnnxRuntimeRunner(path, names)
    plain = "fp32" if precision == "int8" else precision
    return OpenVinoRunner(path, names, precision=plain)
