"""The page holds every number, loads nothing from elsewhere, and other forms agree with it."""

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from segkit.evaluation.compare import comparison
from segkit.evaluation.html import html_report
from segkit.evaluation.pictures import ShownFrame
from segkit.evaluation.report import write_report
from segkit.evaluation.results import Report
from segkit.evaluation.rows import clip_columns, format_number, rows_of, worst_first

NAN, INF = float("nan"), float("inf")
EVIL = '<script>alert("1")</script> & Co'
VOID = {"meta", "br", "img", "link", "input", "hr", "wbr"}


class Page(HTMLParser):
    """A parsed page whose tags must be balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text)

    def all(self, tag, name=None):
        found = [attributes for each, attributes in self.tags if each == tag]
        return found if name is None else [a[name] for a in found if name in a]


def shown(kind, number, value, name="PSNR/psnr"):
    return ShownFrame(kind, number, number / 25, name, value, f"pictures/a b_{kind}.png")


@pytest.fixture
def report():
    return Report(
        values={"PSNR/psnr": 31.23456, "PSNR/n": 50.0, "PSNR/num_equal": 7.0, "PSNR/n_clips": 2.0,
                "Sync/lse_c": 6.54321, "Sync/lse_d": 7.77777, "Sync/offset": -1.5,
                "Sync/n_windows": 91.0, "Sync/n": 2.0, "FID/fid": NAN},
        definitions={"psnr": "10 log10(1 / MSE) & <more>", "sync": "SyncNet", "fid": "Inception"},
        directions={"psnr": "up", "sync": "up", "fid": "down"},
        units={"psnr": "dB", "sync": "distance", "fid": "squared"},
        prefixes={"PSNR": "psnr", "Sync": "sync", "FID": "fid"},
        clips={"good": {"PSNR/psnr": 34.56789, "PSNR/num_equal": 7, "Sync/lse_c": 6.11111,
                        "Sync/lse_d": 8.88888, "Sync/n_windows": 44},
               EVIL: {"PSNR/psnr": 28.76543, "Sync/offset": NAN}},
        skipped={"lpips": "alexnet.pth <not> found"},
        problems={EVIL: ["only 3 windows"], "lost": ["lost: the frames differ in size"]},
        failed=["lost"],
        trimmed={"good": 3},
        curves={"good": {"PSNR/psnr": [30.0, 31.0, NAN, 33.0, INF, 35.0], "Sync/x": [NAN] * 6},
                EVIL: {"PSNR/psnr": [1.0, 2.0], "PSNR/second": [3.0, 4.0]}},
        curve_step_s={"good": 0.04, EVIL: 0.04},
        shown={"good": [shown("best", 5, 35.0), shown("median", 1, 31.0), shown("worst", 0, 30.0)]},
    )  # fmt: skip


def test_the_page_is_balanced_and_has_every_number(report):
    page = Page(html_report(report, inputs={"pred": "p"}, compared=comparison(report)))
    texts = " ".join(page.text).split()
    numbers = [*report.values.values()]
    for clip in report.clips.values():
        numbers += clip.values()
    for value in numbers:
        assert format_number(value).split()[-1] in texts
    told = [*report.definitions.values(), *report.skipped.values(), "(left out)", "only 3 windows",
            "3 frames were left out at the end of the longer video"]  # fmt: skip
    for text in told:
        assert text in " ".join(page.text)


def test_an_empty_report_is_a_page_too():
    page = Page(html_report(Report(), inputs={}))
    assert "Nothing was measured." in " ".join(page.text)


def test_what_users_name_is_never_markup(report):
    text = html_report(report, inputs={EVIL: EVIL}, compared=comparison(report, name=EVIL))
    assert "<script" not in text
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert any(EVIL in piece for piece in page.text)


def test_nothing_is_loaded_from_elsewhere_and_the_policy_forbids_it(report):
    text = html_report(report, inputs={"pred": "https://example.org/a.mp4"})
    page = Page(text)
    assert page.all("img", "src") == [
        f"pictures/a%20b_{kind}.png" for kind in ("worst", "median", "best")
    ]
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href", "srcset", "xlink:href", "action", "data"):
            assert ":" not in (attributes.get(name) or "")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    assert not re.search(r"url\(|@import|http", style)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policies == [
        f"default-src 'none'; img-src 'self' file:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    ]
    # A file name cannot lead out of the folder by naming a scheme.
    report.shown = {"good": [ShownFrame("best", 0, 0.0, "PSNR/psnr", 1.0, "https://a.b/c.png")]}
    assert Page(html_report(report, inputs={})).all("img", "src") == ["https%3A//a.b/c.png"]


def test_links_inside_the_page_lead_somewhere_and_headings_do_not_skip(report):
    page = Page(html_report(report, inputs={}, compared=comparison(report)))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for target in page.all("a", "href"):
        assert not target.startswith("#") or target[1:] in ids
    for attributes in page.all("section"):
        assert attributes["aria-labelledby"] in ids
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(page.all("img", "alt"))
    assert len(page.all("svg", "aria-label")) == len(page.all("svg"))
    assert all(a.get("loading") == "lazy" for a in page.all("img"))


def test_the_worst_clips_come_first(report):
    assert worst_first(report) == ("PSNR/psnr", [EVIL, "good"])
    report.clips = {"a": {"L/l": 0.1}, "b": {"L/l": NAN}, "c": {"L/l": 0.3}, "d": {}}
    report.shown, report.directions, report.prefixes = {}, {"l": "down"}, {"L": "l"}
    assert worst_first(report) == ("L/l", ["c", "a", "b", "d"])
    text = html_report(report, inputs={})
    assert "The worst by L/l come first." in text
    titles = re.findall(r"<h3>(.)</h3>", text)
    assert titles == ["c", "a", "b", "d"]


def test_few_clips_stand_open_and_many_are_folded(report):
    def folds():
        page = Page(html_report(report, inputs={}))
        return ["open" in a for a in page.all("details") if a.get("class") == "clip"]

    assert folds() == [True, True]
    report.clips |= {f"c{number}": {"PSNR/psnr": 30.0} for number in range(4)}
    assert folds() == [False] * 6
    text = html_report(report, inputs={})
    assert "<summary>1 more curves</summary>" in text
    report.clips |= {f"d{number}": {"PSNR/psnr": 30.0} for number in range(40)}
    text = html_report(report, inputs={})
    assert "1 more curves are in report.json." in text


def test_long_curves_of_many_clips_are_thinned_but_keep_their_time(report):
    points = [float(number) for number in range(400)]
    report.clips = {f"c{number}": {"PSNR/psnr": 30.0} for number in range(2000)}
    report.curves = {clip: {"PSNR/psnr": points} for clip in report.clips}
    report.curve_step_s = dict.fromkeys(report.clips, 0.5)
    report.shown = {}
    text = html_report(report, inputs={})
    path = re.search(r'class="curve[ a-z]*" d="(.*?)"', text).group(1)
    # 400,000 points over 2,000 curves are 200 for each, of two frames each.
    assert len(path.removeprefix("M").replace("L", " ").split()) == 2 * 200
    assert "over 200.00 s: lowest 0.5 dB at 0.00 s, highest 398.5 dB at 199.00 s" in text


def test_a_metric_that_measured_no_frame_is_told_without_a_curve(report):
    report.curves = {"good": {"PSNR/psnr": [NAN, NAN]}}
    text = html_report(report, inputs={})
    assert "not measured in any frame" in text
    assert "<svg" not in text


def test_each_number_has_its_own_direction_and_headlines_are_picked(report):
    arrows = {row[0]: row[2] for row in rows_of(report)}
    assert arrows == {"PSNR/psnr": "↑", "Sync/lse_c": "↑", "Sync/lse_d": "↓", "Sync/offset": "",
                      "FID/fid": "↓"}  # fmt: skip
    assert clip_columns(report) == ["PSNR/psnr", "Sync/lse_c", "Sync/lse_d"]


def test_all_forms_are_written_whole(report, tmp_path):
    compared = comparison(report)
    for _ in range(2):
        files = write_report(tmp_path / "out", report, inputs={"pred": "a"}, compared=compared)
    assert [path.name for path in files] == ["report.json", "report.md", "report.html"]
    assert sorted(tmp_path.joinpath("out").iterdir()) == sorted(files)
    assert files[2].read_text("utf-8") == html_report(
        report, inputs={"pred": "a"}, compared=compared
    )


def test_json_has_the_curves_as_they_are(report, tmp_path):
    content = json.loads(write_report(tmp_path, report, inputs={})[0].read_text("utf-8"))
    assert content["curves"]["good"]["PSNR/psnr"] == [30.0, 31.0, None, 33.0, "inf", 35.0]
    assert content["curves"][EVIL] == {"PSNR/psnr": [1.0, 2.0], "PSNR/second": [3.0, 4.0]}
    assert content["curve_step_s"]["good"] == 0.04
    assert content["shown"]["good"][2] == {
        "kind": "worst", "number": 0, "time_s": 0.0, "name": "PSNR/psnr", "value": 30.0,
        "file": "pictures/a b_worst.png",
    }  # fmt: skip
    assert content["values"]["FID/fid"] == "nan"
    assert content["trimmed"] == {"good": 3}
    empty = json.loads(write_report(tmp_path, Report(), inputs={})[0].read_text("utf-8"))
    assert empty["curves"] == {}


def test_the_document_links_frames_and_holds_the_comparison(report, tmp_path):
    lines = write_report(tmp_path, report, inputs={}, compared=comparison(report))[1]
    text = lines.read_text("utf-8")
    assert (
        "| good | 34.57 | 6.111 | 8.889 | [best](pictures/a%20b_best.png) "
        "[median](pictures/a%20b_median.png) [worst](pictures/a%20b_worst.png) |"
    ) in text.splitlines()
    assert "## Beside published numbers" in text
    # A name that looks like markup is shown as it is.
    assert '| &lt;script>alert("1")&lt;/script> & Co | 28.77 |' in text
    assert "- lost (left out): lost: the frames differ in size" in text
    assert "## Beside" not in write_report(tmp_path, report, inputs={})[1].read_text("utf-8")
