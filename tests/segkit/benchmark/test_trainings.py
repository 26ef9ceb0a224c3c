"""What a table has trained: each once, alike, resumed, and told when it fails."""

import json
import sys

import pytest
from typer.testing import CliRunner

from segkit.benchmark.rows import ROWS, TABLE_2, chosen_rows
from segkit.benchmark.scoring import chosen_clips, is_whole
from segkit.benchmark.trainings import Training, iteration_of, log_of, plan, run_all
from segkit.clips import ClipFolder
from tests.talking_ellipse import ellipse_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    people = [(f"p{k}", "train") for k in range(2)] + [("v", "val"), ("t", "test"), ("t", "test")]
    return ellipse_folder(tmp_path_factory.mktemp("clips"), people)


def test_each_training_is_planned_once_with_its_expert(data, tmp_path):
    trainings = plan(ROWS, out=tmp_path, data=data, scale="tiny", seeds=[3, 4])
    names = [(one.config, one.seed) for one in trainings]
    assert len(set(names)) == len(names)
    assert names[:2] == [("syncnet_tiny", 3), ("wav2lip_syncnet_tiny", 3)]
    # Six trainings for each seed make six rows; two rows learn nothing.
    assert len(names) == 2 + 2 * 6
    experts = {one.config: one.expert and one.expert.name for one in trainings}
    assert experts["tsg_tiny"] == experts["no_cross_entropy_tiny"] == "syncnet_tiny"
    assert experts["no_syncnet_tiny"] is None
    assert experts["wav2lip_tiny"] == "wav2lip_syncnet_tiny"


def test_a_shorter_training_is_the_same_schedule_drawn_together(data, tmp_path):
    (tsg,) = [
        one
        for one in plan(
            chosen_rows(["ours"]), out=tmp_path, data=data, scale="tiny", seeds=[0],
            iterations={"tsg": 500},
        )
        if one.config == "tsg_tiny"
    ]  # fmt: skip
    assert tsg.checkpoint.name == "iter_500.pth"
    changes = tsg.overrides
    # The config's own: 5,000 iterations, the expert from 3,000 on.
    assert changes["model.sync_begin"] == changes["custom_hooks.0.needed_at"] == 300
    assert changes["custom_hooks.0.checkpoint"] == str(tmp_path / "experts" / "syncnet_tiny")
    assert "custom_hooks.1.checkpoint" not in changes
    command = tsg.command(data)
    assert command[0] == sys.executable
    assert "--resume" in command
    assert "train_cfg.max_iters=500" in command


def test_ablations_differ_from_the_whole_in_one_training(data, tmp_path):
    whole = next(row for row in ROWS if row.key == "ours").trainings
    for key in TABLE_2[:-1]:
        (row,) = chosen_rows([key])
        changed = [name for name in whole if row.trainings[name] != whole[name]]
        assert len(changed) == 1
        assert row.trainings[changed[0]] == key


def test_unknown_names_are_told(data, tmp_path):
    with pytest.raises(KeyError, match="no row 'our'; known: no_prior_learning"):
        chosen_rows(["our"])
    with pytest.raises(KeyError, match="no family 'sgt'"):
        plan(ROWS, out=tmp_path, data=data, scale="tiny", seeds=[0], iterations={"sgt": 1})


def test_every_person_comes_before_a_second_clip(tmp_path):
    people = [("a", "test"), ("a", "test"), ("b", "test"), ("c", "test")]
    folder = ClipFolder(ellipse_folder(tmp_path, people, num_frames=6))
    chosen = chosen_clips(folder, "test", 3)
    assert [clip.clip.entry["person_id"] for clip in chosen] == ["a", "b", "c"]
    assert len(chosen_clips(folder, "test", None)) == 4


def test_a_failed_training_names_its_log(data, tmp_path):
    training = Training("no_such_config", "tsg", 0, tmp_path / "seed0" / "x", 5)
    with pytest.raises(
        ChildProcessError, match=r"no_such_config, seed 0: ended with code 2 \(error"
    ):
        run_all([training], data=data, progress=False)
    assert "no_such_config" in log_of(training).read_text()
    assert iteration_of(log_of(training)) == 0


def test_iterations_are_read_off_a_log(tmp_path):
    log = tmp_path / "a.log"
    assert iteration_of(log) == 0
    log.write_text("x\nIter(train) [ 50/800]  lr\nIter(train) [100/800]  lr\nheld out [800]\n")
    assert iteration_of(log) == 100


@pytest.mark.slow
def test_the_command_trains_scores_and_does_neither_twice(data, tmp_path, monkeypatch):
    from segkit.cli.app import app

    monkeypatch.setenv("COLUMNS", "200")
    words = [
        "ablate", "--data", data, "--out", tmp_path, "--rows", "no_syncnet,still,units",
        "--iterations", "tsg=2", "--iterations", "sgi=2", "--metrics", "psnr,masks", "--clips", "1",
    ]  # fmt: skip
    planned = CliRunner().invoke(app, [*map(str, words), "--dry-run"])
    assert planned.exit_code == 0, planned.output
    assert "train no_syncnet_tiny, seed 0: 2 iterations" in planned.output
    assert not list(tmp_path.iterdir())
    answer = CliRunner().invoke(app, list(map(str, words)))
    assert answer.exit_code == 0, answer.output
    for word in ("w/o SyncNet", "still frame", "unit selection"):
        assert word in answer.output
    assert (tmp_path / "seed0" / "no_syncnet_tiny" / "iter_2.pth").is_file()
    content = json.loads((tmp_path / "table.json").read_text())
    values = {score["row"]: score["values"] for score in content["scores"]}
    assert "IoU/miou" in values["no_syncnet"]
    assert "IoU/miou" not in values["units"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("report.json")}
    assert len(before) == 3
    again = CliRunner().invoke(app, list(map(str, words)))
    assert again.exit_code == 0, again.output
    assert "scoring" not in again.output
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("report.json")} == before
    more = [word if word != "psnr,masks" else "psnr,ssim,masks" for word in map(str, words)]
    wider = CliRunner().invoke(app, more)
    assert wider.output.count("scoring") == 3
    content = json.loads((tmp_path / "table.json").read_text())
    assert all("SSIM/ssim" in score["values"] for score in content["scores"])


def test_a_report_is_whole_until_more_can_be_measured(tmp_path):
    assert not is_whole(tmp_path, [])
    # What was skipped for want of weights has no definition.
    content = {"definitions": {"psnr": "..."}, "skipped": {"lpips": "no weights"}}
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert is_whole(tmp_path, ["psnr"])
    assert not is_whole(tmp_path, ["psnr", "lpips"])
