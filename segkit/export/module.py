"""One torch module to one ONNX file, checked at several batch sizes."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

OPSET = 18
"""Version of the operators in exported graphs."""

_TOLERANCE = 1e-4

Inputs = tuple[Tensor, ...]


class ExportError(ValueError):
    """A module that has no graph, or one whose graph gives other numbers than torch."""


def export_module(
    module: nn.Module,
    example_inputs: Inputs,
    path: str | Path,
    *,
    input_names: Sequence[str],
    output_names: Sequence[str] = ("output",),
    others: Sequence[Inputs] = (),
    check: bool = True,
    force: bool = False,
) -> float | None:
    """Write a module as ONNX with a dynamic batch, and compare it with torch.

    The comparison is made with ONNX Runtime for the example, its first row, the example twice, and
    ``others``. Exact region-modulated convolutions are written in the form ``"borders"``, which
    draws the same for one-hot masks.

    Args:
        module: any module in evaluation mode; it is not changed.
        example_inputs: tensors whose first axis is the batch, of at least two rows.
        path: file to write; it appears whole or not at all.
        input_names: one per input.
        output_names: one per output.
        others: more inputs to compare, such as masks with another number of borders.
        check: whether to compare.
        force: replace an existing file.

    Returns:
        The largest difference in parts of the output's range; None without a check.

    Raises:
        ExportError: no graph can be made, or it differs by more than 1e-4.
        FileExistsError: the file is there and ``force`` is not set.
        ImportError: the extra ``export`` is not installed.
    """
    path = Path(path)
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists already; give another path, or --force to replace it")
    require_extra("onnx", "onnxruntime")
    if len(example_inputs[0]) < 2:
        raise ValueError(
            f"example_inputs: expected at least two rows, got {len(example_inputs[0])}"
        )
    wanted = exportable(module)
    cases = [
        example_inputs,
        tuple(tensor[:1] for tensor in example_inputs),
        tuple(torch.cat([tensor, tensor.roll(1, 0)]) for tensor in example_inputs),
        *others,
    ]
    part, reasons = path.with_name(f".{path.name}.{os.getpid()}.part"), []
    try:
        # Tracing is some ten times as fast; where it takes the batch for a constant, the slower
        # exporter is asked, which alone knows the spectra of a waveform.
        for write in (_exported,) if "waveform" in input_names else (_traced, _exported):
            try:
                with warnings.catch_warnings(), torch.no_grad():
                    warnings.simplefilter("ignore")
                    write(wanted, example_inputs, part, input_names, output_names)
                error = difference(module, part, cases, input_names) if check else None
            except Exception as problem:
                reasons.append(f"{type(problem).__name__}: {_first_line(problem)}")
                continue
            if error is None or error <= _TOLERANCE:
                os.replace(part, path)
                return error
            reasons.append(f"the graph differs from torch by {error:.1e} of the range")
    finally:
        part.unlink(missing_ok=True)
    raise ExportError(
        f"{type(module).__name__} could not be exported ({'; then '.join(reasons)}); "
        "run it with the torch backend"
    )


def exportable(module: nn.Module) -> nn.Module:
    """Return a copy on the CPU whose exact convolutions have a form that leaves torch."""
    made = copy.deepcopy(module).cpu().eval()
    for part in list(made.modules()):
        _keep_weights(part)
        if getattr(part, "region_conv", None) in ("exact", "hybrid", "triton", "bbox"):
            part.region_conv = "borders"  # type: ignore[assignment]
    return made


def difference(
    module: nn.Module, path: Path, cases: Sequence[Inputs], names: Sequence[str]
) -> float:
    """Return the largest difference of a graph from its module, in parts of the output's range."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    known = {value.name for value in session.get_inputs()}
    worst = 0.0
    for inputs in cases:
        with torch.no_grad():
            expected = module(*inputs)
        expected = expected if isinstance(expected, tuple) else (expected,)
        feed = {
            name: tensor.cpu().numpy()
            for name, tensor in zip(names, inputs, strict=True)
            if name in known
        }
        for wanted, found in zip(expected, session.run(None, feed), strict=True):
            worst = max(worst, _distance(wanted.float().cpu().numpy(), found.astype(np.float32)))
    return worst


def require_extra(*packages: str) -> None:
    """Check that packages of the extra ``export`` are there.

    Raises:
        ImportError: naming what to install.
    """
    import importlib.util

    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f'{" and ".join(missing)} not installed; run `pip install "segkit[export]"`, '
            "or stay with --backend torch"
        )


def _keep_weights(part: nn.Module) -> None:
    """Replace what a weight is made of at every call, such as its spectral norm, by the weight.

    Not by torch's own removal, which changes the class that a copy shares with the original.
    """
    if not parametrize.is_parametrized(part):
        return
    names = list(part.parametrizations)  # type: ignore[arg-type]
    with torch.no_grad():
        made = {name: getattr(part, name).detach().clone() for name in names}
    del part._modules["parametrizations"]
    part.__class__ = type(part).__mro__[1]
    for name, value in made.items():
        part.register_parameter(name, nn.Parameter(value))


def _distance(wanted: np.ndarray, found: np.ndarray) -> float:
    if wanted.shape != found.shape:
        return float("inf")
    spread = float(wanted.max() - wanted.min()) or max(float(np.abs(wanted).max()), 1.0)
    error = float(np.abs(wanted - found).max()) / spread
    return error if np.isfinite(error) else float("inf")


def _traced(
    module: nn.Module, inputs: Inputs, path: Path, names: Sequence[str], outputs: Sequence[str]
) -> None:
    torch.onnx.export(
        module, inputs, str(path), dynamo=False, opset_version=OPSET,
        input_names=list(names), output_names=list(outputs),
        dynamic_axes={name: {0: "batch"} for name in (*names, *outputs)},
    )  # fmt: skip


def _exported(
    module: nn.Module, inputs: Inputs, path: Path, names: Sequence[str], outputs: Sequence[str]
) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    torch.onnx.export(
        module, inputs, str(path), dynamo=True, opset_version=OPSET, verbose=False,
        input_names=list(names), output_names=list(outputs), external_data=False,
        dynamic_shapes=tuple({0: batch} for _ in inputs),
    )  # fmt: skip


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0][:200] if lines else "no message"
