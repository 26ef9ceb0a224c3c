"""Trained checkpoints of TSG and SGI to one bundle."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segkit.decisions import PRIOR_CORRECTION
from segkit.talk.bundle import PARTS, Bundle, BundleError, load_exactly, new_bundle
from segkit.talk.bundle_configs import without_training

_OF_TSG = ("audio_encoder", "mask_decoder")
_OF_SGI = ("region_encoder", "generator")
_AVERAGES = ("average.{}.", "{}_ema.", "ema.{}.")
"""Where a training keeps its running averages, which draw better than the last weights."""


def bundle_from_checkpoints(
    *,
    tsg: str | Path,
    sgi: str | Path,
    size: int | None = None,
    scheme: str = "celeba12",
    card: dict[str, Any] | None = None,
) -> Bundle:
    """Put the trained parts of two checkpoints into a bundle.

    The arguments of the parts come from the config that each checkpoint carries; averaged weights
    are preferred to the last ones.

    Args:
        tsg: checkpoint of a `TSG` training.
        sgi: checkpoint of an `SGI` training.
        size: side of the drawn crop; None takes the generator's.
        scheme: region scheme that both were trained on.
        card: provenance.

    Raises:
        FileNotFoundError: a checkpoint is not there.
        BundleError: a checkpoint without a config or without the parts, or with other shapes.
    """
    parts: dict[str, dict[str, Any]] = {}
    states: dict[str, dict[str, Tensor]] = {}
    shift: Tensor | None = None
    for path, wanted in ((tsg, _OF_TSG), (sgi, _OF_SGI)):
        content = _read(Path(path))
        config = _model_config(Path(path), content)
        for part in wanted:
            if part not in config:
                raise BundleError(
                    f"{path}: its config has no {part}; is it a {'/'.join(wanted)} training?"
                )
            # The file of pretrained weights need not be here: the checkpoint holds them.
            parts[part] = without_training(PARTS[part], _with_plain_type(config[part]))
            states[part] = _state_of(content["state_dict"], part, path)
        if wanted is _OF_TSG:
            shift = _logit_shift(config, content["state_dict"])
    generator, decoder = parts["generator"], parts["mask_decoder"]
    bundle = new_bundle(
        parts,
        size=size or int(generator.get("size", 512)),
        mask_size=int(decoder.get("size", 512)),
        scheme=scheme,
        card=card,
    )
    for part, module in bundle.modules.items():
        source = tsg if part in _OF_TSG else sgi
        load_exactly(module, states[part], name=f"{source}: {part}")
    if shift is not None:
        shift_logits = getattr(bundle.modules["mask_decoder"], "shift_logits", None)
        if shift_logits is None:
            name = decoder["type"]
            raise BundleError(f"{name} has no shift_logits; train with prior_correction=0")
        shift_logits(shift)
    return bundle


def _logit_shift(config: dict[str, Any], state: dict[str, Tensor]) -> Tensor | None:
    """Return what a weighted cross entropy (eq. 2) made the logits of small regions too large by.

    Minimised, it gives ``w p`` in place of ``p``; the share taken back is the training's own.
    """
    weights = state.get("mask_loss.weights")
    share = float(config.get("prior_correction", PRIOR_CORRECTION))
    return None if weights is None or not share else -share * weights.log()


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} not found; train it first or give another path")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise BundleError(f"{path} is no checkpoint of `segkit train` (no state_dict in it)")
    return content


def _model_config(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Read the ``model`` of the config text in a checkpoint, as data: nothing in it is run."""
    text = content.get("meta", {}).get("cfg")
    if not isinstance(text, str):
        raise BundleError(f"{path} carries no config; give a checkpoint written by `segkit train`")
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "model":
            return _literal(statement.value)
    raise BundleError(f"{path}: its config describes no model")


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


def _state_of(state: dict[str, Tensor], part: str, path: str | Path) -> dict[str, Tensor]:
    assert part in PARTS
    state = {key.removeprefix("module."): value for key, value in state.items()}
    for pattern in (*_AVERAGES, "{}."):
        prefix = pattern.format(part)
        found = {
            key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)
        }
        if found:
            return found
    raise BundleError(f"{path} holds no weights of {part}")
