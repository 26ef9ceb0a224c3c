"""Phonemes of real speech: a frozen recogniser's log probabilities, twice per 25 fps frame."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.contracts import SAMPLE_RATE, SAMPLES_PER_FRAME, check_shape

FEATURES_PER_FRAME = 2
"""Features of a clip come at 50 Hz."""

_STEP = SAMPLES_PER_FRAME // FEATURES_PER_FRAME
_CHUNK_S, _MARGIN_S = 8, 1
_FLOOR = -12.0


class PhonemeRecogniser:
    """Hear which phonemes are spoken, whoever speaks: hama's CTC network (PyPI ``hama``).

    It stays as it is and is no module; what learns comes after it (`PhonemeCNN`). Features are
    ``1 + max(log p, -12) / 12``, so that 0 is "not this phoneme".

    Attributes:
        name: of the features, in files.
        features_per_frame: 2.
        num_features: C, 191: the phonemes, blank and word boundary.

    Raises:
        ImportError: hama is not installed, or not made for this machine.

    Source: Paper: AV-HuBERT over 3 s; ours: this, which a package carries, over 10 s at most.
    """

    name = "phonemes"
    features_per_frame = FEATURES_PER_FRAME
    num_features = 191

    def __init__(self) -> None:
        # Fail now if it cannot be loaded. It is not kept here: a copy of this object, or of a
        # network that holds it, would free the one engine of the process twice.
        _network()

    def __call__(self, waveform: Tensor) -> Tensor:
        """Describe a whole clip's speech.

        Args:
            waveform: ``N`` at 16 kHz in [-1, 1].

        Returns:
            ``F C`` in [0, 1], float32, two per started frame of 25 fps.
        """
        check_shape(waveform, "N", name="waveform", remedy="average the channels first")
        samples = waveform.detach().cpu().numpy().astype(np.float32)
        total = FEATURES_PER_FRAME * max(1, -(-len(samples) // SAMPLES_PER_FRAME))
        chunk, margin = _CHUNK_S * SAMPLE_RATE // _STEP, _MARGIN_S * SAMPLE_RATE // _STEP
        pieces = []
        for first in range(0, total, chunk):
            before = min(margin, first)
            stop = min(first + chunk, total)
            stretch = samples[(first - before) * _STEP : (stop + margin) * _STEP]
            found = self._recognise(stretch, before + stop - first + margin)
            pieces.append(found[before : before + stop - first])
        return torch.from_numpy(np.concatenate(pieces)).to(waveform.device)

    def _recognise(self, samples: np.ndarray, num_steps: int) -> np.ndarray:
        network = _network()
        padded = np.pad(samples, (0, max(0, num_steps * _STEP - len(samples))))
        log_p, lengths = network.session.run(
            [network._log_probs_output_name, network._out_lengths_output_name],
            {
                network._waveform_input_name: padded[None],
                network._waveform_lengths_input_name: np.array([len(padded)], np.int64),
            },
        )
        features = 1 + np.maximum(log_p[0][: int(np.ravel(lengths)[0])], _FLOOR) / -_FLOOR
        missing = max(0, num_steps - len(features))
        return np.pad(features, ((0, missing), (0, 0)), mode="edge")[:num_steps].astype(np.float32)


@cache
def _network() -> Any:
    try:
        from hama.asr import ASRModel

        return ASRModel()
    except (ImportError, OSError) as error:
        raise ImportError(
            f"the phoneme recogniser cannot be loaded ({error}); pip install hama, which runs on "
            "Linux and macOS, or choose an audio encoder that needs none, such as MelCNN"
        ) from error
