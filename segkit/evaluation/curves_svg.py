"""A value over time as a small inline SVG: its curve with gaps, axes, and the frames shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from segkit.evaluation.pictures import ShownFrame

WIDTH, HEIGHT = 360, 184
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 350, 36, 146
_LETTER_ROOM = 11
"""Between the letters of two marks."""


@dataclass(frozen=True)
class Curve:
    """What a chart shows.

    Attributes:
        name: of the value, such as ``"PSNR/psnr"``.
        points: ``T``; one that is not finite leaves a gap.
        step_s: seconds from one point to the next.
        unit: empty for a plain number.
        arrow: which way is better.
        clip: whose curve it is.
        shown: frames to mark.
    """

    name: str
    points: Sequence[float]
    step_s: float
    unit: str = ""
    arrow: str = ""
    clip: str = ""
    shown: Sequence[ShownFrame] = ()

    def marked(self) -> list[ShownFrame]:
        """Return the frames that were chosen by this very value, where it is finite."""
        return [
            frame for frame in self.shown if frame.name == self.name and math.isfinite(frame.value)
        ]

    def extremes(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Return the lowest and the highest point, each with its time; None without any."""
        finite = [
            (value, index * self.step_s)
            for index, value in enumerate(self.points)
            if math.isfinite(value)
        ]
        if not finite:
            return None
        # Of equal points the earlier one, both times.
        return min(finite), max(finite, key=lambda point: (point[0], -point[1]))

    def num_missing(self) -> int:
        """Return how many points are not finite."""
        return sum(not math.isfinite(value) for value in self.points)


def curve_svg(curve: Curve) -> str:
    """Draw a curve.

    Args:
        curve: with at least one finite point.

    Returns:
        An ``svg`` element, coloured by the classes of the report's style sheet.

    Raises:
        ValueError: nothing to draw.
    """
    if not curve.extremes():
        raise ValueError(f"{curve.name}: expected a finite point, got none of {len(curve.points)}")
    plot = _Plot(curve)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_spoken(curve))}">',
        *plot.grid(),
        *plot.marks(),
        *plot.runs(),
        *plot.dots(),
        "</svg>",
    ]
    return "".join(parts)


def ticks(low: float, high: float, *, most: int = 5) -> list[tuple[float, str]]:
    """Return round numbers of a range and how they are written.

    Args:
        low: where it begins.
        high: where it ends, above ``low``.
        most: how many at most; there are two at least.

    Example:
        >>> ticks(0.0, 1.0)
        [(0.0, '0.0'), (0.5, '0.5'), (1.0, '1.0')]
    """
    exponent = math.floor(math.log10((high - low) / most))
    # The finest of 1, 2, 5, 10 ... that is not too dense.
    for step in (factor * 10.0**exponent for factor in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    values = [number * step for number in range(first, last + 1)]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    plain = decimals <= 4 and max(map(abs, values)) < 1e5
    return [(value, f"{value:.{decimals}f}" if plain else f"{value:.3g}") for value in values]


class _Plot:
    """Where the points of a curve lie."""

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        extremes = curve.extremes()
        assert extremes is not None
        values = [point[0] for point in extremes] + [frame.value for frame in curve.marked()]
        low, high = min(values), max(values)
        pad = 0.06 * (high - low) or 0.05 * abs(low) or 0.5
        self.low, self.high = low - pad, high + pad
        self.end_s = max(
            curve.step_s * max(1, len(curve.points) - 1), *(f.time_s for f in curve.shown), 0.0
        )

    def x(self, time_s: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * time_s / self.end_s

    def y(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - self.low) / (self.high - self.low)

    def runs(self) -> Iterator[str]:
        """Yield the path of each run of finite points."""
        run: list[str] = []
        for index, value in enumerate([*self.curve.points, math.nan]):
            if math.isfinite(value):
                run.append(f"{self.x(index * self.curve.step_s):.1f} {self.y(value):.1f}")
            elif run:
                # A point alone is a line to itself, which its round ends make a dot.
                kind = "curve" if len(run) > 1 else "curve alone"
                yield f'<path class="{kind}" d="M{run[0]}L{" ".join(run[1:] or run)}"/>'
                run = []

    def grid(self) -> Iterator[str]:
        """Yield lines and numbers of both axes."""
        for value, text in ticks(self.low, self.high, most=6):
            y = self.y(value)
            yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
            yield f'<text class="end" x="{_LEFT - 5}" y="{y + 3.5:.1f}">{text}</text>'
        yield f'<path class="axis" d="M{_LEFT} {_BOTTOM}H{_RIGHT}"/>'
        for value, text in ticks(0.0, self.end_s, most=6):
            x = self.x(value)
            yield f'<path class="axis" d="M{x:.1f} {_BOTTOM}v4"/>'
            yield f'<text class="middle" x="{x:.1f}" y="{_BOTTOM + 16}">{text}</text>'
        middle = (_LEFT + _RIGHT) / 2
        yield f'<text class="middle" x="{middle:.0f}" y="{HEIGHT - 6}">time (s)</text>'
        unit = f"({self.curve.unit})" if self.curve.unit else ""
        label = " ".join(part for part in (self.curve.name, unit, self.curve.arrow) if part)
        yield f'<text class="label" x="2" y="12">{escape(label)}</text>'

    def marks(self) -> Iterator[str]:
        """Yield a line and a letter for each frame shown."""
        free = -math.inf
        for frame in sorted(self.curve.shown, key=lambda frame: frame.time_s):
            x = self.x(frame.time_s)
            letter_x = max(x, free)
            free = letter_x + _LETTER_ROOM
            kind = escape(frame.kind)
            yield f'<path class="mark {kind}" d="M{x:.1f} {_TOP}V{_BOTTOM}"/>'
            yield (
                f'<text class="middle mark {kind}" x="{letter_x:.1f}" y="{_TOP - 4}">'
                f"{escape(frame.kind[:1].upper())}</text>"
            )

    def dots(self) -> Iterator[str]:
        """Yield a dot for each frame that was chosen by this value."""
        for frame in self.curve.marked():
            x, y = self.x(frame.time_s), self.y(frame.value)
            yield f'<circle class="dot {escape(frame.kind)}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'


def _spoken(curve: Curve) -> str:
    """Say what the picture shows."""
    extremes = curve.extremes()
    assert extremes is not None
    (low, low_s), (high, high_s) = extremes
    unit = f" {curve.unit}" if curve.unit else ""
    missing = curve.num_missing()
    gaps = f"; {missing} of {len(curve.points)} points not measured" if missing else ""
    return (
        f"{curve.name} of {curve.clip} over {len(curve.points) * curve.step_s:.2f} s: lowest "
        f"{low:.4g}{unit} at {low_s:.2f} s, highest {high:.4g}{unit} at {high_s:.2f} s{gaps}"
    )
