"""What torch.compile needs of this machine, told up front, and where it keeps its code."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from segkit.backends.cache import cache_folder

FOLDER_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
"""Where torch.compile keeps its code, if the user wants it elsewhere than in `cache_folder`."""


def check_compiler(device: torch.device) -> None:
    """Refuse to compile where that must fail.

    Args:
        device: where the code shall run.

    Raises:
        ValueError: another device than a CPU or a CUDA GPU, or a Python that this torch does not
            compile.
        FileNotFoundError: no C++ compiler, or no headers of Python.
        ImportError: no Triton, which makes a GPU's code.
    """
    if device.type not in ("cpu", "cuda"):
        raise ValueError(
            f"device: compile runs on cpu and cuda here, got {device}; take one of these, or "
            "--backend torch"
        )
    with code_folder():
        # Slow to import, and only this backend needs them; importing makes the folder of the code.
        from torch._dynamo import is_inductor_supported
        from torch.utils._triton import has_triton_package

        if not is_inductor_supported():
            raise ValueError(
                f"backend: torch {torch.__version__} does not compile under Python "
                f"{sys.version_info.major}.{sys.version_info.minor}; take --backend torch"
            )
        _check_cpp()
    if device.type == "cuda" and not has_triton_package():
        raise ImportError(
            "backend: compile needs Triton on a GPU; run `pip install triton`, or take "
            "--backend torch"
        )


def _check_cpp() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except RuntimeError as error:
        raise FileNotFoundError(
            "backend: compile needs a C++ compiler, and none was found; install g++, or name yours "
            "by CXX, or take --backend torch"
        ) from error
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        raise FileNotFoundError(
            f"backend: compile needs the headers of Python, and {header} is not there; install "
            "them (python3-dev), or take --backend torch"
        )


@contextmanager
def code_folder() -> Iterator[None]:
    """Let torch.compile keep its code beside our graphs, unless the user has chosen a folder."""
    before = os.environ.get(FOLDER_VARIABLE)
    if before is not None and not _is_default(before):
        yield
        return
    os.environ[FOLDER_VARIABLE] = str(cache_folder() / "compiled")
    try:
        yield
    finally:
        if before is None:
            del os.environ[FOLDER_VARIABLE]
        else:
            os.environ[FOLDER_VARIABLE] = before


def _is_default(folder: str) -> bool:
    """Tell what torch itself sets, as soon as some of its parts are imported, from a choice."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    return folder == default_cache_dir()
