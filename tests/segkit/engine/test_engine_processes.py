"""Two processes on a CPU train as one with twice the batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

REPOSITORY = Path(__file__).resolve().parents[3]


def test_two_processes_equal_one_with_both_batches(
    run_toy: Any, toy_config: Path, tmp_path: Path
) -> None:
    # The step of SGD is linear in the gradient, so an error of the average would show at once; so
    # would one of the order of averaging and clipping.
    text = (
        toy_config.read_text()
        .replace("type=ToyModel", "type=ToyModel, noisy=False")
        .replace("Adam", "SGD")
    )
    text = text.replace("lr=1e-2, betas=(0.5, 0.9))", "lr=1e-2), clip_grad=dict(max_norm=2.0)")
    toy_config.write_text(text.replace("max_iters=12", "max_iters=6"))
    run_toy("one", overrides={"train_dataloader.batch_size": 8})
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node=2",
        "--standalone",
        "-m",
    ]
    command += [
        "segkit.cli.train",
        str(toy_config),
        "--launcher",
        "pytorch",
        "--work-dir",
        str(tmp_path / "two"),
    ]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{Path(__file__).parent}",
    }
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 processes" in done.stdout
    one, two = (
        torch.load(tmp_path / name / "iter_6.pth", weights_only=True) for name in ("one", "two")
    )
    assert len(two["random_states"]) == 2
    for key, value in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][key], value, rtol=1e-5, atol=1e-6)
