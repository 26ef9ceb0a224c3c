"""What a clip folder holds: totals, distributions, and warnings about single clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segkit.clips import Clip, ClipFolder
from segkit.contracts import FPS
from segkit.preparing.quarantine import Quarantine
from segkit.regions import RegionScheme

_NUM_MOMENTS = 24
QUIET_DB, STILL_LEVEL, STILL_SHARE, LIPLESS_SHARE, UNSEEN_SHARE, ENLARGED = (
    -50.0, 0.1, 0.5, 0.1, 0.2, 2.5,
)  # fmt: skip
"""Where a warning begins: RMS of the sound, change of a frame in grey levels, and shares."""

OPENING_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)
"""Bounds of the histogram of mouth openings."""


@dataclass(frozen=True)
class ClipNotes:
    """What was seen of one clip, at 24 moments spread over it.

    Args:
        clip_id: of the clip.
        person_id: who speaks.
        split: of the clip.
        seconds: its length.
        loudness_db: RMS of the sound in dB of full scale, the pauses included.
        unseen_share: share of the frames outside the valid ranges.
        lipless_share: share of the moments whose mask has no lips.
        still_share: share of the moments after which the picture stays as it is.
        enlargement: crop pixels per pixel of the video, None where it is not known.
        openings: inside of the mouth in share of mouth and lips, one per moment with a mouth.
        warnings: one sentence for each thing that looks wrong.
    """

    clip_id: str
    person_id: str
    split: str
    seconds: float
    loudness_db: float
    unseen_share: float
    lipless_share: float
    still_share: float
    enlargement: float | None
    openings: list[float] = field(repr=False)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FolderReport:
    """What a clip folder holds.

    Args:
        root: the folder.
        scheme: name of the region scheme.
        sizes: sides of the crops in pixels.
        splits: split -> its clips, persons and seconds.
        class_shares: region -> share of the pixels of all clips.
        openings: histogram over `OPENING_EDGES`, shares of the moments.
        unseen_share: share of all frames without a face.
        quarantined: how many clips are in the quarantine.
        clips: notes on every clip.
    """

    root: str
    scheme: str
    sizes: list[int]
    splits: dict[str, dict[str, float]]
    class_shares: dict[str, float]
    openings: list[float]
    unseen_share: float
    quarantined: int
    clips: list[ClipNotes]

    @property
    def suspects(self) -> list[ClipNotes]:
        """Clips with a warning, those with most of them first."""
        found = [notes for notes in self.clips if notes.warnings]
        return sorted(found, key=lambda notes: (-len(notes.warnings), notes.clip_id))

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)


def report_on(root: str | Path, *, progress: bool = True) -> FolderReport:
    """Look at every clip of a folder, or of a pack.

    Args:
        root: clip folder.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: no such folder, no clip in it, or a file of a clip is missing.
        ValueError: a damaged manifest.
    """
    from segkit.progress import counted, progress_bars

    folder = ClipFolder(root)
    clips = folder.clips(None)
    with progress_bars(show=progress) as bars:
        notes = [
            clip_notes(clip, folder.scheme) for clip in counted(clips, bars, "clips", len(clips))
        ]
    pixels = np.sum([clip.entry["mask"]["pixels"] for clip in clips], 0, dtype=np.float64)
    openings = np.concatenate([one.openings for one in notes])
    counts = np.histogram(openings, OPENING_EDGES)[0]
    frames = [clip.num_frames for clip in clips]
    return FolderReport(
        root=str(root),
        scheme=folder.scheme.name,
        sizes=sorted({clip.size for clip in clips}),
        splits=_splits(notes),
        class_shares=dict(
            zip(folder.scheme.regions, (pixels / pixels.sum()).tolist(), strict=True)
        ),
        openings=(counts / max(1, counts.sum())).tolist(),
        unseen_share=float(np.average([one.unseen_share for one in notes], weights=frames)),
        quarantined=len(Quarantine(root).entries),
        clips=notes,
    )


def clip_notes(clip: Clip, scheme: RegionScheme) -> ClipNotes:
    """Look at one clip.

    Args:
        clip: any clip.
        scheme: of its masks.
    """
    moments = moments_of(clip.num_frames, _NUM_MOMENTS)
    waveform = clip.waveform.numpy().astype(np.float64)
    masks = clip.masks(moments)
    lips = np.isin(masks, scheme.lip_labels).sum((1, 2))
    mouth = (masks == scheme.index("mouth")).sum((1, 2))
    seen = sum(stop - first for first, stop in clip.valid_ranges)
    there = mouth + lips > 0
    notes = ClipNotes(
        clip_id=clip.clip_id,
        person_id=str(clip.entry["person_id"]),
        split=str(clip.entry["split"]),
        seconds=clip.num_frames / FPS,
        loudness_db=float(10 * np.log10(max(1e-10, (waveform**2).mean()))),
        unseen_share=1 - seen / clip.num_frames,
        lipless_share=float((lips == 0).mean()),
        still_share=_still_share(clip, moments),
        enlargement=_enlargement(clip),
        openings=(mouth[there] / (mouth + lips)[there]).tolist(),
    )
    notes.warnings.extend(_warnings(notes))
    return notes


def moments_of(num_frames: int, count: int) -> list[int]:
    """Return up to ``count`` frame numbers, spread evenly over a clip."""
    return sorted(set(np.linspace(0, num_frames - 1, count).round().astype(int).tolist()))


def _still_share(clip: Clip, moments: Sequence[int]) -> float:
    starts = [moment for moment in moments if moment + 1 < clip.num_frames]
    if not starts:
        return 0.0
    wanted = sorted({frame for start in starts for frame in (start, start + 1)})
    frames = dict(zip(wanted, clip.frames(wanted).astype(np.int16), strict=True))
    changes = [np.abs(frames[start + 1] - frames[start]).mean() for start in starts]
    return float((np.array(changes) < STILL_LEVEL).mean())


def _enlargement(clip: Clip) -> float | None:
    transforms = clip.extra().get("transforms")
    if transforms is None:
        return None
    return float(np.sqrt(np.abs(np.linalg.det(transforms[:, :, :2]))).mean())


def _warnings(notes: ClipNotes) -> Iterator[str]:
    if notes.loudness_db < QUIET_DB:
        yield f"near-silent sound ({notes.loudness_db:.0f} dB)"
    if notes.still_share > STILL_SHARE:
        yield f"frozen picture ({notes.still_share:.0%} of the moments)"
    if notes.lipless_share > LIPLESS_SHARE:
        yield f"masks without lips ({notes.lipless_share:.0%})"
    if notes.unseen_share > UNSEEN_SHARE:
        yield f"no face in {notes.unseen_share:.0%} of the frames"
    if notes.enlargement is not None and notes.enlargement > ENLARGED:
        yield f"tiny face, enlarged {notes.enlargement:.1f} times"


def _splits(notes: Sequence[ClipNotes]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for split in sorted({one.split for one in notes}):
        part = [one for one in notes if one.split == split]
        found[split] = {
            "clips": len(part),
            "persons": len({one.person_id for one in part}),
            "seconds": round(sum(one.seconds for one in part), 2),
        }
    return found
