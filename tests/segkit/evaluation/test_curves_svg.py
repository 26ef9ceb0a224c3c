"""Curves lie where their numbers say, with gaps, marks and round numbers on the axes."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.evaluation.curves_svg import HEIGHT, WIDTH, Curve, curve_svg, ticks
from segkit.evaluation.pictures import ShownFrame

NAN, INF = float("nan"), float("inf")


def shown(kind, number, value, name="PSNR/psnr"):
    return ShownFrame(kind, number, number / 25, name, value)


def coordinates(path):
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_missing_values_leave_gaps_and_points_lie_on_straight_axes():
    points = [30.0, 31.0, NAN, 33.0, INF, 35.0]
    svg = curve_svg(Curve("PSNR/psnr", points, 0.04, unit="dB", clip="a"))
    runs = [coordinates(d) for d in re.findall(r'class="curve[ a-z]*" d="(.*?)"', svg)]
    # A point alone is a line to itself, which round ends make a dot.
    assert [len(set(run)) for run in runs] == [2, 1, 1]
    assert svg.count('class="curve alone"') == 2
    drawn = [runs[0][0], runs[0][1], runs[1][0], runs[2][0]]
    times, values = [0, 1, 3, 5], [30, 31, 33, 35]
    step_x, step_y = (drawn[3][0] - drawn[0][0]) / 5, (drawn[3][1] - drawn[0][1]) / 5
    assert step_x > 0 > step_y
    for (x, y), time, value in zip(drawn, times, values, strict=True):
        assert x == pytest.approx(drawn[0][0] + time * step_x, abs=0.11)
        assert y == pytest.approx(drawn[0][1] + (value - 30) * step_y, abs=0.11)
        assert 0 < x < WIDTH
        assert 0 < y < HEIGHT
    label = re.search(r'aria-label="(.*?)"', svg).group(1)
    assert label == (
        "PSNR/psnr of a over 0.24 s: lowest 30 dB at 0.00 s, highest 35 dB at 0.20 s; "
        "2 of 6 points not measured"
    )
    assert ">PSNR/psnr (dB)<" in svg
    assert ">time (s)<" in svg


def test_numbers_of_the_axis_stand_at_their_values():
    svg = curve_svg(Curve("x", [0.0, 10.0], 1.0))
    axis = re.findall(r'<text class="end" x="\d+" y="([\d.]+)">(.*?)</text>', svg)
    (_, bottom), (_, top) = coordinates(re.search(r'class="curve[ a-z]*" d="(.*?)"', svg).group(1))
    assert len(axis) >= 3
    for y, text in axis:
        # The text's base line lies 3.5 below its middle.
        expected = bottom + (top - bottom) * float(text) / 10
        assert float(y) - 3.5 == pytest.approx(expected, abs=0.11)


def test_a_shown_frame_is_marked_where_it_lies():
    frames = [shown("worst", 0, 30.0), shown("best", 2, 36.0),
              shown("median", 1, 0.2, name="LPIPS/lpips"), shown("odd", 1, INF)]  # fmt: skip
    svg = curve_svg(Curve("PSNR/psnr", [30.0, 33.0, 36.0], 0.04, shown=frames))
    path = coordinates(re.search(r'class="curve[ a-z]*" d="(.*?)"', svg).group(1))
    dots = re.findall(r'<circle class="dot (\w+)" cx="([\d.]+)" cy="([\d.]+)"', svg)
    # A frame that was chosen by another value has no place on this curve, only a time.
    assert dots == [("worst", str(path[0][0]), str(path[0][1])),
                    ("best", str(path[2][0]), str(path[2][1]))]  # fmt: skip
    marks = dict(re.findall(r'<path class="mark (\w+)" d="M([\d.]+) ', svg))
    assert [float(marks[kind]) for kind in ("worst", "median", "best")] == [x for x, _ in path]


def test_nothing_measured_is_no_curve():
    with pytest.raises(ValueError, match="x: expected a finite point, got none of 2"):
        curve_svg(Curve("x", [NAN, INF], 1.0))


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(NAN), st.just(INF)), min_size=1))
def test_every_curve_stays_inside_its_picture(points):
    if not any(map(math.isfinite, points)):
        return
    svg = curve_svg(Curve("x", points, 0.04))
    drawn = [
        point
        for d in re.findall(r'class="curve[ a-z]*" d="(.*?)"', svg)
        for point in coordinates(d)
    ]
    assert len(drawn) >= sum(map(math.isfinite, points))
    for x, y in drawn:
        assert 0 < x < WIDTH
        assert 0 < y < HEIGHT


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_round_even_and_inside(low, span):
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 5
    values = [value for value, _ in found]
    step = (values[-1] - values[0]) / (len(values) - 1)
    assert any(step / s == pytest.approx(10.0 ** round(math.log10(step / s))) for s in (1, 2, 5))
    for number, (value, text) in enumerate(found):
        assert value == pytest.approx(values[0] + number * step, abs=1e-6 * span)
        assert low - 1e-6 * span <= value <= low + span + 1e-6 * span
        assert float(text) == pytest.approx(value, abs=1e-9 * max(1, abs(low)))
