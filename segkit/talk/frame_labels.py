"""Masks in the film: labels of the aligned crop laid back onto the frame, and painted there."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from segkit.regions import RegionScheme
from segkit.talk.stream import Shot

OUTSIDE = 255
"""Label of frame pixels that no crop covers."""


def labels_in_frame(
    labels: np.ndarray, transform: np.ndarray, *, height: int, width: int
) -> np.ndarray:
    """Lay a label map over the frame that its crop was cut from.

    Args:
        labels: uint8 ``S S`` of the crop.
        transform: ``2 3``, frame to crop.
        height: of the frame.
        width: of the frame.

    Returns:
        uint8 ``H W``; ``OUTSIDE`` where the crop does not reach.
    """
    # OpenCV counts from the centre of the first pixel, our transforms from its corner.
    centred = transform.copy()
    centred[:, 2] += transform[:, :2].sum(1) / 2 - 0.5
    return cv2.warpAffine(
        labels,
        centred,
        (width, height),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=OUTSIDE,
    )


def overlaid(
    frame: np.ndarray, labels: np.ndarray, *, scheme: RegionScheme, opacity: float = 0.55
) -> np.ndarray:
    """Paint the regions of a frame in their colours, the background left as it is.

    Args:
        frame: uint8 RGB ``H W 3``.
        labels: uint8 ``H W`` from `labels_in_frame`.
        scheme: colours of the labels.
        opacity: of the paint.
    """
    known = (labels < len(scheme)) & (labels != scheme.index("background"))
    paint = scheme.colourise(np.where(known, labels, 0)).astype(np.float32)
    mixed = np.rint(frame + opacity * (paint - frame)).astype(np.uint8)
    return np.where(known[..., None], mixed, frame)


class MaskArchive:
    """A zip file of one palette PNG per frame; it appears whole or not at all.

    The pixel values are labels; where no face was found they are ``OUTSIDE``.

    Args:
        path: of the zip file; replaced if it is there.
        scheme: names and colours of the labels; ``regions.txt`` in the archive lists them.
    """

    def __init__(self, path: str | Path, *, scheme: RegionScheme) -> None:
        self._path, self._scheme = Path(path), scheme
        self._part = self._path.with_name(f".{self._path.name}.part")
        # PNG is compressed already.
        self._archive = zipfile.ZipFile(self._part, "w", zipfile.ZIP_STORED)
        self._archive.writestr(
            "regions.txt",
            "".join(f"{label} {name}\n" for label, name in enumerate(scheme.regions))
            + f"{OUTSIDE} outside\n",
        )
        self._num_frames = 0

    def add(self, shot: Shot) -> None:
        """Add the mask that the next frame was drawn by."""
        from io import BytesIO

        from PIL import Image

        height, width = shot.frame.shape[:2]
        labels = np.full((height, width), OUTSIDE, np.uint8)
        if shot.spoken is not None and shot.transform is not None:
            labels = labels_in_frame(shot.spoken, shot.transform, height=height, width=width)
        picture = Image.fromarray(labels, mode="P")
        picture.putpalette(self._scheme.palette())
        buffer = BytesIO()
        picture.save(buffer, format="PNG")
        self._archive.writestr(f"{self._num_frames:06d}.png", buffer.getvalue())
        self._num_frames += 1

    def __enter__(self) -> MaskArchive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._archive.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def archived(
    shots: Iterator[Shot], path: str | Path | None, *, scheme: RegionScheme
) -> Iterator[Shot]:
    """Pass frames on, and keep their masks in a `MaskArchive`; without a path only pass them."""
    if path is None:
        yield from shots
        return
    with MaskArchive(path, scheme=scheme) as archive:
        for shot in shots:
            archive.add(shot)
            yield shot
