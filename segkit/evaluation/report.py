"""A report as JSON for programs and as Markdown for people."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segkit.evaluation.run import Report

_ARROWS = {"up": "↑", "down": "↓"}


def write_report(folder: str | Path, report: Report, *, inputs: dict[str, str]) -> list[Path]:
    """Write ``report.json`` and ``report.md``; each appears whole or not at all.

    Args:
        folder: made if it is not there.
        report: of `segkit.evaluation.run.evaluate`.
        inputs: what was compared, for the record.

    Returns:
        The files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = {"inputs": inputs, **_plain(asdict(report))}
    texts = {
        "report.json": json.dumps(content, indent=1, allow_nan=False) + "\n",
        "report.md": markdown(report, inputs=inputs),
    }
    for name, text in texts.items():
        part = folder / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, folder / name)
    return [folder / name for name in texts]


def rows_of(report: Report) -> list[tuple[str, str, str, str, str]]:
    """Return a row per number: its name, value, better direction, how many, and definition."""
    rows = []
    for name, value in report.values.items():
        prefix, _, short = name.partition("/")
        if _is_count(short):
            continue
        key = report.prefixes.get(prefix, prefix)
        count = report.values.get(f"{prefix}/n", report.values.get(f"{prefix}/n_clips"))
        rows.append(
            (
                name,
                format_number(value),
                _ARROWS.get(report.directions.get(key, ""), ""),
                "" if count is None else format_number(count),
                report.definitions.get(key, ""),
            )
        )
    return rows


def markdown(report: Report, *, inputs: dict[str, str]) -> str:
    """Return the report as a document."""
    lines = ["# Evaluation", ""]
    lines += [f"- {name}: `{value}`" for name, value in inputs.items()]
    lines += ["", "| number | value | better | n | definition |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows_of(report)]
    if report.skipped:
        lines += ["", "## Not measured", ""]
        lines += [f"- {key}: {reason}" for key, reason in report.skipped.items()]
    names = dict.fromkeys(name for numbers in report.clips.values() for name in numbers)
    columns = [name for name in names if not _is_count(name.rpartition("/")[2])]
    if columns:
        lines += ["", "## Clips", "", "| clip | " + " | ".join(columns) + " |"]
        lines.append("|---" * (len(columns) + 1) + "|")
        for clip, numbers in report.clips.items():
            cells = [format_number(numbers[c]) if c in numbers else "" for c in columns]
            lines.append(f"| {clip} | " + " | ".join(cells) + " |")
    if report.problems:
        lines += ["", "## Worth knowing", ""]
        lines += [
            f"- {clip}{' (left out)' if clip in report.failed else ''}: {sentence}"
            for clip, sentences in report.problems.items()
            for sentence in sentences
        ]
    return "\n".join(lines) + "\n"


def format_number(value: float) -> str:
    """Write a number with four significant digits; a count as it is."""
    if math.isnan(value):
        return "not measured"
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:.4g}"


def _is_count(name: str) -> bool:
    """Tell whether a value says how much was measured, not how well."""
    return name in ("n", "trimmed") or name.startswith(("n_", "num_"))


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _plain(node: Any) -> Any:
    """Replace what JSON has no number for by text."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    if isinstance(node, float) and not math.isfinite(node):
        return str(node)
    return node
