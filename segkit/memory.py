"""Memory that a process holds without need: what networks freed, and what was read of files.

Activations of large pictures are taken and freed many times per frame. By default each is mapped
anew, and the system clears its pages before every use: a fifth of a talk with the paper's networks
at 512 px (docs/performance.md). Only GNU's C library can be told to keep them; others are left as
they are.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# Of GNU's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees for what it takes next; meant for its beginning.

    All threads take from one heap: with one for each, what a thread has freed is not there for the
    others, and memory creeps up with the length of a film.

    Returns:
        Whether the C library can be told.
    """
    mallopt = _of_the_c_library("mallopt")
    wishes = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_ARENA_MAX, 1))
    return bool(mallopt and all(mallopt(*wish) for wish in wishes))


def give_back_freed_memory() -> None:
    """Let the C library return what it holds free to the system, now."""
    if trim := _of_the_c_library("malloc_trim"):
        trim(0)


def let_go_of_pages(array: np.ndarray) -> None:
    """Let the system drop what was read of an array that lies in a file (``np.load``, mapped).

    Until then it counts as memory of this process. It is read again where it is wanted.

    Args:
        array: as it was loaded, for reading alone; of any other nothing is dropped.
    """
    mapped = array.base
    # What was written into a private copy would be lost.
    if isinstance(mapped, mmap.mmap) and not array.flags.writeable and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _of_the_c_library(name: str) -> Any:
    """Return a function; None on other systems, and where it is not GNU's library."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
