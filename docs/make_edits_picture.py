"""Draw docs/images/edits.png: every edit on a drawn person, by the built-in model alone.

Run it from anywhere: ``python docs/make_edits_picture.py [--out FILE]``. It takes two minutes and
needs the extra ``synth``; nothing of a real person goes into the picture. With ``--face`` and
``--donor`` the same edits are shown on pictures of one's own.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

SIZE = 384
PERSON = 916
DONORS = {"hair": 917, "lip": 915, "eyebrows": 900, "eyes": 909, "skin": 915}
WITH_SKIN = ("nose", "ears", "neck", "eyebrows")
"""The skin alone would leave a face of two colours."""
MOMENT_S = 0.16
"""Of the frame that is shown; the mouth is open there."""

MASK_FUNCTION = """
import cv2
import numpy as np


def fuller_lips(labels, time_s, scheme):
    lip, skin = scheme.index("lip"), scheme.index("skin")
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    wider = cv2.dilate((labels == lip).astype(np.uint8), brush) > 0
    labels[wider & (labels == skin)] = lip
    return labels
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "images/edits.png")
    options.add_argument("--face", type=Path, help="picture to edit instead of the drawn person")
    options.add_argument("--donor", type=Path, help="picture that all regions are taken from")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cells = draw_cells(Path(folder), chosen.face, chosen.donor)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    grid(cells).save(chosen.out, optimize=True)


def draw_cells(folder: Path, face: Path | None, donor: Path | None) -> list[tuple[str, np.ndarray]]:
    """Return titles and pictures."""
    from segkit.audio import save_wav
    from segkit.synthetic import Voice, portrait, speak
    from segkit.talk.sources import read_picture

    def person(name: str, seed: int) -> Path:
        path = folder / f"{name}.png"
        Image.fromarray(portrait(seed, size=SIZE)[0]).save(path)
        return path

    face = face or person("person", PERSON)
    donors = {region: donor or person(region, seed) for region, seed in DONORS.items()}
    picture = read_picture(face)
    room = folder / "room.png"
    Image.fromarray(landscape(SIZE)).save(room)
    (folder / "mine.py").write_text(MASK_FUNCTION)
    words = speak("Far more", Voice("en-us", "f2", 55, 55, 150)).waveform
    save_wav(folder / "words.wav", torch.from_numpy(words))
    edits = {
        "talking, no edit": {},
        "half a blink": {"blinks": [f"0.5@{MOMENT_S}"]},
        "blink": {"blinks": [f"1@{MOMENT_S}"]},
        **{
            f"swap {region}": {"swaps": [f"{part}={path}" for part in (region, *also(region))]}
            for region, path in donors.items()
        },
        "swap lip, strength 0.5": {"swaps": [f"lip={donors['lip']}@0.5"]},
        "background: image": {"background": room},
        "background: colour": {"background": "#204060"},
        "background: blur": {"background": "blur"},
        "mask function: fuller lips": {"mask_edits": [f"{folder / 'mine.py'}:fuller_lips"]},
    }
    cells = [("original", picture)]
    for title, edit in edits.items():
        cells.append((title, edited(folder, face, edit)))
    for region, path in donors.items():
        cells.append((f"donor of the {region}", read_picture(path)))
    return cells


def also(region: str) -> tuple[str, ...]:
    """Return what is swapped with a region."""
    return WITH_SKIN if region == "skin" else ()


def edited(folder: Path, face: Path, edit: dict) -> np.ndarray:
    """Let the face talk with one edit, and return a frame."""
    from segkit.talk.pipeline import talk
    from segkit.video import VideoReader

    out = folder / "out.mp4"
    talk(
        out=out, image=face, audio=folder / "words.wav", crf=4, force=True, progress=False,
        credentials=False, **edit,
    )  # fmt: skip
    with VideoReader(out) as reader:
        return next(frame.image for frame in reader if frame.time_s >= MOMENT_S - 1e-6)


def landscape(size: int) -> np.ndarray:
    """Draw a sky, a sun and hills, to be put behind somebody."""
    rows, columns = np.mgrid[:size, :size] / size
    sky = np.stack([0.45 + 0.5 * rows, 0.65 + 0.2 * rows, 0.95 - 0.25 * rows], -1)
    sun = np.hypot(rows - 0.2, columns - 0.82) < 0.08
    sky[sun] = (1.0, 0.95, 0.7)
    for height, colour in ((0.62, (0.35, 0.5, 0.45)), (0.75, (0.2, 0.38, 0.28))):
        hill = rows > height + 0.07 * np.sin(9 * columns + 40 * height)
        sky[hill] = colour
    return (255 * sky).astype(np.uint8)


def grid(cells: list[tuple[str, np.ndarray]], *, across: int = 5, side: int = 232) -> Image.Image:
    """Lay titled pictures out in rows."""
    gap, line = 8, 20
    down = -(-len(cells) // across)
    sheet = Image.new(
        "RGB", (across * (side + gap) + gap, down * (side + line + gap) + gap), "white"
    )
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, (title, picture) in enumerate(cells):
        left = gap + (number % across) * (side + gap)
        top = gap + (number // across) * (side + line + gap)
        pen.text((left, top), title, fill="black", font=font)
        shown = Image.fromarray(picture)
        shown.thumbnail((side, side), Image.Resampling.LANCZOS)
        sheet.paste(shown, (left, top + line))
    return sheet


if __name__ == "__main__":
    main()
