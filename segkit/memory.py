"""What the C library does with the memory that networks free. Only GNU's can be told; else nothing.

Activations of large pictures are taken and freed many times per frame. By default each is mapped
anew, and the system clears its pages before every use: a fifth of a talk with the paper's networks
at 512 px (docs/performance.md).
"""

from __future__ import annotations

import contextlib
import ctypes

# Of GNU's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees for what it takes next; meant for its beginning.

    Returns:
        Whether the C library can be told.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        return bool(library.mallopt(_MMAP_MAX, 0) and library.mallopt(_TRIM_THRESHOLD, _LARGEST))
    return False


def give_back_freed_memory() -> None:
    """Let the C library return what it holds free to the system, now."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
