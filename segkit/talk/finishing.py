"""The last step of a frame: the generated face laid over it, and the person before a background."""

from __future__ import annotations

import numpy as np

from segkit.edits import composite, foreground_colours, refined_matte
from segkit.regions import RegionScheme
from segkit.talk.backdrop import Backdrop
from segkit.talk.matte import PersonMatte
from segkit.talk.paste import lay_over
from segkit.talk.stream import Shot


class Finisher:
    """Makes output frames; frames are expected in order of time.

    Args:
        backdrop: what to put behind the person; None keeps what is there.
        scheme: names of the labels.
    """

    def __init__(self, backdrop: Backdrop | None, *, scheme: RegionScheme) -> None:
        self._backdrop, self._scheme = backdrop, scheme
        self._matte = None if backdrop is None else PersonMatte(scheme=scheme)

    def __call__(self, shot: Shot) -> np.ndarray:
        """Return the frame uint8 RGB ``H W 3``; without a face it keeps its picture."""
        frame = shot.frame if shot.generated is None else with_face(shot, self._scheme)
        if self._matte is None or self._backdrop is None:
            return frame
        labels = shot.spoken if shot.spoken is not None else shot.labels
        opacity = self._matte(shot.frame, labels=labels, transform=shot.transform)
        opacity = refined_matte(shot.frame, opacity)
        behind = self._backdrop.at(shot.time_s, frame, opacity)
        return composite(foreground_colours(frame, opacity), behind, opacity)

    def see(self, shot: Shot) -> None:
        """Look at a frame that is not to be made, so that the person is cut out steadily after."""
        if self._matte is not None:
            self._matte(shot.frame)


def with_face(shot: Shot, scheme: RegionScheme) -> np.ndarray:
    """Lay the generated face over the frame; fading regions are covered as far as they show.

    Between any two steps of a fade lies a mixture, so that no region appears at once.
    """
    picture = _laid(shot, shot.edited, scheme)
    if not shot.fading:
        return picture
    edited = shot.edited
    # Region by region, the one that shows most first: each shows exactly at its own level.
    fading = sorted(shot.fading, key=lambda item: -item[1])
    below = [level for _, level in fading[1:]] + [0.0]
    mixed = (1 - fading[0][1]) * picture
    for (region, level), next_level in zip(fading, below, strict=True):
        edited = (*edited, region)
        if level > next_level:
            mixed = mixed + (level - next_level) * _laid(shot, edited, scheme)
    return np.rint(mixed).astype(np.uint8)


def _laid(shot: Shot, edited: tuple[str, ...], scheme: RegionScheme) -> np.ndarray:
    assert shot.crop is not None
    assert shot.generated is not None
    assert shot.transform is not None
    assert shot.labels is not None
    assert shot.spoken is not None
    return lay_over(
        shot.frame,
        crop=shot.crop,
        generated=shot.generated,
        transform=shot.transform,
        source_labels=shot.labels,
        spoken_labels=shot.spoken,
        edited=edited,
        scheme=scheme,
    )
