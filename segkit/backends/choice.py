"""Backends and precisions by name, and what of them this machine has."""

from __future__ import annotations

import importlib.util

import torch

from segkit.backends.compiler import check_compiler
from segkit.bfloat16 import is_fast_on

BACKENDS = {
    "torch": ("fp32", "bf16"),
    "compile": ("fp32",),
    "onnxruntime": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
}
"""Backend -> precisions it has here."""

PRECISIONS = ("fp32", "bf16", "int8")


def check_backend(backend: str, precision: str, device: torch.device) -> None:
    """Refuse a choice that cannot be run, before any slow work.

    Args:
        backend: of ``BACKENDS``.
        precision: of ``PRECISIONS``.
        device: where the model shall compute.

    Raises:
        ImportError: the backend is not installed.
        ValueError: an unknown name, or what the backend or the machine lacks.
        FileNotFoundError: no C++ compiler, where one is needed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend: expected one of {', '.join(BACKENDS)}, got {backend!r}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    if precision not in BACKENDS[backend]:
        able = " or ".join(name for name, known in BACKENDS.items() if precision in known)
        raise ValueError(
            f"precision: {backend} has no {precision} here; take --backend {able}, or "
            f"--precision {' or '.join(BACKENDS[backend])}"
        )
    if backend == "torch":
        if precision == "bf16" and not is_fast_on(device):
            raise ValueError(
                f"precision: this {device.type} has no units for bf16 (a processor has them with "
                "AMX or AVX512-BF16), without which it is slower than fp32; take --precision fp32"
            )
        return
    if backend == "compile":
        check_compiler(device)
        return
    if importlib.util.find_spec(backend) is None:
        raise ImportError(
            f'{backend} is not installed; run `pip install "segkit[export]"`, or take '
            "--backend torch"
        )
    if device.type != "cpu":
        _check_device(backend, device)
    if precision == "bf16":
        _check_bf16()


def _check_device(backend: str, device: torch.device) -> None:
    raise ValueError(
        f"device: {backend} runs on the CPU alone here, got {device}; take --device cpu, or "
        "--backend torch for the GPU"
    )


def _check_bf16() -> None:
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" not in able:
        raise ValueError(
            "precision: this processor has no bf16 (OpenVINO tells "
            f"{', '.join(able)}); take --precision fp32"
        )
