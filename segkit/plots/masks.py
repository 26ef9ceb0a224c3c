"""`plot_masks`: masks over time, from a clip's own speech and from another clip's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from segkit.clips import Clip, ClipFolder
from segkit.plots.clip_codes import check_scheme
from segkit.plots.figures import check_outputs, require_plot_libraries, save_figure
from segkit.plots.mask_picture import SpokenRow, mask_figure
from segkit.plots.spoken_masks import (
    Moments,
    moments_of_clip,
    moments_of_video,
    mouth_overlap,
    spoken_masks,
)
from segkit.talk.bundle import Bundle, load_bundle


def plot_masks(
    data: str | Path | None = None,
    *,
    out: str | Path,
    split: str | None = "test",
    clip: str | None = None,
    video: str | Path | None = None,
    model: str | Path | None = None,
    num_frames: int = 8,
    force: bool = False,
) -> dict[str, Any]:
    """Draw figure 4 for a model: the masks that speech gives to a face, beside the true ones.

    Args:
        data: clip folder; give this or ``video``.
        out: picture to write (.png, .svg or .pdf).
        split: of the clips; None takes all.
        clip: id of a clip; None takes the first one.
        video: film of one person with sound; `MeshParser`'s masks stand for the true ones.
        model: bundle; None takes the built-in one.
        num_frames: columns, evenly spread over the clip.
        force: replace an existing picture.

    Returns:
        ``clip``, ``other`` (None where no other clip is there), ``times_s``, and the IoU of lips
        and mouth as one region per column: ``own_speech``, ``other_speech``.

    Raises:
        FileExistsError: the picture is there and ``force`` is not set.
        FileNotFoundError: no clip folder, split, film or model.
        KeyError: no clip of that id.
        ValueError: both or none of ``data`` and ``video``; no face; masks of another scheme.
        ImportError: matplotlib is not installed.
    """
    if (data is None) == (video is None):
        raise ValueError("masks: give either a clip folder (--data) or a film (--video)")
    require_plot_libraries()
    check_outputs(Path(out), record=False, force=force)
    bundle = load_bundle(model)
    moments, other = (
        _of_folder(ClipFolder(data), split, clip, bundle, num_frames)
        if data is not None
        else (_of_film(video, bundle, num_frames), None)
    )
    rows = [_row("its own", bundle, moments, moments.waveform)]
    if other is not None:
        rows.append(_row("another clip's", bundle, moments, other.waveform))
    figure = mask_figure(
        moments,
        rows,
        scheme=bundle.scheme,
        title=f"Masks that speech gives to {moments.name}",
        truth_name="true mask" if video is None else "parsed mask",
        note="" if other is None else f"The other speech is that of {other.clip_id}.",
    )
    save_figure(figure, out, force=force)
    return {
        "clip": moments.name,
        "other": None if other is None else other.clip_id,
        "times_s": moments.times_s,
        "own_speech": _rounded(rows[0].overlaps),
        "other_speech": None if other is None else _rounded(rows[1].overlaps),
    }


def _of_film(path: str | Path | None, bundle: Bundle, num_frames: int) -> Moments:
    from segkit.parser_choice import build_parser

    assert path is not None
    return moments_of_video(
        path, bundle, parser=build_parser(scheme=bundle.scheme), num_frames=num_frames
    )


def _of_folder(
    folder: ClipFolder, split: str | None, wanted: str | None, bundle: Bundle, num_frames: int
) -> tuple[Moments, Clip | None]:
    """Read the clip to show, and find another to listen to, if possible of another person."""
    check_scheme(bundle, folder)
    clips = folder.clips(split)
    names = [clip.clip_id for clip in clips]
    if wanted is not None and wanted not in names:
        some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise KeyError(f"clip folder {folder.root} has no clip {wanted!r} in this split: {some}")
    place = 0 if wanted is None else names.index(wanted)
    # Half the folder away, as neighbours may be of one person.
    others = [clips[(place + len(clips) // 2 + step) % len(clips)] for step in range(len(clips))]
    strangers = sorted(
        (clip for clip in others if clip.clip_id != names[place]),
        key=lambda clip: clip.entry["person_id"] == clips[place].entry["person_id"],
    )
    moments = moments_of_clip(clips[place], bundle, num_frames=num_frames)
    return moments, (strangers[0] if strangers else None)


def _row(name: str, bundle: Bundle, moments: Moments, waveform: Tensor) -> SpokenRow:
    masks = spoken_masks(bundle, moments, waveform)
    overlaps = mouth_overlap(masks, moments.labels, scheme=bundle.scheme)
    return SpokenRow(name, masks, overlaps, waveform)


def _rounded(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]
