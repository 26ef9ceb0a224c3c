"""Published weights that a training is told to use and that are not there: what then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

WEIGHT_ARGUMENTS = ("trunk", "weights", "backbone_weights", "average_weights")
"""Arguments by which a component is given the file of its pretrained network."""

STARTS = ("region_encoder", "generator", "discriminator")
"""Parts of a model that only begin with published weights, and can begin without."""


def leave_out_missing(config: Any) -> list[str]:
    """Take out of a config what only works with a file that is not there.

    Losses become None; one of several audio encoders goes, and a dataset's listener with it; what
    would begin with published weights begins with random ones. What the training cannot do without
    stays, and its component will name the file.

    Returns:
        One sentence per part left out.
    """
    model = config.model
    return [
        *_without_losses(model),
        *_without_encoders(model, _datasets(config)),
        *_with_random_starts(model),
    ]


def _without_losses(model: Any) -> Iterator[str]:
    for name, loss in (model.get("losses") or {}).items():
        if missing := _missing(loss):
            model.losses[name] = None
            yield f"loss {name!r} is left out: {missing[0]} not found; see `segkit weights`"


def _without_encoders(model: Any, datasets: list[Any]) -> Iterator[str]:
    encoders = (model.get("audio_encoder") or {}).get("encoders") or []
    kept = [encoder for encoder in encoders if not _missing(encoder)]
    if kept and len(kept) < len(encoders):
        model.audio_encoder["encoders"] = kept
        for encoder in encoders:
            if missing := _missing(encoder):
                yield (
                    f"audio encoder {_name(encoder)} is left out: {missing[0]} not found; "
                    "see `segkit weights`"
                )
    for dataset in datasets:
        if _missing(dataset.get("listener")):
            dataset["listener"] = None


def _with_random_starts(model: Any) -> Iterator[str]:
    for name in STARTS:
        part = model.get(name) or {}
        for argument in WEIGHT_ARGUMENTS:
            path = part.get(argument)
            if isinstance(path, str) and not Path(path).exists():
                part[argument] = None
                yield f"{name} begins without {argument} {path}: not found; see `segkit weights`"


def _missing(node: Any) -> list[str]:
    """Return the weight files named anywhere below a component that do not exist."""
    if not isinstance(node, dict):
        return []
    own = [node[key] for key in WEIGHT_ARGUMENTS if isinstance(node.get(key), str)]
    below = [path for value in node.values() for path in _missing(value)]
    return [path for path in own if not Path(path).exists()] + below


def _datasets(config: Any) -> list[Any]:
    loaders = [config.train_dataloader, *(config.get("custom_hooks") or [])]
    return [loader["dataset"] for loader in loaders if loader.get("dataset")]


def _name(component: Any) -> str:
    kind = component["type"]
    return getattr(kind, "__name__", str(kind))
