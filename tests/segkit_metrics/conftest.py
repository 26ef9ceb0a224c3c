"""Stored values of metrics, computed by independent code, and the inputs that gave them."""

from __future__ import annotations

import json
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
