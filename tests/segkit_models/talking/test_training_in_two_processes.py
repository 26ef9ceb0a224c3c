"""TSG and SGI: two processes make the gradients of one, though each lacks a region."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("two_processes.py")


def run(out: Path, num_processes: int) -> None:
    """Train in processes of their own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[3])}
    started = [
        subprocess.Popen(
            [sys.executable, SCRIPT, str(out), str(rank), str(num_processes)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(num_processes)
    ]  # fmt: skip
    try:
        said = [each.communicate(timeout=300)[0] for each in started]
    finally:
        for each in started:
            each.kill()  # one that waits for a message that never comes
    assert [each.returncode for each in started] == [0] * num_processes, said


@pytest.mark.slow
def test_gradients_are_those_of_one_process_with_both_batches(tmp_path):
    run(tmp_path, 2)
    runpy.run_path(str(SCRIPT))["main"](tmp_path, 0, 1)
    one, first, second = (
        torch.load(tmp_path / f"rank_{name}.pth", weights_only=True)
        for name in ("0_of_1", "0_of_2", "1_of_2")
    )
    for name, gradients in one.items():
        # SGD with rate 1: what changed is the gradient, up to the rounding of the weights.
        for key, gradient in gradients.items():
            assert torch.equal(first[name][key], second[name][key]), f"{name}: {key}"
            torch.testing.assert_close(
                first[name][key], gradient, atol=1e-5, rtol=1e-5, msg=f"{name}: {key}"
            )
        assert sum(float(each.abs().max()) > 1e-3 for each in gradients.values()) > 10
    codes = [each for key, each in one["sgi"].items() if "mlp.out.bias" in key]
    # Every region is drawn in some process, the absent ones of each included.
    assert all((each.abs().amax(-1) > 0).all() for each in codes)
    assert codes
