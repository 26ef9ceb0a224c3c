"""How long torch's threads hold their processors while they wait for each other.

GNU's OpenMP, which torch for Linux brings along, lets a thread that is done with its share turn in
circles until the others are done: 300,000 times, some 12 ms, before it sleeps. Where other programs
want the same processors, the others are late because of the one that turns (docs/performance.md).
"""

from __future__ import annotations

import os
import sys

VARIABLE = "GOMP_SPINCOUNT"
_TURNS = "10000"


def wait_briefly() -> bool:
    """Let waiting threads turn 10,000 times, some 0.4 ms, before they sleep.

    It is read when torch is imported, so it is meant for the beginning of a program. What the user
    has set, here or by ``OMP_WAIT_POLICY``, stays. Processes that this one starts do the same.

    Returns:
        Whether it is in time: False after torch was imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(VARIABLE, _TURNS)
    return "torch" not in sys.modules
