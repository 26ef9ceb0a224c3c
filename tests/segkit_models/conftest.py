"""Stored outputs of public reference code, and the recipes of the weights that made them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@pytest.fixture(scope="session")
def parity(shared: Path) -> Path:
    """The folder of the stored outputs."""
    folder = shared / "parity"
    if not folder.is_dir():
        pytest.skip(f"no stored outputs of reference code in {folder}")
    return folder


def _recipe(folder: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fill_sgi(parity: Path) -> ModuleType:
    """Recipe of the weights of the image side."""
    return _recipe(parity, "fill_sgi")


@pytest.fixture(scope="session")
def fill_tsg(parity: Path) -> ModuleType:
    """Recipe of the weights of the speech side."""
    return _recipe(parity, "fill_tsg")


@pytest.fixture(scope="session")
def stored(parity: Path) -> Callable[[str], Any]:
    """Read a file of stored outputs."""
    return lambda name: torch.load(parity / name, weights_only=True)
