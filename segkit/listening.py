"""Listening: features of a clip's whole speech, made once, kept beside the clip, cut by frames."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from segkit.clip_files import ClipFiles


class Listener(Protocol):
    """Describes the speech of whole clips: ``listen(waveform N)``, or a call, gives ``F C``.

    Attributes:
        name: of the features, in files; another name for what gives other numbers.
        features_per_frame: F per started frame of 25 fps: 2 for phonemes, 1 for AV-HuBERT.
    """

    features_per_frame: int

    @property
    def name(self) -> str:
        """Return the name of the features."""
        ...


def check_listener(listener: Any) -> Any:
    """Return a listener that is one.

    Raises:
        ValueError: it has no name, or does not say how many features belong to a frame.
    """
    missing = [name for name in ("name", "features_per_frame") if not hasattr(listener, name)]
    if not callable(_listen_of(listener)):
        missing.append("listen(waveform)")
    if missing:
        raise ValueError(
            f"listener: {type(listener).__name__} has no {' and no '.join(missing)}; expected what "
            "describes a whole clip, such as PhonemeRecogniser or AVHubert with frozen layers"
        )
    return listener


def _listen_of(listener: Any) -> Any:
    # Calling an encoder is its embedding of a few frames; anything else may be called.
    return getattr(listener, "listen", None if isinstance(listener, nn.Module) else listener)


def features_on_disk(
    folder: Path, listener: Any, waveform: Tensor, *, files: ClipFiles | None = None
) -> Tensor:
    """Return a clip's features, from the clip's files or made and left in its folder.

    Args:
        folder: of the clip.
        listener: a `Listener`.
        waveform: ``N``, the clip's speech.
        files: of a packed clip, which may hold the features.

    Returns:
        ``F C`` float16, or float32 where half precision has no such numbers. A folder that cannot
        be written is no error.
    """
    path = folder / f"{listener.name}.npy"
    if files is not None and files.exists(path.name):
        return torch.from_numpy(np.load(io.BytesIO(files.read(path.name)), allow_pickle=False))
    if path.exists():
        return torch.from_numpy(np.load(path, allow_pickle=False))
    exact = _listen_of(listener)(waveform).detach().cpu()
    features = exact.half()
    if not bool(torch.isfinite(features).all()):
        features = exact
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.save(file, features.numpy())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
    return features


def cut_features(features: Tensor, first_frame: int, num_frames: int, *, per_frame: int) -> Tensor:
    """Return the features of some frames; outside the clip they are 0.

    Args:
        features: ``F C`` of a whole clip.
        first_frame: may be negative.
        num_frames: T.
        per_frame: the listener's ``features_per_frame``.

    Returns:
        ``per_frame T C`` float32.
    """
    piece = features.new_zeros(per_frame * num_frames, features.shape[1])
    start = per_frame * first_frame
    first, stop = max(start, 0), min(start + len(piece), len(features))
    if stop > first:
        piece[first - start : stop - start] = features[first:stop]
    return piece.float()


def fingerprint(module: nn.Module, *settings: object) -> str:
    """Return 8 hexadecimal digits that change with a network's weights and some settings.

    Args:
        module: whose parameters and buffers count, by name and value.
        settings: what else decides its output.
    """
    digest = hashlib.sha256(repr(settings).encode())
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(values.numpy()))
    return digest.hexdigest()[:8]
