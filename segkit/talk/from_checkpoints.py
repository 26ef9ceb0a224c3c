"""Trained checkpoints of TSG and SGI to one bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from segkit.decisions import PRIOR_CORRECTION
from segkit.talk.bundle import PARTS, Bundle, BundleError, load_exactly, new_bundle
from segkit.talk.bundle_configs import without_training
from segkit.trained import model_config, part_state, read_checkpoint

_OF_TSG = ("audio_encoder", "mask_decoder")
_OF_SGI = ("region_encoder", "generator")


def bundle_from_checkpoints(
    *,
    tsg: str | Path | None,
    sgi: str | Path | None,
    base: Bundle | None = None,
    size: int | None = None,
    scheme: str = "celeba12",
    card: dict[str, Any] | None = None,
) -> Bundle:
    """Put the trained parts of two checkpoints into a bundle.

    The arguments of the parts come from the config that each checkpoint carries; averaged weights
    are preferred to the last ones.

    Args:
        tsg: checkpoint of a `TSG` training; None takes that half of ``base``.
        sgi: checkpoint of an `SGI` training; None takes that half of ``base``.
        base: another bundle.
        size: side of the drawn crop; None takes the generator's.
        scheme: region scheme that both were trained on.
        card: provenance.

    Raises:
        FileNotFoundError: a checkpoint is not there.
        ValueError: a checkpoint without a config or without the parts, or with other shapes; or
            half of a model without ``base``.
    """
    parts: dict[str, dict[str, Any]] = {}
    states: dict[str, dict[str, Tensor]] = {}
    shift: Tensor | None = None
    for path, wanted in ((tsg, _OF_TSG), (sgi, _OF_SGI)):
        if path is None:
            if base is None:
                raise BundleError(f"expected a checkpoint or a bundle with {' and '.join(wanted)}")
            parts |= {part: base.configs[part] for part in wanted}
            states |= {part: base.modules[part].state_dict() for part in wanted}
            continue
        content = read_checkpoint(path)
        config = model_config(path, content)
        for part in wanted:
            if part not in config:
                raise BundleError(
                    f"{path}: its config has no {part}; is it a {'/'.join(wanted)} training?"
                )
            # The file of pretrained weights need not be here: the checkpoint holds them.
            parts[part] = without_training(PARTS[part], config[part])
            states[part] = part_state(content["state_dict"], part, path)
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
        source = (tsg if part in _OF_TSG else sgi) or "bundle"
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
