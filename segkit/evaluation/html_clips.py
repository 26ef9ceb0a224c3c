"""The clips of a report's page: a table of all, then each with its numbers, frames and curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import quote

import numpy as np

from segkit.evaluation.curves_svg import Curve, curve_svg
from segkit.evaluation.pictures import GAIN, ShownFrame
from segkit.evaluation.results import MOST_POINTS, Report, thinned
from segkit.evaluation.rows import (
    ARROWS,
    clip_columns,
    direction_of,
    format_number,
    is_count,
    unit_of,
    worst_first,
)

_FEW = 3
"""Clips that stand open; more are folded."""

_MANY = 40
"""More clips show the curves of headlines only, so that a browser can hold the page."""

_ALL_POINTS = 400_000
"""Of all curves of a page together, about four megabytes; each curve has a hundred at least."""

_KINDS = ("worst", "median", "best")


class ClipPages:
    """Everything about single clips, the worst first.

    Args:
        report: of an evaluation.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.columns = clip_columns(report)
        self.name, self.clips = worst_first(report)
        num_curves = sum(map(len, report.curves.values()))
        self._most_points = min(MOST_POINTS, max(100, _ALL_POINTS // max(1, num_curves)))

    def lines(self) -> Iterator[str]:
        """Yield the table, then each clip in a fold; nothing without clips."""
        if self.columns:
            yield from self._table()
        for index, clip in enumerate(self.clips):
            opened = " open" if len(self.clips) <= _FEW else ""
            yield f'<details class="clip"{opened}>'
            yield f"<summary><h3>{escape(clip)}</h3> {self._headline(clip)}</summary>"
            # The link leads into the fold, not to it: browsers unfold what a link points into.
            yield f'<div class="clip-body" id="clip-{index}">'
            yield from self._numbers(clip)
            yield from self._told(clip)
            yield from self._frames(clip)
            yield from self._over_time(clip)
            yield "</div>"
            yield "</details>"

    def _table(self) -> Iterator[str]:
        ordered = len(self.clips) > 1 and self.name
        order = f"The worst by {escape(self.name)} come first. " if ordered else ""
        told = "These are each metric’s headlines; below, every clip has all its numbers."
        yield f"<p>{order}{told}</p>"
        yield '<div class="scroll" tabindex="0" role="region" aria-label="Numbers of each clip">'
        yield '<table class="clips">'
        yield '<thead><tr><th scope="col">clip</th>'
        for column in self.columns:
            # A line may break after the slash.
            title = escape(column).replace("/", "/<wbr>")
            yield f'<th scope="col" class="number">{title}&nbsp;{self._arrow(column)}</th>'
        yield "</tr></thead>"
        yield "<tbody>"
        for index, clip in enumerate(self.clips):
            numbers = self.report.clips.get(clip, {})
            link = f'<a href="#clip-{index}">{escape(clip)}</a>'
            yield f'<tr><th scope="row" class="name">{link}</th>'
            for column in self.columns:
                text = format_number(numbers[column]) if column in numbers else ""
                yield f'<td class="number">{text}</td>'
            yield "</tr>"
        yield "</tbody>"
        yield "</table>"
        yield "</div>"

    def _headline(self, clip: str) -> str:
        value = self.report.clips.get(clip, {}).get(self.name)
        if value is None:
            return ""
        unit = escape(unit_of(self.report, self.name))
        return f'<span class="soft">{escape(self.name)} {format_number(value)} {unit}</span>'

    def _arrow(self, name: str) -> str:
        return ARROWS.get(direction_of(self.report, name), "")

    def _numbers(self, clip: str) -> Iterator[str]:
        """Yield the headlines, then the others in a fold."""
        numbers = self.report.clips.get(clip, {})
        yield from self._listed({n: v for n, v in numbers.items() if n in self.columns})
        if others := {n: v for n, v in numbers.items() if n not in self.columns}:
            yield f"<details><summary>{len(others)} more numbers</summary>"
            yield from self._listed(others)
            yield "</details>"

    def _listed(self, numbers: dict[str, float]) -> Iterator[str]:
        if not numbers:
            return
        yield '<dl class="numbers">'
        for name, value in numbers.items():
            after = " ".join(
                part for part in (unit_of(self.report, name), self._arrow(name)) if part
            )
            small = f" <small>{escape(after)}</small>" if after and not math.isnan(value) else ""
            yield f"<div><dt>{escape(name)}</dt><dd>{format_number(value)}{small}</dd></div>"
        yield "</dl>"

    def _told(self, clip: str) -> Iterator[str]:
        sentences = list(self.report.problems.get(clip, ()))
        if trimmed := self.report.trimmed.get(clip):
            frames = "1 frame was" if trimmed == 1 else f"{trimmed} frames were"
            sentences.append(f"{frames} left out at the end of the longer video")
        if sentences:
            yield '<ul class="plain">'
            yield from (f"<li>{escape(sentence)}</li>" for sentence in sentences)
            yield "</ul>"

    def _frames(self, clip: str) -> Iterator[str]:
        shown = self.report.shown.get(clip, [])
        if not shown:
            return
        yield "<h4>Frames</h4>"
        known = {kind: index for index, kind in enumerate(_KINDS)}
        for frame in sorted(shown, key=lambda each: known.get(each.kind, len(known))):
            yield from _strip(frame, clip)

    def _over_time(self, clip: str) -> Iterator[str]:
        """Yield charts: of headlines and what frames were chosen by, then the others in a fold."""
        shown = self.report.shown.get(clip, [])
        names = [n for n in self.report.curves.get(clip, {}) if not is_count(n.rpartition("/")[2])]
        if not names:
            return
        headlines = {*self.columns, *(frame.name for frame in shown)}
        others = [name for name in names if name not in headlines]
        yield "<h4>Over time</h4>"
        yield f'<p class="soft">{_legend(shown)}</p>'
        yield from self._charts(clip, [name for name in names if name in headlines])
        if others and len(self.clips) <= _MANY:
            yield f"<details><summary>{len(others)} more curves</summary>"
            yield from self._charts(clip, others)
            yield "</details>"
        elif others:
            yield f'<p class="soft">{len(others)} more curves are in report.json.</p>'

    def _charts(self, clip: str, names: Sequence[str]) -> Iterator[str]:
        yield '<div class="charts">'
        for name in names:
            curve = self._curve(clip, name)
            drawn = curve_svg(curve) if curve.extremes() else f"<b>{escape(curve.name)}</b>"
            caption = "; ".join(_caption(curve))
            yield f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"
        yield "</div>"

    def _curve(self, clip: str, name: str) -> Curve:
        points: list[float] = self.report.curves[clip][name]
        num_joined = 1
        if len(points) > self._most_points:
            points, num_joined = thinned(np.array(points), most=self._most_points)
        return Curve(
            name=name,
            points=points,
            step_s=self.report.curve_step_s.get(clip, 1.0) * num_joined,
            unit=unit_of(self.report, name),
            arrow=self._arrow(name),
            clip=clip,
            shown=self.report.shown.get(clip, ()),
        )


def _strip(frame: ShownFrame, clip: str) -> Iterator[str]:
    kind, value = escape(frame.kind), format_number(frame.value)
    title = f'<span class="kind {kind}">{kind.capitalize()}</span>'
    when = f"frame {frame.number} at {frame.time_s:.2f} s"
    yield '<figure class="strip">'
    yield f"<figcaption>{title} by {escape(frame.name)}: {value}, {when}</figcaption>"
    if frame.file:
        source = quote(frame.file)
        alt = (
            f"{kind.capitalize()} frame of {escape(clip)}: real, predicted, {GAIN} times their "
            "absolute difference, and masks where there are any, side by side"
        )
        yield f'<div><a href="{source}">'
        yield f'<img src="{source}" alt="{alt}" loading="lazy"></a></div>'
    yield "</figure>"


def _legend(shown: Sequence[ShownFrame]) -> str:
    kinds = {frame.kind for frame in shown}
    marks = [
        f'<span class="kind {kind}">{kind[0].upper()}</span> {kind}'
        for kind in _KINDS
        if kind in kinds
    ]
    told = "A gap was not measured; a point of a long clip is the mean of a run of frames."
    return f"{told} Dashed lines: the frames above, {', '.join(marks)}." if marks else told


def _caption(curve: Curve) -> Iterator[str]:
    extremes = curve.extremes()
    if extremes is None:
        yield "not measured in any frame"
        return
    (low, low_s), (high, high_s) = extremes
    yield f"min {format_number(low)} at {low_s:.2f} s, max {format_number(high)} at {high_s:.2f} s"
    if missing := curve.num_missing():
        yield f"{missing} of {len(curve.points)} points not measured"
