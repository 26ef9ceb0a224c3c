"""Pairs are found, streamed once, measured; what cannot be measured is told and left out."""

import json
from functools import partial

import numpy as np
import pytest

from segkit.evaluation.pairs import Pair, find_pairs
from segkit.evaluation.report import format_number, write_report
from segkit.evaluation.run import evaluate
from segkit.evaluation.streams import CHUNK_FRAMES, PairStream
from segkit.evaluation.suite import build_suite


def test_two_videos_are_a_pair(make_video, tmp_path):
    one, two = (make_video(tmp_path / f"{n}.mp4", [100] * 4) for n in "ab")
    assert find_pairs(one, two).pairs == [Pair("a", one, two)]


def test_folders_are_paired_by_name_and_the_rest_is_told(make_video, tmp_path):
    for side, names in (("pred", "ab"), ("real", "bc")):
        (tmp_path / side).mkdir()
        for name in names:
            make_video(tmp_path / side / f"{name}.mp4", [100] * 4)
    (tmp_path / "pred" / "notes.txt").write_text("mine")
    found = find_pairs(tmp_path / "pred", tmp_path / "real")
    assert [pair.name for pair in found.pairs] == ["b"]
    assert [path.name for path in found.unpaired] == ["a.mp4", "c.mp4"]
    assert [path.name for path in found.strays] == ["notes.txt"]


def test_what_is_no_pair_is_told(make_video, tmp_path):
    video = make_video(tmp_path / "a.mp4", [100] * 4)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"--real: .*none\.mp4 does not exist"):
        find_pairs(video, tmp_path / "none.mp4")
    with pytest.raises(ValueError, match="two videos or two folders, got the file"):
        find_pairs(video, folders[0])
    make_video(folders[0] / "a.mp4", [100] * 4)
    with pytest.raises(ValueError, match="found a and none"):
        find_pairs(*folders)
    make_video(folders[0] / "a.mkv", [100] * 4)
    with pytest.raises(ValueError, match=r"a\.mkv and a\.mp4 have one name"):
        find_pairs(*folders)


def test_numbers_are_those_of_the_frames(make_video, tmp_path, entries):
    pred = make_video(tmp_path / "a.mp4", [100] * 5)
    real = make_video(tmp_path / "b.mp4", [100, 110, 120, 130, 140])
    report = evaluate(find_pairs(pred, real).pairs, build_suite(entries=entries), progress=False)
    assert report.values["Grey/mean"] == pytest.approx(20, abs=1)
    assert report.clips["a"]["Grey/mean"] == pytest.approx(20, abs=1)
    assert report.values["Grey/n"] == 5
    assert report.definitions["grey"] == "difference of mean grey"
    assert report.directions["grey"] == "down"
    assert "syncnet_v2" in report.skipped["heavy"]
    assert not report.failed


def test_bad_clips_are_left_out_of_every_number(make_video, tmp_path, entries):
    films = {
        "good": ([100] * 5, [110] * 5, {}, {}),
        "longer": ([100] * 6, [200] * 5, {}, {}),
        "larger": ([100] * 5, [200] * 5, {"size": (64, 32)}, {}),
        "faster": ([100] * 5, [200] * 5, {"fps": 30}, {}),
        "tiny": ([100] * 2, [200] * 2, {}, {}),
    }
    for side in ("pred", "real"):
        (tmp_path / side).mkdir()
    for name, (pred, real, ours, theirs) in films.items():
        make_video(tmp_path / "pred" / f"{name}.mp4", pred, **ours)
        make_video(tmp_path / "real" / f"{name}.mp4", real, **theirs)
    (tmp_path / "pred" / "broken.mp4").write_bytes(b"no film")
    make_video(tmp_path / "real" / "broken.mp4", [1] * 5)
    pairs = find_pairs(tmp_path / "pred", tmp_path / "real").pairs
    report = evaluate(pairs, build_suite(["grey"], entries=entries), progress=False)
    assert report.values["Grey/mean"] == pytest.approx(10, abs=1)
    assert report.values["Grey/n_clips"] == 1
    assert sorted(report.failed) == ["broken", "faster", "larger", "longer"]
    told = {clip: " ".join(sentences) for clip, sentences in report.problems.items()}
    assert "6 frames" in told["longer"]
    assert "64 x 32" in told["larger"]
    assert "30 fps" in told["faster"]
    assert "grey: expected 3 frames or more, got 2" in told["tiny"]
    trimmed = evaluate(
        [pair for pair in pairs if pair.name in ("good", "longer")],
        build_suite(["grey"], entries=entries),
        open_clip=partial(PairStream, on_length_mismatch="trim"), progress=False,
    )  # fmt: skip
    assert trimmed.trimmed == {"longer": 1}
    assert trimmed.values["Grey/mean"] == pytest.approx(55, abs=1)
    assert trimmed.values["Grey/trimmed"] == 1


