"""Which parser labels faces: a name, published weights, or one of one's own training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from segkit.registry import PARSERS
from segkit.trained import model_config, part_state, read_checkpoint

DEFAULT_PARSER = {"type": "MeshParser"}
"""Needs no weights."""


def build_parser(choice: str | Path | dict[str, Any] | nn.Module | None = None) -> nn.Module:
    """Return a parser, in evaluation mode.

    Args:
        choice: a registered name; a file made by ``segkit convert bisenet``; a checkpoint
            (``.pth``) of ``segkit train parsing``; a config; a built parser; None takes
            `DEFAULT_PARSER`.

    Raises:
        FileNotFoundError: no such file.
        KeyError: no parser of that name.
        ValueError: a file that holds no parser.
    """
    if choice is None:
        return PARSERS.build(DEFAULT_PARSER).eval()
    if isinstance(choice, (str, Path)):
        suffix = Path(choice).suffix
        if suffix == ".safetensors":
            return _converted(choice)
        if suffix in (".pth", ".pt"):
            return _trained(choice)
        return PARSERS.build({"type": str(choice)}).eval()
    return PARSERS.build(choice).eval()


def _converted(path: str | Path) -> nn.Module:
    from segkit.weights import load_component

    parser: Any = load_component(path)
    if not hasattr(parser, "merged"):
        raise ValueError(
            f"{path}: holds a {type(parser).__name__}, which is no parser; give a file made by "
            "`segkit convert bisenet`"
        )
    # The toolkit works with the regions of a scheme, not with the classes of the file.
    parser.merged = True
    return parser


def _trained(path: str | Path) -> nn.Module:
    content = read_checkpoint(path)
    config = model_config(path, content)
    if "parser" not in config:
        raise ValueError(f"{path}: its config has no parser; is it a `segkit train parsing`?")
    # The checkpoint holds the weights that a file once started from.
    arguments = {key: value for key, value in config["parser"].items() if key != "weights"}
    parser = PARSERS.build(arguments)
    parser.load_state_dict(part_state(content["state_dict"], "parser", path))
    return parser.eval()
