"""Which parser labels faces: a name, published weights, or one of one's own training."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from torch import nn

from segkit.regions import RegionScheme
from segkit.registry import PARSERS
from segkit.trained import model_config, part_state, read_checkpoint

DEFAULT_PARSER = {"type": "MeshParser"}
"""Needs no weights."""


def build_parser(
    choice: str | Path | dict[str, Any] | nn.Module | None = None,
    *,
    scheme: RegionScheme | None = None,
) -> nn.Module:
    """Return a parser, in evaluation mode.

    Args:
        choice: a registered name; a file made by ``segkit convert bisenet``; a checkpoint
            (``.pth``) of ``segkit train parsing``; a config; a built parser; None takes
            `DEFAULT_PARSER`.
        scheme: whose regions it must label; None takes those it has.

    Raises:
        FileNotFoundError: no such file.
        KeyError: no parser of that name.
        ValueError: a file that holds no parser, or a parser of other regions.
    """
    parser = _built(choice)
    return parser if scheme is None else _labelling(parser, scheme)


def _built(choice: str | Path | dict[str, Any] | nn.Module | None) -> nn.Module:
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


def _labelling(parser: nn.Module, scheme: RegionScheme) -> nn.Module:
    """Return the parser with the labels of a scheme, if it can have them."""
    own = getattr(parser, "scheme", None)
    # Further regions, such as clothes, may be missing; those that are there have their labels.
    if own is None or scheme.extends(own):
        return parser
    if getattr(parser, "merged", False) and getattr(parser, "labelling", None) in scheme.merges:
        other: Any = copy.copy(parser)
        other.scheme = scheme
        return other
    raise ValueError(
        f"parser: {type(parser).__name__} labels the regions of {own.name!r}, the model has those "
        f"of {scheme.name!r}; give --parser a file of `segkit convert bisenet`, or a parser that "
        "was trained on these regions"
    )


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
