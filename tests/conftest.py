"""Settings of the whole suite: few threads, repeatable laws, optional outside material."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Two workers with a thread each beat one with two: most tests are many small operations.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
# No test may reach for the network behind our back.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# Examples follow from the test's name, so that a failure of one machine is a failure of all.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=40, database=None)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the suite, and every process it starts, out of the user's own settings."""
    os.environ["SEGKIT_CONFIG"] = str(tmp_path_factory.mktemp("config"))
    os.environ["SEGKIT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def run_alone() -> Callable[..., str]:
    """Runs a file of tests in a process of its own: file, variables of that process -> output."""

    def run(script: str, **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", script],
            cwd=REPOSITORY, capture_output=True, text=True, check=False,
            env={**os.environ, **variables},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        return done.stdout

    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """A folder of clips, weights and reference outputs that does not belong to the repository."""
    folder = Path(os.environ.get("SEGKIT_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs outside material in {folder} (set SEGKIT_SHARED)")
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that need a GPU or the network, unless they are asked for with ``-m``."""
    if config.option.markexpr:
        return
    for item in items:
        for marker in ("gpu", "download"):
            if marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"needs `-m {marker}`"))
