"""Stored values of metrics, computed by independent code, and the inputs that gave them."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def parity(shared: Path) -> Path:
    """The folder of the stored outputs."""
    folder = shared / "parity"
    if not (folder / "metric_oracles.json").is_file():
        pytest.skip(f"no stored values of metrics in {folder}")
    return folder


@pytest.fixture(scope="session")
def oracle(parity: Path) -> Callable[[str], Any]:
    """Look up a stored value by its name."""
    values = json.loads((parity / "metric_oracles.json").read_text())["reference"]
    return lambda name: values[name]["value"]


@pytest.fixture(scope="session")
def oracle_inputs(parity: Path) -> dict[str, np.ndarray]:
    """Inputs of the stored values; frames are ``T H W 3``."""
    with np.load(parity / "metric_inputs.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def in_two_processes(repository: Path) -> Callable[..., list[Any]]:
    """Run ``worker(rank)`` of a test file in two processes joined by gloo.

    Returns:
        What each process returned, by way of JSON.
    """

    def run(file: str, meeting: Path) -> list[Any]:
        environment = {**os.environ, "PYTHONPATH": str(repository)}
        workers = [
            subprocess.Popen(
                [sys.executable, __file__, file, str(rank), str(meeting)],
                stdout=subprocess.PIPE, env=environment, cwd=repository,
            )
            for rank in range(2)
        ]  # fmt: skip
        answers = [process.communicate(timeout=120)[0] for process in workers]
        assert [process.returncode for process in workers] == [0, 0]
        return [json.loads(answer.splitlines()[-1]) for answer in answers]

    return run


def _join_and_run(file: str, rank: str, meeting: str) -> None:
    from torch import distributed

    # Installed packages bring `tests` of their own.
    tests = sys.modules["tests"] = types.ModuleType("tests")
    tests.__path__ = [str(Path(__file__).parents[1])]
    worker = runpy.run_path(file)["worker"]
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=int(rank), world_size=2
    )
    print(json.dumps(worker(int(rank))))
    distributed.destroy_process_group()


if __name__ == "__main__":
    _join_and_run(*sys.argv[1:])
