"""``mim train`` with and without PACKAGE, with and without openmim."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from segkit.mim_download import wants_config
from segkit.mim_entry import launch_command, main, with_package

REPOSITORY = Path(__file__).parents[2]

# Command line after `mim` -> position where `segkit` is put in, None where openmim gets it as
# typed.
LINES = [
    ("train projects/segtalker/tsg.py", 1),
    ("train tsg.py", 1),
    ("train tsg.py --work-dir w", 1),
    ("train --work-dir w tsg.py", None),
    ("train -l pytorch tsg.py -G 2", 3),
    ("train --launcher pytorch --gpus 2 tsg.py", 5),
    ("train -y tsg.py --cfg-options a=1 b=2", 2),
    ("test tsg.py ckpt.pth", 1),
    ("gridsearch tsg.py --search-args x", 1),
    ("train segkit tsg.py", None),
    ("train mmagic tsg.py --gpus 0", None),
    ("train", None),
    ("train --help", None),
    ("train segkit", None),
    ("list", None),
    ("download segkit --config tsg.py", None),
    ("run segkit train tsg.py", None),
]


@pytest.mark.parametrize(("line", "position"), LINES)
def test_package_is_put_in_only_where_openmim_refuses(line: str, position: int | None) -> None:
    cli = pytest.importorskip("mim.cli", reason="needs openmim: pip install 'segkit[mim]'").cli
    words = line.split()
    wanted = words if position is None else [*words[:position], "segkit", *words[position:]]
    assert with_package(words, cli) == wanted


@pytest.mark.parametrize("prefix", ["", "segkit "])
def test_without_openmim_our_launcher_starts(prefix: str) -> None:
    plain = launch_command(f"{prefix}tsg.py --work-dir w -G 0 -y".split())
    assert plain == [
        sys.executable,
        "-m",
        "segkit.cli.train",
        "tsg.py",
        "--work-dir",
        "w",
        "--launcher",
        "none",
    ]
    several = launch_command(f"-l pytorch -G 2 --port 20001 {prefix}tsg.py --minutes 3".split())
    assert several[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert several[3:] == [
        *("--nproc_per_node=2", "--master_port=20001", "-m", "segkit.cli.train"),
        *("tsg.py", "--minutes", "3", "--launcher", "pytorch"),
    ]


def test_help_does_not_offer_gpus() -> None:
    # openmim passes --gpus and --device to scripts whose help has that word; ours takes neither.
    command = [sys.executable, str(REPOSITORY / "tools" / "train.py"), "-h"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "--gpus" not in done.stdout
    assert "--cfg-options" in done.stdout


def test_literal_command_trains(clip_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "segkit.mim_entry", "train", "projects/segtalker/tsg.py"]
    command += ["--data", str(clip_folder), "--work-dir", str(tmp_path / "w"), "--cfg-options"]
    command += [
        "train_cfg.max_iters=1",
        "train_dataloader.num_workers=0",
        "train_dataloader.batch_size=1",
    ]
    command += [
        "train_dataloader.dataset.size=128",
        "model.mask_decoder.size=128",
        "model.mask_decoder.width=0.125",
    ]
    command += ["model.sync_expert.size=64", "custom_hooks=[]"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TSG, 1 iterations" in done.stdout
    assert torch.load(tmp_path / "w" / "iter_1.pth", weights_only=True)["meta"]["iter"] == 1


def test_failure_is_the_scripts_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    mim = pytest.importorskip("mim.cli", reason="needs openmim: pip install 'segkit[mim]'")
    import click

    @click.group()
    def cli() -> None: ...

    @cli.command()
    def train() -> None:
        raise subprocess.CalledProcessError(2, ["train.py"])

    monkeypatch.setattr("segkit.mim_entry._leave_interrupts_to_the_training", lambda: None)
    monkeypatch.setattr(mim, "cli", cli)
    monkeypatch.setattr(sys, "argv", ["mim", "train"])
    assert main() == 2


def test_openmim_finds_the_models_and_no_weights() -> None:
    search = pytest.importorskip(
        "mim.commands.search", reason="needs openmim: pip install 'segkit[mim]'"
    )
    from modelindex.load_model_index import load

    table = search.convert2df(load(str(REPOSITORY / "model-index.yml")))
    assert "weight" not in table.columns
    assert table.loc["tsg_tiny", "training_data"] == "synthetic clips"
    assert table.loc["tsg", "training_data"] == "talking films"
    assert table.loc["wav2lip", "model"] == "wav2lip"
    assert table.loc["wav2lip", "paper"] != table.loc["tsg", "paper"]
    (found,) = search.filter_by_configs(table, ["sgi_e4s"]).index
    assert found == "sgi_e4s"


def test_mim_download_writes_the_whole_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from segkit.engine.config import load_config

    words = ["mim", "download", "segkit", "--config", "no_syncnet_tiny", "--dest", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    assert main() == 0
    assert main() == 0  # the same file again is no quarrel
    assert "no weights are published" in capsys.readouterr().out
    written = tmp_path / "no_syncnet_tiny.py"
    assert [path.name for path in tmp_path.iterdir()] == [written.name]
    assert load_config(str(written)).pretty_text == load_config("no_syncnet_tiny").pretty_text

    written.write_text("mine = 1")
    assert main() == 2
    assert written.read_text() == "mine = 1"
    monkeypatch.setattr(sys, "argv", [*words[:4], "no_such_config", "--dest", str(tmp_path)])
    assert main() == 2
    assert "no_such_config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("download segkit --config tsg", True),
        ("download segkit", False),
        ("download segkit --dataset voc", False),
        ("download mmagic --config tsg", False),
        ("download segkit --config tsg --help", False),
    ],
)
def test_only_configs_of_segkit_are_answered_here(line: str, ours: bool) -> None:
    assert wants_config(line.split()) == ours
