"""The contact sheet of a clip folder: clips with their masks laid over, suspects first."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from segkit.clip_report import FolderReport, moments_of
from segkit.clips import Clip, ClipFolder
from segkit.regions import RegionScheme

_NUM_PICTURES = 8
_MASK_SHARE = 0.45


def clip_sheet(
    root: str | Path, report: FolderReport, *, num_clips: int = 12, seed: int = 0, tile: int = 144
) -> np.ndarray:
    """Draw a row of frames for some clips, each frame half covered by its mask.

    Clips with warnings come first, with the warnings in their title; the other rows are random.

    Args:
        root: clip folder.
        report: on that folder.
        num_clips: rows of the sheet, at most.
        seed: of the random choice.
        tile: height of a picture in pixels.

    Returns:
        The sheet ``H W 3`` uint8.
    """
    from segkit.cli.contact_sheet import contact_sheet

    folder = ClipFolder(root)
    clips = {clip.clip_id: clip for clip in folder.clips(None)}
    suspects = report.suspects[:num_clips]
    others = [notes for notes in report.clips if not notes.warnings]
    random.Random(seed).shuffle(others)
    rows = {}
    for notes in [*suspects, *others[: num_clips - len(suspects)]]:
        title = f"{notes.clip_id}   {notes.split}, {notes.person_id}, {notes.seconds:.1f} s"
        if notes.warnings:
            title += f"   ! {', '.join(notes.warnings)}"
        rows[title] = _pictures(clips[notes.clip_id], folder.scheme, tile)
    return contact_sheet(rows, tile=tile)


def _pictures(clip: Clip, scheme: RegionScheme, tile: int) -> list[np.ndarray]:
    import cv2

    moments = moments_of(clip.num_frames, _NUM_PICTURES)
    pictures = []
    for frame, labels in zip(clip.frames(moments), clip.masks(moments), strict=True):
        small = cv2.resize(frame, (tile, tile), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(labels, (tile, tile), interpolation=cv2.INTER_NEAREST_EXACT)
        mixed = (1 - _MASK_SHARE) * small + _MASK_SHARE * scheme.colourise(mask)
        covered = np.where(mask[..., None] == 0, small, mixed.round()).astype(np.uint8)
        pictures.append(covered)
    return pictures
