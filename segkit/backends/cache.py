"""Where graphs are kept: made once for each state of the weights, opset and version."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import torch

from segkit.export.module import OPSET, export_module
from segkit.export.parts import Part
from segkit.listening import fingerprint

logger = logging.getLogger("segkit.backends")

CACHE_VARIABLE = "SEGKIT_CACHE"


def cache_folder() -> Path:
    """Return the folder of what can be made again: ``SEGKIT_CACHE``, or the platform's own."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "segkit"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local or Path.home() / "AppData" / "Local") / "segkit" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segkit"


def graph_file(name: str, part: Part, *, config: dict[str, Any]) -> Path:
    """Return the ONNX file of a part; the first call makes it and compares it with torch.

    Args:
        name: of the component.
        part: the component, with examples.
        config: of the component: some of its arguments change the picture, but no weight.

    Raises:
        ExportError: it has no graph, or one that differs.
    """
    from segkit import __version__

    form = getattr(part.module, "region_conv", "")
    mark = fingerprint(part.module, OPSET, __version__, torch.__version__, form, config)
    path = cache_folder() / "graphs" / f"{name}-{mark}.onnx"
    if not path.is_file():
        logger.warning("%s: making its graph; this takes a while, once for each model", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another process may have made it meanwhile: the two files are the same.
        export_module(
            part.module, part.examples, path, input_names=part.inputs,
            output_names=part.outputs, others=part.others, force=True,
        )  # fmt: skip
    return path
