"""Who speaks in a file, and which persons are held out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path


def person_of_file(video: Path, source: Path) -> str:
    """Read the person from a file's name, as data sets of talking heads write it.

    Digits, ``_``, ``-``, ``.`` and blanks at the end are a clip's number: ``RD_Radio10_000.mp4``
    is person ``RD_Radio``. So two people of one name count as one, never one as two. Where nothing
    else is left (``00017.mp4``) the sub-folder names the person, or else the whole name does.

    Args:
        video: path of the file.
        source: folder of the data set, above it.
    """
    name = re.sub(r"[\d_\-. ]+$", "", video.stem)
    if name:
        return name
    folder = video.parent.relative_to(source) if video.is_relative_to(source) else Path()
    return folder.as_posix() if folder.parts else video.stem


def split_people(people: Iterable[str], *, val_fraction: float) -> dict[str, str]:
    """Assign each person to ``"train"`` or ``"val"``, the same way every time.

    A person's place depends on a hash of the name, so more data does not move the others; only the
    rule of at least one person on either side may.

    Args:
        people: names; repeats do not matter.
        val_fraction: expected share held out; 0 for none. Above it, two persons or more give at
            least one to each split.

    Raises:
        ValueError: a fraction outside [0, 1).
    """
    if not 0 <= val_fraction < 1:
        raise ValueError(f"val_fraction: expected 0 <= fraction < 1, got {val_fraction}")
    places = {person: _place(person) for person in set(people)}
    order = sorted(places, key=lambda person: (places[person], person))
    num_val = sum(place < val_fraction for place in places.values())
    if val_fraction > 0 and len(order) > 1:
        num_val = min(max(num_val, 1), len(order) - 1)
    elif len(order) == 1:
        num_val = 0  # the only person trains
    return {person: "val" if rank < num_val else "train" for rank, person in enumerate(order)}


def _place(person: str) -> float:
    digest = hashlib.sha256(person.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
