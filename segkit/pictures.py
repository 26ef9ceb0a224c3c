"""Read a picture file as it looks: upright, on white, of a bearable size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segkit.media import MediaError

_MAX_PICTURE_SIDE = 16_384


def read_picture(path: str | Path) -> np.ndarray:
    """Read a picture as uint8 RGB ``H W 3``, upright, with transparency on white.

    Raises:
        FileNotFoundError: no such file.
        MediaError: empty, damaged, or not a picture.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"picture {path} not found")
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            if "A" in picture.getbands() or "transparency" in picture.info:
                picture = Image.alpha_composite(
                    Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")
                )
            image = np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise MediaError(f"{path} is no readable picture ({error}); give a jpg or png") from error
    if max(image.shape) > _MAX_PICTURE_SIDE:
        raise MediaError(
            f"{path}: {image.shape[1]} x {image.shape[0]} pixels are too many; shrink it first"
        )
    return np.ascontiguousarray(image)
