"""What a training's checkpoint says of its model: the config as data, and weights by part."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_AVERAGES = ("average.{}.", "{}_ema.", "ema.{}.")
"""Where a training keeps its running averages, which draw better than the last weights."""


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of ``segkit train`` without running anything in it.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: another kind of file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} not found; train it first or give another path")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ValueError(f"{path} is no checkpoint of `segkit train` (no state_dict in it)")
    return content


def model_config(path: str | Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return the ``model`` of the config in a checkpoint, its types as registered names.

    Raises:
        ValueError: it carries no config, or one without a model.
    """
    text = content.get("meta", {}).get("cfg")
    if not isinstance(text, str):
        raise ValueError(f"{path} carries no config; give a checkpoint written by `segkit train`")
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "model":
            return _with_plain_type(_literal(statement.value))
    raise ValueError(f"{path}: its config describes no model")


def part_state(state: dict[str, Tensor], part: str, path: str | Path) -> dict[str, Tensor]:
    """Return the weights of a part, its running average where there is one.

    Raises:
        ValueError: there are none.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    for pattern in (*_AVERAGES, "{}."):
        prefix = pattern.format(part)
        found = {
            key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)
        }
        if found:
            return found
    raise ValueError(f"{path} holds no weights of {part}")


def _literal(node: ast.expr) -> Any:
    """Evaluate constants, lists, tuples and ``dict(key=value)``, and nothing else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return {word.arg: _literal(word.value) for word in node.keywords if word.arg is not None}
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _literal(key) for key in node.keys]
        return dict(zip(keys, map(_literal, node.values), strict=True))
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    return ast.literal_eval(node)


def _with_plain_type(config: Any) -> Any:
    """Shorten each ``package.module.Name`` to the registered name, at any depth."""
    if isinstance(config, (list, tuple)):
        return [_with_plain_type(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: str(value).rpartition(".")[2] if key == "type" else _with_plain_type(value)
        for key, value in config.items()
    }
