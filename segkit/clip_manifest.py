"""The table of contents of a clip folder: manifest.jsonl, and stats.json with the class weights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segkit import __version__
from segkit.contracts import FPS

MANIFEST = "manifest.jsonl"
STATS = "stats.json"
WEIGHT_CAP = 20.0

CROP_DEFINITION = {"type": "similarity", "eyes": [0.5, 0.42], "mouth": [0.5, 0.66], "version": 1}
"""Where eye midpoint and mouth centre lie in every crop, as fractions of its sides."""


def write_manifest(root: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write manifest.jsonl and stats.json for the clips of a folder.

    Args:
        root: the clip folder.
        entries: what `write_clip` returned, in any order; replaces an older manifest.

    Raises:
        ValueError: two entries of one id, clips of different region schemes, or a person in two
            splits.
    """
    ordered = sorted((dict(entry) for entry in entries), key=lambda entry: entry["id"])
    ids = [entry["id"] for entry in ordered]
    if len(set(ids)) < len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})
        raise ValueError(f"manifest: clip ids must be unique, got {', '.join(twice)} twice")
    schemes = {entry["mask"]["scheme"] for entry in ordered}
    if len(schemes) > 1:
        raise ValueError(
            f"manifest: one region scheme per folder, got {', '.join(sorted(schemes))}"
        )
    homes: dict[str, str] = {}
    for entry in ordered:
        if homes.setdefault(entry["person_id"], entry["split"]) != entry["split"]:
            raise ValueError(
                f"manifest: person {entry['person_id']!r} is in two splits; keep persons apart"
            )
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in ordered)
    write_text(root / MANIFEST, lines)
    write_text(root / STATS, json.dumps(_stats(ordered), indent=1, sort_keys=True) + "\n")


def class_weights(frequencies: Sequence[float], *, cap: float = WEIGHT_CAP) -> list[float]:
    """Weight classes inversely to their area, the mean weight of a pixel being one.

    Each weight is ``min(cap, scale / frequency)`` with the one scale for which ``sum(frequency *
    weight) = 1``, so the cap does not shrink the loss. A class that never occurs gets the cap.

    Args:
        frequencies: share of the pixels of each class; sums to 1.
        cap: largest weight, above 1.

    Returns:
        One weight per class.

    Source: equation 2 (w_c "inversely proportional to area"). Paper: normalisation and cap not
    given; ours: above.
    """
    shares = np.asarray(frequencies, np.float64)
    present = np.sort(shares[shares > 0])
    # The rarest classes reach the cap first: find how many, then the scale follows.
    for num_capped in range(len(present)):
        scale = (1 - cap * present[:num_capped].sum()) / (len(present) - num_capped)
        if scale / present[num_capped] <= cap:
            break
    with np.errstate(divide="ignore"):
        return np.minimum(cap, scale / shares).tolist()


def _stats(entries: list[dict[str, Any]]) -> dict[str, Any]:
    import torch

    train = [entry for entry in entries if entry["split"] == "train"]
    pixels = (
        np.sum([entry["mask"]["pixels"] for entry in train], 0, dtype=np.float64) if train else None
    )
    shares = None if pixels is None else pixels / pixels.sum()
    return {
        "scheme": entries[0]["mask"]["scheme"] if entries else None,
        "class_frequencies": None if shares is None else shares.tolist(),
        "class_weights": None if shares is None else class_weights(shares.tolist()),
        "class_weight_cap": WEIGHT_CAP,
        "fps": FPS,
        "sizes": sorted({entry["size"] for entry in entries}),
        "crop": CROP_DEFINITION,
        "clips": {
            split: sum(e["split"] == split for e in entries)
            for split in sorted({e["split"] for e in entries})
        },
        "frames": sum(entry["n_frames"] for entry in entries),
        "versions": {"segkit": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }


def write_text(path: Path, text: str) -> None:
    """Write a text file; it appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
