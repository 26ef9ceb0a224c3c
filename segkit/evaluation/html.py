"""A report as one page: static, self-contained but for its pictures, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape
from importlib import resources
from itertools import groupby

from segkit import __version__
from segkit.evaluation.compare import ComparedRow, Comparison
from segkit.evaluation.html_clips import ClipPages
from segkit.evaluation.results import Report
from segkit.evaluation.rows import ARROWS, Row, format_number, headlines, is_count, number_rows

_BETTER = {"up": "higher", "down": "lower"}

_FEW = 3
"""Reasons that stand open; more are folded."""

_MANY_PROBLEMS = 12
"""Sentences that stand open; more are folded."""


def html_report(
    report: Report, *, inputs: dict[str, str], compared: Comparison | None = None
) -> str:
    """Return the report as an HTML document.

    It loads nothing but pictures beside it, and its content security policy forbids the rest.

    Args:
        report: of `segkit.evaluation.run.evaluate`.
        inputs: what was compared.
        compared: published numbers to print beside it.
    """
    sections = {
        "numbers": ("Numbers", _numbers(report)),
        "problems": ("Worth knowing", _problems(report)),
        "skipped": ("Not measured", _skipped(report)),
        "compared": ("Beside published numbers", _compared(compared)),
        "clips": ("Clips", ClipPages(report).lines()),
    }
    filled = {key: (title, body) for key, (title, lines) in sections.items()
              if (body := list(lines))}  # fmt: skip
    lines = [
        *_head(inputs),
        "<body>",
        '<a class="skip" href="#numbers">Skip to the numbers</a>',
        *_header(report, inputs, {key: title for key, (title, _) in filled.items()}),
        "<main>",
    ]
    for key, (title, body) in filled.items():
        lines += [f'<section id="{key}" aria-labelledby="{key}-title">']
        lines += [f'<h2 id="{key}-title">{title}</h2>', *body, "</section>"]
    lines += ["</main>", *_footer(), "</body>", "</html>"]
    return "\n".join(lines) + "\n"


def _head(inputs: dict[str, str]) -> Iterator[str]:
    style = resources.files("segkit.evaluation").joinpath("report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src 'self' file:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    title = " – ".join(["Evaluation", *inputs.values()][:3])
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{escape(title)}</title>"
    yield f"<style>{style}</style>"
    yield "</head>"


def _header(report: Report, inputs: dict[str, str], titles: dict[str, str]) -> Iterator[str]:
    told = [_counted(len(report.clips), "clip") + " measured"]
    if report.failed:
        told.append(_counted(len(report.failed), "clip") + " left out")
    if report.skipped:
        told.append(_counted(len(report.skipped), "metric") + " not measured")
    yield "<header>"
    yield "<h1>Evaluation</h1>"
    yield f"<p>Predicted videos measured against the real ones: {', '.join(told)}.</p>"
    yield '<dl class="inputs">'
    for name, value in inputs.items():
        yield f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>"
    yield "</dl>"
    yield '<nav aria-label="Contents"><ul>'
    yield from (f'<li><a href="#{key}">{title}</a></li>' for key, title in titles.items())
    yield "</ul></nav>"
    yield "</header>"


def _numbers(report: Report) -> Iterator[str]:
    rows = number_rows(report)
    if not rows:
        yield "<p>Nothing was measured.</p>"
        return
    first = headlines(report.values)
    yield "<p>Over all clips; the arrow tells which way is better.</p>"
    yield from _number_table(report, [row for row in rows if row.name in first], title="Numbers")
    if others := [row for row in rows if row.name not in first]:
        yield f"<details><summary>{len(others)} more numbers</summary>"
        yield from _number_table(report, others, title="More numbers")
        yield "</details>"


def _number_table(report: Report, rows: list[Row], *, title: str) -> Iterator[str]:
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">'
    yield "<table>"
    yield "<thead><tr>"
    for column, kind in (("number", ""), ("value", "number"), ("unit", ""), ("better", ""),
                        ("n", "number"), ("what it is", "")):  # fmt: skip
        yield f'<th scope="col" class="{kind}">{column}</th>'
    yield "</tr></thead>"
    for _, group in groupby(rows, key=lambda row: row.name.partition("/")[0]):
        yield "<tbody>"
        same = list(group)
        for index, row in enumerate(same):
            yield from _number_row(report, row, span=len(same) if index == 0 else 0)
        yield "</tbody>"
    yield "</table>"
    yield "</div>"


def _number_row(report: Report, row: Row, *, span: int) -> Iterator[str]:
    """Yield a row; the first one of a metric also has what all of them share."""
    arrow = f"{ARROWS[row.direction]} {_BETTER[row.direction]}" if row.direction else ""
    yield f'<tr><th scope="row" class="name">{escape(row.name)}</th>'
    yield f'<td class="number value">{format_number(row.value)}</td>'
    yield f"<td>{escape(row.unit)}</td>"
    yield f'<td class="better">{arrow}</td>'
    if span:
        count = "" if row.count is None else format_number(row.count)
        yield f'<td class="number" rowspan="{span}">{count}{_other_counts(report, row)}</td>'
        yield f'<td class="definition" rowspan="{span}">{escape(row.definition)}</td>'
    yield "</tr>"


def _other_counts(report: Report, row: Row) -> str:
    """Return what else a metric counted, such as equal frames."""
    prefix = row.name.partition("/")[0]
    found = {
        name.partition("/")[2]: value
        for name, value in report.values.items()
        if name.partition("/")[0] == prefix and is_count(name.partition("/")[2])
    }
    found.pop("n" if "n" in found else "n_clips", None)
    return "".join(
        f"<small>{escape(name)} {format_number(value)}</small>" for name, value in found.items()
    )


def _skipped(report: Report) -> Iterator[str]:
    if not report.skipped:
        return
    opened = " open" if len(report.skipped) <= _FEW else ""
    yield f"<details{opened}><summary>{escape(', '.join(report.skipped))}</summary>"
    yield '<dl class="reasons">'
    for key, reason in report.skipped.items():
        yield f"<dt>{escape(key)}</dt><dd>{escape(reason)}</dd>"
    yield "</dl>"
    yield "</details>"


def _problems(report: Report) -> Iterator[str]:
    number = sum(map(len, report.problems.values()))
    if not number:
        return
    if number > _MANY_PROBLEMS:
        yield f"<details><summary>{_counted(number, 'sentence')} about "
        yield f"{_counted(len(report.problems), 'clip')}</summary>"
    yield '<ul class="plain">'
    for clip, sentences in report.problems.items():
        out = ' <span class="left-out">(left out)</span>' if clip in report.failed else ""
        for sentence in sentences:
            yield f"<li><b>{escape(clip)}</b>{out}: {escape(sentence)}</li>"
    yield "</ul>"
    if number > _MANY_PROBLEMS:
        yield "</details>"


def _compared(compared: Comparison | None) -> Iterator[str]:
    if compared is None:
        return
    yield '<div class="warning" role="note">'
    yield from (f"<p>{escape(sentence)}</p>" for sentence in compared.warnings)
    yield "</div>"
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Published numbers">'
    yield '<table class="compared">'
    yield "<thead><tr>"
    yield '<th scope="col">source</th><th scope="col">method</th><th scope="col">second hand</th>'
    for heading in compared.columns.values():
        # A line may break after the slash.
        title = "&nbsp;".join(escape(heading).rsplit(" ", 1)).replace("/", "/<wbr>")
        yield f'<th scope="col" class="number">{title}</th>'
    yield "</tr></thead>"
    for source, group in groupby(compared.rows, key=lambda row: row.source):
        yield from _source(source, list(group), columns=compared.columns)
    yield "</table>"
    yield "</div>"
    spreads = [spread.sentence() for spread in compared.spreads]
    yield from _titled("What was published for one and the same method", spreads)
    definitions = [f"{names}: {text}" for names, text in compared.definitions.items()]
    yield from _titled("What ours are", definitions)


def _source(source: str, rows: list[ComparedRow], *, columns: Iterable[str]) -> Iterator[str]:
    """Yield the rows of one table, its name and notes beside all of them."""
    yield '<tbody class="ours">' if rows[0].ours else "<tbody>"
    for index, row in enumerate(rows):
        yield "<tr>"
        if index == 0:
            told = "".join(f"<small>{escape(note)}</small>" for note in _notes(rows))
            span = f'scope="rowgroup" rowspan="{len(rows)}"'
            yield f'<th {span} class="source">{escape(source)}{told}</th>'
        yield f'<th scope="row">{escape(row.method)}</th>'
        yield f"<td>{'yes' if row.second_hand else ''}</td>"
        yield from (f'<td class="number">{escape(row.cell(column))}</td>' for column in columns)
        yield "</tr>"
    yield "</tbody>"


def _notes(rows: list[ComparedRow]) -> Iterator[str]:
    """Yield what is known of all rows, then what is known of some."""
    parts = {row.method: row.note.split("; ") for row in rows if row.note}
    for part in dict.fromkeys(part for found in parts.values() for part in found):
        methods = [method for method, found in parts.items() if part in found]
        yield part if len(methods) == len(rows) else f"{', '.join(methods)}: {part}"


def _titled(title: str, sentences: list[str]) -> Iterator[str]:
    if sentences:
        yield f"<h3>{title}</h3>"
        yield '<ul class="plain">'
        yield from (f"<li>{escape(sentence)}</li>" for sentence in sentences)
        yield "</ul>"


def _footer() -> Iterator[str]:
    yield "<footer><p>"
    yield f"Made by segkit {__version__}. Every number is in "
    yield '<a href="report.json">report.json</a>; <a href="report.md">report.md</a> is for pasting.'
    yield "</p></footer>"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
