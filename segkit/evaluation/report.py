"""A report as files: JSON for programs, Markdown for tickets and papers, a page for people."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from segkit.evaluation.compare import Comparison, comparison_markdown
from segkit.evaluation.html import html_report
from segkit.evaluation.results import Report
from segkit.evaluation.rows import clip_columns, format_number, rows_of, worst_first

__all__ = ["format_number", "markdown", "rows_of", "write_report"]


def write_report(
    folder: str | Path,
    report: Report,
    *,
    inputs: dict[str, str],
    compared: Comparison | None = None,
) -> list[Path]:
    """Write ``report.json``, ``report.md`` and ``report.html``; each appears whole or not at all.

    Args:
        folder: made if it is not there; holds the pictures of the frames shown.
        report: of `segkit.evaluation.run.evaluate`.
        inputs: what was compared, for the record.
        compared: published numbers to print beside it.

    Returns:
        The files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.json": _json(report, inputs),
        "report.md": markdown(report, inputs=inputs, compared=compared),
        "report.html": html_report(report, inputs=inputs, compared=compared),
    }
    for name, text in texts.items():
        part = folder / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, folder / name)
    return [folder / name for name in texts]


def markdown(report: Report, *, inputs: dict[str, str], compared: Comparison | None = None) -> str:
    """Return the report as a document."""
    lines = ["# Evaluation", ""]
    lines += [f"- {name}: `{value}`" for name, value in inputs.items()]
    lines += ["", "| number | value | better | n | definition |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows_of(report)]
    if report.skipped:
        lines += ["", "## Not measured", ""]
        lines += [f"- {key}: {reason}" for key, reason in report.skipped.items()]
    if compared is not None:
        lines += ["", *comparison_markdown(compared)]
    lines += _clips(report)
    if report.problems:
        lines += ["", "## Worth knowing", ""]
        lines += [
            f"- {clip}{' (left out)' if clip in report.failed else ''}: {sentence}"
            for clip, sentences in report.problems.items()
            for sentence in sentences
        ]
    return "\n".join(lines) + "\n"


def _clips(report: Report) -> Iterator[str]:
    """Yield the table of clips, each with links to its frames."""
    columns = clip_columns(report)
    name, clips = worst_first(report)
    if not clips:
        return
    yield from ("", "## Clips", "")
    if name and len(clips) > 1:
        yield from (f"The worst by {name} first; `report.json` has every number.", "")
    headings = ["clip", *columns, *(["frames"] if report.shown else [])]
    yield "| " + " | ".join(headings) + " |"
    yield "|---" * len(headings) + "|"
    for clip in clips:
        numbers = report.clips.get(clip, {})
        cells = [clip, *(format_number(numbers[c]) if c in numbers else "" for c in columns)]
        if report.shown:
            links = [
                f"[{frame.kind}]({quote(frame.file)})"
                for frame in report.shown.get(clip, [])
                if frame.file
            ]
            cells.append(" ".join(links))
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _json(report: Report, inputs: dict[str, str]) -> str:
    """Write the report as JSON: indented, but for the curves, which have a line for each clip."""
    content = {"inputs": inputs, **_plain(asdict(replace(report, curves={})))}
    del content["curves"]
    text = json.dumps(content, indent=1, allow_nan=False)
    lines = []
    for clip, curves in report.curves.items():
        points = {
            name: [None if math.isnan(value) else _plain(_short(value)) for value in values]
            for name, values in curves.items()
        }
        lines.append(f"  {json.dumps(clip)}: {json.dumps(points, allow_nan=False)}")
    body = "{\n" + ",\n".join(lines) + "\n }" if lines else "{}"
    return text.removesuffix("\n}") + f',\n "curves": {body}\n}}\n'


def _short(value: float) -> float:
    """Keep five digits: a curve is looked at, and hundreds of clips have many."""
    return float(f"{value:.5g}")


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


def _plain(node: Any) -> Any:
    """Replace what JSON has no number for by text."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    if isinstance(node, float) and not math.isfinite(node):
        return str(node)
    return node
