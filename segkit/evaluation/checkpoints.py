"""Trained checkpoints to the method that they make together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from segkit.evaluation.methods import SegTalkerMethod, Wav2LipMethod
from segkit.evaluation.self_driven import Method
from segkit.talk.bundle import load_bundle
from segkit.talk.from_checkpoints import bundle_from_checkpoints
from segkit.trained import model_config, part_state, read_checkpoint

_WAV2LIP = "segkit_models.baselines.wav2lip.Wav2Lip"

_KINDS = {"tsg": "mask_decoder", "sgi": "region_encoder"}
"""Half of SegTalker -> part that only its training has."""


def method_of(
    checkpoints: Sequence[str | Path] = (),
    *,
    model: str | Path | None = None,
    compose: Literal["full", "lower", "face"] = "full",
    name: str | None = None,
) -> Method:
    """Build what is to be measured.

    Args:
        checkpoints: of a TSG and an SGI training, of one of them, or of Wav2Lip; files, or work
            directories whose newest one is taken.
        model: bundle that gives the half of SegTalker that has no checkpoint; None takes the
            built-in one.
        compose: see `Wav2LipMethod`.
        name: in reports.

    Raises:
        FileNotFoundError: no such file, or no checkpoint in a folder.
        ValueError: a checkpoint of another training, or two of the same half.
    """
    halves: dict[str, Path] = {}
    for given in checkpoints:
        path = newest(given)
        config = model_config(path, content := read_checkpoint(path))
        if _is_wav2lip(config):
            if len(checkpoints) > 1:
                raise ValueError(f"{path}: Wav2Lip is measured by itself; give one checkpoint")
            return Wav2LipMethod(
                _wav2lip(path, config, content), compose=compose, name=name or "Wav2Lip"
            )
        half = next((half for half, part in _KINDS.items() if part in config), None)
        if half is None:
            raise ValueError(
                f"{path}: expected a checkpoint of TSG, SGI or Wav2Lip, got one of "
                f"{config.get('type')}"
            )
        if half in halves:
            raise ValueError(f"{path} and {halves[half]} are both of {half.upper()}; give one")
        halves[half] = path
    if not halves:
        return SegTalkerMethod(load_bundle(model), name=name or "SegTalker")
    base = None if len(halves) == 2 else load_bundle(model)
    bundle = bundle_from_checkpoints(tsg=halves.get("tsg"), sgi=halves.get("sgi"), base=base)
    return SegTalkerMethod(bundle, name=name or "SegTalker")


def newest(path: str | Path) -> Path:
    """Return a checkpoint as it is, or the newest one of a work directory.

    Raises:
        FileNotFoundError: neither.
    """
    from segkit.engine.checkpoints import latest_checkpoint

    path = Path(path)
    if not path.is_dir():
        return path
    found = latest_checkpoint(path)
    if found is None:
        raise FileNotFoundError(f"{path} holds no checkpoint; train first, or name a file")
    return found


def _is_wav2lip(config: dict[str, Any]) -> bool:
    generator = config.get("generator")
    return isinstance(generator, dict) and generator.get("type") == _WAV2LIP.rpartition(".")[2]


def _wav2lip(path: Path, config: dict[str, Any], content: dict[str, Any]) -> Any:
    from segkit.weights.converted import with_classes

    arguments = with_classes({**config["generator"], "type": _WAV2LIP})
    arguments.pop("weights", None)
    generator = arguments.pop("type")(**arguments)
    generator.load_state_dict(part_state(content["state_dict"], "generator", path))
    return generator
