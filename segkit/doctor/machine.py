"""What the machine offers: accelerators, processors, memory, disk, and what the user set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from segkit.bfloat16 import is_fast_on
from segkit.doctor.finding import Finding

_TOPIC = "machine"
_FULL_GB, _SCARCE_GB = 0.5, 4.0


def accelerators() -> Iterator[Finding]:
    """Name the GPUs that torch can use."""
    import torch

    cuda = torch.version.cuda
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            value = f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, CUDA {cuda}"
            yield Finding(_TOPIC, f"GPU {number}", value)
    else:
        build = f"torch is built for CUDA {cuda}" if cuda else "this torch is built without CUDA"
        yield Finding(_TOPIC, "GPU", f"none ({build})")
    mps = torch.backends.mps.is_available()
    yield Finding(_TOPIC, "MPS", "there, not used by itself" if mps else "none")


def processors() -> Iterator[Finding]:
    """Count the processors, and the threads that torch will use."""
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    yield Finding(_TOPIC, "processors", f"{usable} usable; torch computes in {threads} threads")
    fast = is_fast_on(torch.device("cpu"))
    told = "has units: `segkit talk --precision bf16` is faster" if fast else "has no units"
    yield Finding(_TOPIC, "bfloat16", f"this processor {told}")


def memory_and_disk() -> Iterator[Finding]:
    """Tell free memory and the free disk of the current folder."""
    memory_gb = free_memory_gb()
    if memory_gb is None:
        yield Finding(_TOPIC, "free memory", "this platform does not tell")
    else:
        hint = f"only {memory_gb:.1f} GB of memory are free; close something"
        scarce = memory_gb < _SCARCE_GB
        yield Finding(_TOPIC, "free memory", f"{memory_gb:.1f} GB", hint=hint if scarce else None)
    yield disk_finding(shutil.disk_usage(Path.cwd()).free / 1e9)


def disk_finding(free_gb: float) -> Finding:
    """Judge the free disk.

    Args:
        free_gb: in 10^9 bytes.
    """
    value = f"{free_gb:.1f} GB in the current folder"
    if free_gb < _FULL_GB:
        return Finding(_TOPIC, "free disk", value, todo="make room on the disk, or go elsewhere")
    scarce = "little disk is free; data sets and trainings need gigabytes"
    return Finding(_TOPIC, "free disk", value, hint=scarce if free_gb < _SCARCE_GB else None)


def variables() -> Iterator[Finding]:
    """List what the user set for segkit."""
    for name in sorted(name for name in os.environ if name.startswith("SEGKIT_")):
        yield Finding(_TOPIC, name, os.environ[name])


def free_memory_gb() -> float | None:
    """Return the memory that programs can still get, in 10^9 bytes; None where nobody tells."""
    table = Path("/proc/meminfo")
    if not table.is_file():
        return None
    for line in table.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / 1e9
    return None
