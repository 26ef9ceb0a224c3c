"""Rows and seeds to one table: means, spread, and whether an ablation falls behind as published."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segkit.benchmark.rows import ROWS, TABLE_2
from segkit.benchmark.scoring import Score

COLUMNS = {
    "PSNR/psnr": "PSNR ↑",
    "SSIM/ssim": "SSIM ↑",
    "LPIPS/lpips": "LPIPS ↓",
    "FID/fid": "FID ↓",
    "FVD/fvd": "FVD ↓",
    "PSNR-mouth/psnr": "mouth PSNR ↑",
    "LPIPS-mouth/lpips": "mouth LPIPS ↓",
    "LMD/M": "M-LMD ↓",
    "LMD/F": "F-LMD ↓",
    "Sync/lse_c": "Sync ↑",
    "Sync/lse_d": "LSE-D ↓",
    "SyncExpert/lse_c": "Sync (own judge) ↑",
    "Mouth/opening": "opening ↑",
    "IoU/opening": "mask opening ↑",
    "CSIM/csim": "CSIM ↑",
    "CSIM-dlib/csim": "CSIM-dlib ↑",
    "IoU/miou": "mIoU ↑",
    "IoU/lips_and_mouth": "mouth IoU ↑",
    "tOF/tof": "tOF ↓",
}
"""Value in a report -> heading, in order; one that no row has is left out."""

OWN_TITLES = {
    "fitted": "SegTalker, fitted",
    "unfitted": "SegTalker, built in",
    "wav2lip": "Wav2Lip",
    "wav2lip_pasted": "Wav2Lip, pasted",
    "still": "still frame",
    "units": "unit selection",
}
"""Methods of one's own films in tables."""

PUBLISHED_TABLE_2 = {
    "no_prior_learning": {"Sync": 5.314, "FID": 28.254, "PSNR": 28.685, "SSIM": 0.847},
    "no_cross_entropy": {"Sync": 3.126, "FID": 63.264, "PSNR": 14.257, "SSIM": 0.479},
    "no_syncnet": {"Sync": 4.174, "FID": 10.647, "PSNR": 32.036, "SSIM": 0.913},
    "ours": {"Sync": 6.872, "FID": 10.348, "PSNR": 33.590, "SSIM": 0.934},
}
"""The paper's table 2 (HDTF, full size): for the direction, not to compare numbers."""


@dataclass(frozen=True)
class Cell:
    """A number of a row.

    Attributes:
        mean: over seeds.
        spread: standard deviation over seeds (n - 1); None for a single one.
        values: of the seeds.
    """

    mean: float
    spread: float | None
    values: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        """Write mean and spread with four significant digits."""
        text = f"{self.mean:.4g}"
        return text if self.spread is None else f"{text} ± {self.spread:.2g}"


def tabulate(scores: Sequence[Score]) -> dict[str, dict[str, Cell]]:
    """Return row -> value -> cell, in the order of the rows."""
    table: dict[str, dict[str, Cell]] = {}
    for row in ROWS:
        mine = [score for score in scores if score.row == row.key]
        cells = {}
        for name in COLUMNS:
            values = [score.values[name] for score in mine if name in score.values]
            values = [value for value in values if np.isfinite(value)]
            if values:
                spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
                cells[name] = Cell(float(np.mean(values)), spread, values)
        if cells:
            table[row.key] = cells
    return table


def columns_of(table: Mapping[str, Mapping[str, Cell]]) -> list[str]:
    """Return the values that any row has, in order."""
    return [name for name in COLUMNS if any(name in cells for cells in table.values())]


def behind(scores: Sequence[Score]) -> dict[str, dict[str, tuple[int, int]]]:
    """Count, for each ablation, in how many seeds it is worse than the whole method.

    Only runs of one seed are compared, which share all that was not taken away.

    Returns:
        Ablation -> value -> ``(worse, compared)``.
    """
    whole = {score.seed: score.values for score in scores if score.row == "ours"}
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for score in scores:
        if score.row not in TABLE_2 or score.row == "ours" or score.seed not in whole:
            continue
        for name, heading in COLUMNS.items():
            one, other = score.values.get(name), whole[score.seed].get(name)
            if one is None or other is None or not np.isfinite([one, other]).all():
                continue
            worse = one < other if heading.endswith("↑") else one > other
            before = found.setdefault(score.row, {}).get(name, (0, 0))
            found[score.row][name] = (before[0] + worse, before[1] + 1)
    return found


