"""Global audio encoder: any self-supervised speech model that torchaudio describes."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from segkit.contracts import SAMPLES_PER_FRAME
from segkit.registry import AUDIO_ENCODERS
from segkit.weights import read_foreign
from segkit_models.audio_encoders.token_encoder import TokenEncoder, check_layers

_PER_FRAME = 2
"""Tokens come at 50 Hz."""


@AUDIO_ENCODERS.register
class TorchaudioSSL(TokenEncoder):
    """Embed what is said over 3 s by HuBERT, WavLM or wav2vec 2.0, of any size.

    The token of a frame is the mean of the network's two tokens that begin in it: those of samples
    ``640 t`` and ``640 t + 320`` on, each 400 samples long. So that the last frame of a chunk has
    two as well, a chunk is given with the 80 samples behind it (silence at the end). Models that
    were trained on normalised waveforms get each chunk normalised.

    Args:
        name: of a bundle in ``torchaudio.pipelines``, such as ``HUBERT_BASE`` or ``WAVLM_LARGE``.
        weights: torchaudio's own file of that bundle, or its tensors as safetensors; random weights
            when not given. Nothing is fetched.
        parameters: of the model in place of the bundle's, such as ``encoder_num_layers``.
        out_dim: width of the embedding, by a linear layer with a ReLU; None gives the tokens.
        layer: whose output is the token, from 1; None takes what the model gives.
        chunk_frames: frames heard as one (3 s); 0 hears the whole clip.
        hop_frames: frames kept of a chunk.
        frozen: the network stays as it is; False trains all of it.
        num_trainable_layers: last layers that learn.

    Attributes:
        out_dim: width of the embedding.
        features_per_frame: 1.

    Raises:
        KeyError: no such bundle; the message lists all.
        FileNotFoundError: no such weights.
        ValueError: weights of another model, or arguments that contradict each other.

    Source: Hsu et al. 2021 (HuBERT), Chen et al. 2022 (WavLM), Baevski et al. 2020 (wav2vec 2.0).
        Paper: AV-HuBERT; ours: these where its licence is in the way.
    """

    def __init__(
        self,
        name: str = "HUBERT_BASE",
        *,
        weights: str | Path | None = None,
        parameters: Mapping[str, Any] | None = None,
        out_dim: int | None = 512,
        layer: int | None = None,
        chunk_frames: int = 75,
        hop_frames: int = 25,
        frozen: bool = True,
        num_trainable_layers: int = 0,
    ) -> None:
        bundle = _bundle(name)
        # Its head for letters is not part of the encoder.
        settings = dict(bundle._params) | dict(parameters or {}) | {"aux_num_out": None}
        super().__init__(
            settings["encoder_embed_dim"], chunk_frames=chunk_frames, hop_frames=hop_frames,
            frozen=frozen, num_trainable_layers=num_trainable_layers,
        )  # fmt: skip
        check_layers(settings["encoder_num_layers"], layer, num_trainable_layers)
        self.bundle_name = name
        self.layer = layer
        self.num_heads = settings["encoder_num_heads"]
        self.normalise = bundle._normalize_waveform
        self.reach = _reach(settings["extractor_conv_layer_config"])
        self.network = _build(bundle._model_type, settings)
        if weights is not None:
            _load(self.network, weights, name, bundle._path)
        _fold_weight_norm(self.network)
        self.finish(out_dim)

    def layers(self) -> list[nn.Module]:
        """Return the layers that tokens pass through, first to last."""
        return list(self.network.encoder.transformer.layers[: self.layer])  # type: ignore[union-attr, index]

    def identity(self) -> tuple[str, ...]:
        """Return the kind of the network, and what beside weights decides its tokens."""
        kind = self.bundle_name.lower()
        return kind, str(self.num_heads), str(self.normalise), str(self.layer)

    def hear(self, waveform: Tensor, starts: list[int], length: int) -> Tensor:
        """Return the tokens ``B K length E`` of chunks ``starts`` of a waveform ``B N``."""
        num_samples = self.reach + (_PER_FRAME * length - 1) * SAMPLES_PER_FRAME // _PER_FRAME
        begin = min(starts) * SAMPLES_PER_FRAME
        begins = [start * SAMPLES_PER_FRAME - begin for start in starts]
        stretch = waveform[:, begin : begin + max(begins) + num_samples]
        padded = functional.pad(stretch, (0, max(begins) + num_samples - stretch.shape[1]))
        chunks = torch.stack([padded[:, place : place + num_samples] for place in begins], 1)
        halves = self.encode_waveform(chunks.flatten(0, 1))
        tokens = halves.unflatten(1, (length, _PER_FRAME)).mean(2)
        return tokens.unflatten(0, (len(waveform), len(starts)))

    def encode_waveform(self, waveform: Tensor) -> Tensor:
        """Run the network over whole waveforms ``B N``: its tokens ``B F E`` at 50 Hz."""
        if self.normalise:
            waveform = functional.layer_norm(waveform, waveform.shape[1:])
        network: Any = self.network
        features, _ = network.feature_extractor(waveform, None)
        if self.layer is None:
            return network.encoder(features)
        return network.encoder.extract_features(features, None, self.layer)[-1]


def _bundle(name: str) -> Any:
    from torchaudio import pipelines  # slow to import; only this encoder needs it

    known = sorted(
        key for key, value in vars(pipelines).items() if isinstance(value, pipelines.Wav2Vec2Bundle)
    )
    if name in known:
        return getattr(pipelines, name)
    close = difflib.get_close_matches(str(name).upper(), known, n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise KeyError(f"torchaudio has no speech model {name!r}.{hint} Known: {', '.join(known)}")


def _build(model_type: str, settings: Mapping[str, Any]) -> nn.Module:
    from torchaudio.models import wav2vec2_model, wavlm_model

    # Plain data has no tuples, which torchaudio's type checks want.
    shapes = [tuple(layer) for layer in settings["extractor_conv_layer_config"]]
    make = {"Wav2Vec2": wav2vec2_model, "WavLM": wavlm_model}[model_type]
    try:
        return make(**dict(settings, extractor_conv_layer_config=shapes))
    except TypeError as error:
        raise ValueError(f"parameters: {error}; they are those of {make.__name__}") from error


def _reach(layers: Any) -> int:
    """Return how many samples a token is made of."""
    hop = SAMPLES_PER_FRAME // _PER_FRAME
    if math.prod(stride for _, _, stride in layers) != hop:
        raise ValueError(
            f"parameters: expected convolutions whose strides multiply to {hop} (50 tokens per "
            f"second), got {[stride for _, _, stride in layers]}"
        )
    reach = 1
    for _, kernel, stride in reversed(layers):
        reach = (reach - 1) * stride + kernel
    return reach


def _load(network: nn.Module, path: str | Path, name: str, published: str) -> None:
    state = read_foreign(path)
    wanted = f"{published} of https://download.pytorch.org/torchaudio/models"
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path}: expected a flat state dict for {name}, as in {wanted}")
    state = {key: value for key, value in state.items() if not key.startswith("aux.")}
    try:
        result = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        first = str(error).partition("\n\t")[2].partition("\n")[0]
        raise ValueError(f"{path}: not the weights of {name} ({first}); give {wanted}") from error
    if result.missing_keys or result.unexpected_keys:
        lacks = ", ".join(result.missing_keys[:3]) or "nothing"
        more = ", ".join(result.unexpected_keys[:3]) or "nothing"
        raise ValueError(
            f"{path}: not the weights of {name}: lacks {lacks}; holds besides {more}; give {wanted}"
        )


def _fold_weight_norm(network: nn.Module) -> None:
    """Keep one plain weight where length and direction were: it pickles, and runs faster."""
    for module in list(network.modules()):
        for name, conv in list(module.named_children()):
            if parametrize.is_parametrized(conv, "weight"):
                assert isinstance(conv, nn.Conv1d)
                plain = nn.Conv1d(
                    conv.in_channels, conv.out_channels, conv.kernel_size[0],
                    padding=int(conv.padding[0]), groups=conv.groups,
                )  # fmt: skip
                plain.weight = nn.Parameter(conv.weight.detach())
                plain.bias = conv.bias
                setattr(module, name, plain)
