"""One's own numbers beside published ones, and why the two hardly compare."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from segkit.evaluation.results import Report
from segkit.evaluation.rows import ARROWS, PUBLISHED_COLUMNS, format_number, unit_of

if TYPE_CHECKING:
    from rich.console import Console

_LOCATION = "segkit_metrics.published"
"""Module of the published rows; imported when they are wanted."""

_FVD_IS_RAW = "FVD is raw here; the paper of SegTalker prints 0.1 × FVD."


class Published(Protocol):
    """A row of a published table, see ``PublishedRow`` of the metrics."""

    @property
    def source(self) -> str:
        """Whose table."""
        ...

    @property
    def method(self) -> str:
        """What was measured."""
        ...

    @property
    def second_hand(self) -> bool:
        """Read in another publication than the source."""
        ...

    @property
    def values(self) -> dict[str, float]:
        """``metric/value`` -> number."""
        ...

    @property
    def note(self) -> str:
        """What else is known."""
        ...


@dataclass(frozen=True)
class ComparedRow:
    """A row of the comparison.

    Attributes:
        source: whose table.
        method: what was measured.
        second_hand: read in another publication than the source.
        values: ``metric/value`` -> number; FVD is raw.
        note: what else is known.
        ours: measured here, not published.
    """

    source: str
    method: str
    second_hand: bool
    values: dict[str, float]
    note: str = ""
    ours: bool = False

    def cell(self, column: str) -> str:
        """Return a number as text, empty if there is none; a published one as it was printed."""
        if column not in self.values:
            return ""
        value = self.values[column]
        return format_number(value) if self.ours else f"{value:g}"


@dataclass(frozen=True)
class Spread:
    """How far the numbers lie apart that were published for one method.

    Attributes:
        column: ``metric/value``.
        method: whose.
        low: lowest number.
        high: highest number.
        num_tables: that have one.
    """

    column: str
    method: str
    low: float
    high: float
    num_tables: int

    def sentence(self) -> str:
        """Say it."""
        return (
            f"{self.column} of {self.method}: {self.low:g} to {self.high:g} "
            f"in {self.num_tables} tables"
        )


@dataclass(frozen=True)
class Comparison:
    """Ours beside the published rows.

    Attributes:
        columns: ``metric/value`` that somebody has -> heading with unit and better direction.
        rows: ours first, then those of one source beside each other.
        warnings: why they hardly compare; to be printed with the rows, always.
        spreads: for each column, of the method whose numbers lie furthest apart.
        definitions: columns of ours that are defined alike -> what they are.
    """

    columns: dict[str, str]
    rows: list[ComparedRow]
    warnings: list[str]
    spreads: list[Spread]
    definitions: dict[str, str]


def comparison(
    report: Report, *, name: str = "ours", rows: Sequence[Published] | None = None
) -> Comparison:
    """Put a report beside published rows.

    Args:
        report: of an evaluation.
        name: what its row is called.
        rows: published ones; by default all that are known.

    Returns:
        Ready to be printed; nothing of it is rounded.
    """
    module = importlib.import_module(_LOCATION)
    found = module.published_rows() if rows is None else rows
    num_clips = len(report.clips)
    ours = ComparedRow(
        source="this report",
        method=name,
        second_hand=False,
        values={name: report.values[name] for name in PUBLISHED_COLUMNS if name in report.values},
        note=f"{num_clips} clip{'' if num_clips == 1 else 's'}",
        ours=True,
    )
    all_rows = [ours]
    all_rows += [
        ComparedRow(row.source, row.method, row.second_hand, dict(row.values), row.note)
        for row in found
    ]
    columns = {
        column: _heading(report, column)
        for column in PUBLISHED_COLUMNS
        if any(column in row.values for row in all_rows)
    }
    warnings = [module.WHY_NOT_COMPARABLE]
    if "FVD/fvd" in columns:
        warnings.append(_FVD_IS_RAW)
    spreads = [each for column in columns if (each := widest_spread(found, column)) is not None]
    return Comparison(columns, all_rows, warnings, spreads, _definitions(report, ours))


def widest_spread(rows: Sequence[Published], column: str) -> Spread | None:
    """Return the method whose published numbers differ by the largest factor.

    Args:
        rows: published ones.
        column: ``metric/value``.

    Returns:
        None if no method has that number from two sources.
    """
    numbers: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.values.get(column, 0) > 0:
            numbers.setdefault(row.method, {})[row.source] = row.values[column]
    spreads = [
        Spread(column, method, min(found.values()), max(found.values()), len(found))
        for method, found in numbers.items()
        if len(found) > 1
    ]
    return max(spreads, key=lambda spread: spread.high / spread.low, default=None)


def comparison_markdown(compared: Comparison) -> Iterator[str]:
    """Yield the lines of a section of a Markdown document."""
    yield from ("## Beside published numbers", "")
    yield from (f"> {sentence}" for sentence in compared.warnings)
    headings = ["source", "method", "second hand", *compared.columns.values(), "note"]
    yield from ("", "| " + " | ".join(headings) + " |", "|---" * len(headings) + "|")
    for row in compared.rows:
        cells = [row.source, row.method, "yes" if row.second_hand else ""]
        cells += [row.cell(column) for column in compared.columns]
        if row.ours:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in [*cells, row.note]) + " |"
    if compared.spreads:
        yield from ("", "What was published for one and the same method:", "")
        yield from (f"- {spread.sentence()}" for spread in compared.spreads)
    if compared.definitions:
        yield from ("", "Ours are:", "")
        yield from (f"- {names}: {text}" for names, text in compared.definitions.items())


def print_comparison(compared: Comparison, *, console: Console | None = None) -> None:
    """Print ours beside the published rows.

    Args:
        compared: of `comparison`.
        console: standard output when not given.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold")
    for heading in compared.columns.values():
        # In three lines, so that nine numbers have room in 80 columns.
        lines = heading.replace("/", "/\n", 1).replace(" ", "\n", 1)
        table.add_column(lines, justify="right", no_wrap=True)
    for (source, second_hand), rows in groupby(
        compared.rows, key=lambda row: (row.source, row.second_hand)
    ):
        table.add_row(Text(source + (" (second hand)" if second_hand else ""), style="dim"))
        for row in rows:
            cells = [row.cell(column) for column in compared.columns]
            table.add_row(Text(f"  {row.method}"), *cells, style="bold" if row.ours else None)
    console = console or Console()
    console.print(table)
    for sentence in compared.warnings:
        console.print(sentence, style="yellow", markup=False, highlight=False)
    for spread in compared.spreads:
        console.print(f"published: {spread.sentence()}", markup=False, highlight=False)
    for names, text in compared.definitions.items():
        console.print(f"ours: {names}: {text}", markup=False, highlight=False)


def _heading(report: Report, column: str) -> str:
    unit = unit_of(report, column) if column in report.values else ""
    unit = unit if unit in ("dB", "px") else ""
    return " ".join(part for part in (column, f"({unit})" if unit else "",
                                      ARROWS[PUBLISHED_COLUMNS[column]]) if part)  # fmt: skip


def _definitions(report: Report, ours: ComparedRow) -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for name in ours.values:
        prefix = name.partition("/")[0]
        names.setdefault(report.prefixes.get(prefix, prefix), []).append(name)
    return {
        ", ".join(found): report.definitions.get(key, "")
        for key, found in names.items()
        if report.definitions.get(key)
    }