def markdown(scores: Sequence[Score], *, facts: Mapping[str, str]) -> str:
    """Return the table as a document, with what made it."""
    table = tabulate(scores)
    names = columns_of(table)
    titles = {row.key: row.title for row in ROWS}
    lines = ["# Benchmark", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "| method | " + " | ".join(COLUMNS[name] for name in names) + " |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for key, cells in table.items():
        row = [str(cells[name]) if name in cells else "" for name in names]
        lines.append(f"| {titles[key]} | " + " | ".join(row) + " |")
    lines += ["", "Mean over seeds ± standard deviation.", ""]
    lines += _directions(scores)
    return "\n".join(lines) + "\n"


def _directions(scores: Sequence[Score]) -> list[str]:
    titles = {row.key: row.title for row in ROWS}
    found = behind(scores)
    if not found:
        return []
    lines = ["## Worse than the whole method, in how many seeds", ""]
    names = [name for name in COLUMNS if any(name in cells for cells in found.values())]
    lines.append("| ablation | " + " | ".join(COLUMNS[name] for name in names) + " |")
    lines.append("|---" * (len(names) + 1) + "|")
    for key, cells in found.items():
        row = ["{} of {}".format(*cells[name]) if name in cells else "" for name in names]
        lines.append(f"| {titles[key]} | " + " | ".join(row) + " |")
    lines += [
        "",
        "For the direction, the paper's table 2 (HDTF, full size; no number compares):",
        "",
    ]
    lines += ["| | Sync ↑ | FID ↓ | PSNR ↑ | SSIM ↑ |", "|---" * 5 + "|"]
    lines += [
        f"| {titles[key]} | " + " | ".join(f"{value:g}" for value in values.values()) + " |"
        for key, values in PUBLISHED_TABLE_2.items()
    ]
    return lines


def own_markdown(scores: Mapping[str, Sequence[Score]], *, facts: Mapping[str, str]) -> str:
    """Return the tables of one's own films as a document."""
    lines = ["# Benchmark on own films", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    for film, found in scores.items():
        names = [name for name in COLUMNS if any(name in score.values for score in found)]
        lines += [
            "",
            f"## {film}",
            "",
            "| method | " + " | ".join(COLUMNS[n] for n in names) + " |",
        ]
        lines.append("|---" * (len(names) + 1) + "|")
        for score in found:
            cells = [f"{score.values[n]:.4g}" if n in score.values else "" for n in names]
            lines.append(f"| {OWN_TITLES.get(score.row, score.row)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_own_table(
    out: str | Path, scores: Mapping[str, Sequence[Score]], *, facts: Mapping[str, str]
) -> Path:
    """Write ``table.md`` and ``table.json`` of one's own films.

    Returns:
        The document.
    """
    plain = {
        film: [{"row": score.row, "values": score.values} for score in found]
        for film, found in scores.items()
    }
    return _write(out, own_markdown(scores, facts=facts), {"facts": dict(facts), "films": plain})


def write_table(out: str | Path, scores: Sequence[Score], *, facts: Mapping[str, str]) -> Path:
    """Write ``table.md`` and ``table.json``; each appears whole or not at all.

    Returns:
        The document.
    """
    rows = [{"row": score.row, "seed": score.seed, "values": score.values} for score in scores]
    return _write(out, markdown(scores, facts=facts), {"facts": dict(facts), "scores": rows})


def _write(out: str | Path, document: str, content: dict[str, Any]) -> Path:
    texts = {"table.json": json.dumps(content, indent=1) + "\n", "table.md": document}
    for name, text in texts.items():
        part = Path(out) / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, Path(out) / name)
    return Path(out) / "table.md"
