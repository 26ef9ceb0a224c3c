"""Begin a training from published weights; say aloud what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from segkit.engine.checkpoints import check_state_fits

WEIGHT_ARGUMENTS = ("trunk", "manifest", "weights", "checkpoint", "backbone_weights")
"""Arguments by which a component is given the file of its pretrained network."""


class StartFrom(Hook):
    """Copy tensors of a file made by `segkit convert` into the model before the first iteration.

    A file that is not there is a warning: the training begins from random weights.

    Args:
        file: the converted file.
        parts: submodule or buffer of the model -> part of the file (``"generator"``), or name of
            one of its tensors (``"extras.latent_average"``).
    """

    priority = "HIGH"

    def __init__(self, *, file: str | Path, parts: Mapping[str, str]) -> None:
        self.file, self.parts = Path(file), dict(parts)

    def before_train(self, runner: Any) -> None:
        """Load, unless the training goes on from a checkpoint of its own.

        Raises:
            ValueError: not a converted file, or no such part.
            CheckpointMismatchError: the part belongs to another network than the config's.
        """
        if runner.iter > 0:
            return
        if not self.file.is_file():
            runner.logger.warning(
                f"{', '.join(self.parts)} begin with random weights: {self.file} not found; "
                "see `segkit weights`"
            )
            return
        from segkit.weights.converted import tensors_of

        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for target, source in self.parts.items():
            state = tensors_of(self.file, source)
            if "" in state:
                model.get_buffer(target).copy_(state[""])
            else:
                module = model.get_submodule(target)
                check_state_fits(module, state, exact=True)
                module.load_state_dict(state)
            runner.logger.info(f"{target}: {source} of {self.file}")


def leave_out_missing(config: Any) -> list[str]:
    """Take out of a config what only works with a file that is not there.

    Losses become None; one of several audio encoders goes, and a dataset's listener with it.
    What the training cannot do without stays, and its component will name the file.

    Returns:
        One sentence per part left out.
    """
    sentences = []
    model = config.model
    for name, loss in (model.get("losses") or {}).items():
        if missing := _missing(loss):
            model.losses[name] = None
            sentences.append(
                f"loss {name!r} is left out: {missing[0]} not found; see `segkit weights`"
            )
    encoders = (model.get("audio_encoder") or {}).get("encoders") or []
    kept = [encoder for encoder in encoders if not _missing(encoder)]
    if kept and len(kept) < len(encoders):
        model.audio_encoder["encoders"] = kept
        for encoder in encoders:
            if missing := _missing(encoder):
                sentences.append(
                    f"audio encoder {_name(encoder)} is left out: {missing[0]} not found; "
                    "see `segkit weights`"
                )
    for dataset in _datasets(config):
        if _missing(dataset.get("listener")):
            dataset["listener"] = None
    return sentences


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