def test_nothing_measured_is_an_error(tmp_path, make_video, entries):
    pred = make_video(tmp_path / "a.mp4", [100] * 5)
    real = make_video(tmp_path / "b.mp4", [100] * 7)
    with pytest.raises(ValueError, match=r"(?s)none of the 1 clips.*5 frames.*7; cut them"):
        evaluate(find_pairs(pred, real).pairs, build_suite(["grey"], entries=entries),
                 progress=False)  # fmt: skip


def test_frames_come_in_bounded_chunks(make_video, tmp_path):
    levels = [30 + index % 200 for index in range(CHUNK_FRAMES + 10)]
    pred = make_video(tmp_path / "a.mp4", levels, sound=True)
    real = make_video(tmp_path / "b.mp4", [level + 20 for level in levels])
    stream = PairStream(Pair("a", pred, real))
    assert stream.head["fps"] == 25
    assert stream.head["audio"].dtype == np.int16
    chunks = list(stream)
    assert [len(chunk["pred_frames"]) for chunk in chunks] == [CHUNK_FRAMES, 10]
    assert chunks[0]["pred_frames"].shape[1:] == (3, 32, 48)
    for side, wanted in (("pred", levels), ("gt", [level + 20 for level in levels])):
        found = np.concatenate([chunk[f"{side}_frames"] for chunk in chunks]).mean((1, 2, 3))
        np.testing.assert_allclose(found, wanted, atol=2)


def test_suites_name_what_is_missing(entries):
    with pytest.raises(KeyError, match="no metric 'gray'; known: grey, heavy"):
        build_suite(["gray"], entries=entries)
    with pytest.raises(FileNotFoundError, match="get it"):
        build_suite(["heavy"], entries=entries)


def test_reports_are_plain_and_whole(make_video, tmp_path, entries):
    pred = make_video(tmp_path / "a.mp4", [100] * 5)
    suite = build_suite(entries=entries)
    report = evaluate([Pair("a", pred, pred)], suite, progress=False)
    report.values["Grey/odd"] = float("nan")
    files = write_report(tmp_path / "out", report, inputs={"pred": "a.mp4"})
    assert [path.name for path in files] == ["report.json", "report.md", "report.html"]
    content = json.loads(files[0].read_text())
    assert content["values"]["Grey/mean"] == 0
    assert content["values"]["Grey/odd"] == "nan"
    text = files[1].read_text()
    assert "| Grey/mean | 0 | ↓ | 5 | difference of mean grey |" in text
    assert "| Grey/odd | not measured |" in text
    assert "- heavy: " in text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]


def test_numbers_for_people():
    assert format_number(0.123456) == "0.1235"
    assert format_number(12.0) == "12"
    assert format_number(float("inf")) == "inf"


def test_the_command_writes_reports_and_tells_failures(make_video, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from segkit.cli.app import app

    def run(*words):
        return CliRunner().invoke(app, ["evaluate", *map(str, words)])

    monkeypatch.setenv("COLUMNS", "200")
    for side, levels in (("pred", [100] * 5), ("real", [110] * 5)):
        (tmp_path / side).mkdir()
        for name in "ab":
            make_video(tmp_path / side / f"{name}.mp4", levels)
    asked = ("--pred", tmp_path / "pred", "--real", tmp_path / "real", "--out", tmp_path / "out")
    answer = run(*asked, "--metrics", "psnr,ssim")
    assert answer.exit_code == 0, answer.output
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    # 10 of 255 levels apart, within what the codec rounds.
    assert content["values"]["PSNR/psnr"] == pytest.approx(28.13, abs=1)
    assert sorted(content["clips"]) == ["a", "b"]
    again = run(*asked)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    make_video(tmp_path / "real" / "b.mkv", [110] * 9)
    (tmp_path / "real" / "b.mp4").unlink()
    answer = run(*asked, "--metrics", "psnr", "--force")
    assert answer.exit_code == 1
    assert "b: the lengths differ" in " ".join(answer.stderr.split())
    answer = run(*asked, "--metrics", "psnrr", "--force")
    assert answer.exit_code == 2
    assert "no metric 'psnrr'; known: psnr" in answer.stderr
