"""Published rows stand beside ours unchanged, and never without the reason to doubt them."""

import io
import json
from importlib import resources

import pytest
from rich.console import Console

from segkit.evaluation.compare import (
    comparison,
    comparison_markdown,
    print_comparison,
    widest_spread,
)
from segkit.evaluation.html import html_report
from segkit.evaluation.results import Report
from segkit_metrics.published import (
    WHY_NOT_COMPARABLE,
    PublishedRow,
    published_rows,
    published_spread,
)

DEFINITION = "10 log10(1 / MSE) of each frame"


@pytest.fixture
def report():
    return Report(
        values={"PSNR/psnr": 31.23456, "PSNR/n": 50.0, "LPIPS/lpips": float("nan"),
                "PSNR-mouth/psnr": 25.0},
        definitions={"psnr": DEFINITION, "mouth-psnr": "of the mouth"},
        directions={"psnr": "up", "lpips": "down", "mouth-psnr": "up"},
        units={"psnr": "dB", "lpips": "", "mouth-psnr": "dB"},
        prefixes={"PSNR": "psnr", "LPIPS": "lpips", "PSNR-mouth": "mouth-psnr"},
        clips={"a": {"PSNR/psnr": 31.0}, "b": {"PSNR/psnr": 32.0}},
    )  # fmt: skip


def printed(compared, width):
    text = io.StringIO()
    print_comparison(compared, console=Console(file=text, width=width, force_terminal=False))
    return text.getvalue()


def test_published_rows_are_those_of_the_file_with_ours_before_them(report):
    text = resources.files("segkit_metrics").joinpath("published.json").read_text("utf-8")
    known = json.loads(text)
    ours, *others = comparison(report, name="mine").rows
    assert (ours.source, ours.method, ours.ours, ours.note) == ("this report", "mine", True,
                                                               "2 clips")  # fmt: skip
    assert ours.values.keys() == {"PSNR/psnr", "LPIPS/lpips"}
    assert ours.values["PSNR/psnr"] == 31.23456
    assert len(others) == len(known)
    for row, expected in zip(others, known, strict=True):
        assert (row.source, row.method) == (expected["source"], expected["method"])
        assert row.second_hand is expected["second_hand"]
        assert row.values == expected["values"]
        assert row.note == expected.get("note", "")
        assert not row.ours


def test_columns_are_what_anybody_has_with_unit_and_direction(report):
    assert list(comparison(report).columns.values()) == [
        "PSNR/psnr (dB) ↑", "SSIM/ssim ↑", "LPIPS/lpips ↓", "FID/fid ↓", "FVD/fvd ↓",
        "Sync/lse_c ↑", "Sync/lse_d ↓", "LMD/F ↓", "LMD/M ↓",
    ]  # fmt: skip
    few = [PublishedRow("A", "x", False, {"SSIM/ssim": 0.5})]
    assert list(comparison(report, rows=few).columns) == ["PSNR/psnr", "SSIM/ssim", "LPIPS/lpips"]
    assert list(comparison(Report(), rows=few).columns) == ["SSIM/ssim"]


def test_every_form_says_why_numbers_do_not_compare_and_what_ours_are(report):
    compared = comparison(report)
    # LPIPS has no definition here, and the mouth's PSNR is not what others publish.
    assert compared.definitions == {"PSNR/psnr": DEFINITION}
    forms = [
        " ".join(printed(compared, 100).split()),
        "\n".join(comparison_markdown(compared)),
        html_report(report, inputs={}, compared=compared),
    ]
    for text in forms:
        assert WHY_NOT_COMPARABLE in text
        assert "FVD is raw here; the paper of SegTalker prints 0.1 × FVD." in text
        assert "FVD/fvd of SadTalker: 97.43 to 856.38 in 4 tables" in text
        assert f"PSNR/psnr: {DEFINITION}" in text
        assert "31.23" in text
        assert "not measured" in text
        assert "second hand" in text


def test_nothing_is_said_of_fvd_where_nobody_has_one(report):
    compared = comparison(report, rows=[PublishedRow("A", "x", False, {"SSIM/ssim": 0.5})])
    assert compared.warnings == [WHY_NOT_COMPARABLE]


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_every_published_number(report, width):
    text = printed(comparison(report), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    for row in published_rows():
        for value in row.values.values():
            assert f"{value:g}" in words
    assert "FLOAT, table 1 (second hand)" in " ".join(words)


def test_a_document_marks_second_hand_rows_and_ours(report):
    lines = list(comparison_markdown(comparison(report)))
    assert (
        "| FLOAT, table 1 | SadTalker | yes |  |  |  | 71.95 | 339.1 | 7.305 | 7.947 |  |  |"
        " three public copies agree |"
    ) in lines
    assert any(line.startswith("| DAWN, table 1 | Wav2Lip |  |") for line in lines)
    assert any(line.startswith("| **this report** | **ours** |  | **31.23** |") for line in lines)
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {14}


def test_spreads_are_the_widest_published_for_one_method(report):
    spreads = {spread.column: spread for spread in comparison(report).spreads}
    # No method has an LPIPS or LMD in two tables.
    assert spreads.keys() == {"PSNR/psnr", "SSIM/ssim", "FID/fid", "FVD/fvd", "Sync/lse_c",
                              "Sync/lse_d"}  # fmt: skip
    methods = {row.method for row in published_rows()}
    for column, spread in spreads.items():
        assert published_spread(spread.method, column) == (spread.low, spread.high)
        for method in methods:
            if found := published_spread(method, column):
                assert found[0] == 0 or found[1] / found[0] <= spread.high / spread.low
    assert spreads["FVD/fvd"].num_tables == 4


def test_one_number_has_no_spread():
    rows = [PublishedRow("A", "x", False, {"FID/fid": 3.0}),
            PublishedRow("A", "y", False, {"FID/fid": 9.0}),
            PublishedRow("B", "z", False, {"FID/fid": 1.0})]  # fmt: skip
    assert widest_spread(rows, "FID/fid") is None
    rows.append(PublishedRow("B", "x", False, {"FID/fid": 6.0}))
    spread = widest_spread(rows, "FID/fid")
    assert spread is not None
    assert spread.sentence() == "FID/fid of x: 3 to 6 in 2 tables"
