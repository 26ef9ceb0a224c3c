"""TSG's mask decoder in 8-bit integers, allowed only where its masks stay the same."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segkit.backends.runners import Runner, runner
from segkit.contracts import SAMPLE_RATE
from segkit.export.module import ExportError, require_extra
from segkit.halves import pose_of
from segkit.listening import fingerprint
from segkit.regions import SCHEME_12, RegionScheme, one_hot
from segkit.talk.bundle import Bundle
from segkit.talk.speech import embed_speech

logger = logging.getLogger("segkit.backends")

MOST_LOST_POINTS = 0.5
"""Points of mIoU between the masks of int8 and of fp32 that may be missing from 100."""

_SEEDS = range(8)
_HELD_OUT = range(100, 108)
NAMES = ("pose", "reference", "audio")


def check_regions(scheme: RegionScheme) -> None:
    """Refuse schemes that the drawn faces have no labels for.

    Raises:
        ValueError: naming what to take instead.
    """
    if not scheme.extends(SCHEME_12):
        raise ValueError(
            f"precision: int8 is calibrated on drawn faces with the regions of {SCHEME_12.name!r}, "
            f"the model has those of {scheme.name!r}; take --precision fp32"
        )


def quantised_file(graph: Path, bundle: Bundle) -> Path:
    """Return the quantised file of a graph of the mask decoder, beside it; made at the first call.

    Weights and activations get 8 bits by their ranges over drawn faces and the audio encoder's
    embeddings of a sound.
    """
    heard = fingerprint(bundle.modules["audio_encoder"])
    path = graph.with_name(f"{graph.stem}-{heard}-int8.onnx")
    if path.is_file():
        return path
    require_extra("onnx", "onnxruntime")
    from onnxruntime import quantization

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantization.quantize_static(
                str(graph), str(part), _reader(bundle), per_channel=True,
                op_types_to_quantize=["Conv", "ConvTranspose"],
                weight_type=quantization.QuantType.QInt8,
                activation_type=quantization.QuantType.QUInt8,
            )  # fmt: skip
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def quantised_decoder(graph: Path, bundle: Bundle, *, backend: str) -> Runner:
    """Return the mask decoder in int8, or in fp32, with a warning, where int8 moves the masks.

    The measure is the mean IoU of both argmax masks over drawn faces that were not calibrated on.
    """
    plain = runner(graph, NAMES, backend=backend, precision="fp32")
    small = runner(quantised_file(graph, bundle), NAMES, backend=backend, precision="int8")
    lost = lost_points(plain, small, bundle)
    if lost > MOST_LOST_POINTS:
        logger.warning(
            "int8 moves the masks by %.2f points of mIoU, more than %.1f: the masks are made in "
            "fp32", lost, MOST_LOST_POINTS,
        )  # fmt: skip
        return plain
    return small


def lost_points(plain: Runner, small: Runner, bundle: Bundle) -> float:
    """Return how many points of 100 the mIoU of two decoders' masks lacks."""
    classes = len(bundle.scheme)
    same, either = torch.zeros(classes), torch.zeros(classes)
    for inputs in _faces(bundle, _HELD_OUT):
        first, second = plain(*inputs).argmax(1), small(*inputs).argmax(1)
        for region in range(classes):
            one, other = first == region, second == region
            same[region] += (one & other).sum()
            either[region] += (one | other).sum()
    seen = either > 0
    if not bool(seen.any()):
        raise ExportError("int8: the decoder drew no region; take --precision fp32")
    return 100 * (1 - float((same[seen] / either[seen]).mean()))


def _reader(bundle: Bundle) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        """Hands out one drawn face after another."""

        def __init__(self) -> None:
            self._faces = _faces(bundle, _SEEDS)

        def get_next(self) -> dict[str, Any] | None:
            """Return the next inputs; None after the last."""
            inputs = next(self._faces, None)
            if inputs is None:
                return None
            pairs = zip(NAMES, inputs, strict=True)
            return {name: tensor.contiguous().numpy() for name, tensor in pairs}

    return Reader()


def _faces(bundle: Bundle, seeds: range) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield inputs of the decoder, of one row: a drawn face, another one, and a sound."""
    from segkit.synthetic import portrait

    made = torch.Generator().manual_seed(seeds.start)
    sound = 0.1 * torch.randn(SAMPLE_RATE, generator=made)
    speech = embed_speech(bundle.modules["audio_encoder"], sound)
    for number, seed in enumerate(seeds):
        labels = torch.from_numpy(portrait(seed, size=bundle.mask_size)[1])[None]
        mask = one_hot(labels, len(bundle.scheme))
        yield pose_of(mask), mask, speech.vectors[number % len(speech.vectors)][None]
