"""Segments of a talk: short stretches that are worked out and encoded each for itself."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from segkit.talk.sources import Played

SEGMENT_FRAMES = 250
"""Frames of a segment. An encoder begins anew as often even in one long film."""

# A frame is decided with its neighbours: two for the parser, one for the vote. What remembers
# longer (colour models, the matte) keeps at most a sixth of what lies eight frames back.
_LEAD, _TAIL = 8, 4


@dataclass(frozen=True, eq=False)
class Window:
    """A segment with the neighbours that its first and last frames are decided with.

    Args:
        number: of the segment.
        lead: how many of the frames lie before the segment.
        size: how many belong to it.
        frames: the frames, in order; some behind the segment may follow.
    """

    number: int
    lead: int
    size: int
    frames: Iterator[Played]


def windows(played: Iterable[Played], *, total: int, first: int, size: int) -> Iterator[Window]:
    """Cut a stream into overlapping windows; each frame is read once, a dozen are remembered.

    What is made of a segment depends on its own window only, so a talk that goes on after a stop
    makes the same frames as one that never stopped.

    Args:
        played: the frames from `first_frame` of ``first`` on.
        total: number of frames of the whole talk.
        first: the segment to begin with.
        size: frames of a segment.
    """
    source = iter(played)
    recent: deque[Played] = deque(maxlen=_LEAD + _TAIL)
    position = first_frame(first, size=size)

    def pulled(stop: int) -> Iterator[Played]:
        nonlocal position
        while position < stop:
            item = next(source, None)
            if item is None:
                return
            recent.append(item)
            position += 1
            yield item

    for start in range(first * size, total, size):
        stop, begin = min(start + size, total), max(0, start - _LEAD)
        earlier = list(recent)[len(recent) - (position - begin) :] if position > begin else []
        coming = pulled(min(total, stop + _TAIL))
        yield Window(start // size, start - begin, stop - start, itertools.chain(earlier, coming))


def first_frame(segment: int, *, size: int) -> int:
    """Return the first frame of a segment's window."""
    return max(0, segment * size - _LEAD)


def num_segments(total: int, *, size: int) -> int:
    """Return how many segments a talk of so many frames has."""
    return -(-total // size)
