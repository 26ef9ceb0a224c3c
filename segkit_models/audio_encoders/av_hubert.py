"""Global audio encoder: AV-HuBERT, of which only the ear is used."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import AUDIO_ENCODERS
from segkit.speech_features import ROW_DIM, AVHubertFeatures
from segkit.weights import load_weights
from segkit_models.audio_encoders.token_encoder import TokenEncoder, check_layers
from segkit_models.layers.speech_transformer import SpeechTransformer


class AudioOfAVHubert(nn.Module):
    """The audio path: rows of a filter bank, the absent video, a transformer.

    Args:
        dim: E, width of a token.
        num_layers: of the transformer.
        num_heads: divides E.
        ff_dim: inner width of a layer.
        position_kernel: steps that the positions are told by.
        position_groups: of their convolution.
        dropout: of the layers, in training.

    Source: Shi et al. 2022 (AV-HuBERT).
    """

    def __init__(
        self,
        dim: int,
        *,
        num_layers: int,
        num_heads: int,
        ff_dim: int,
        position_kernel: int,
        position_groups: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.audio = nn.Linear(ROW_DIM, dim)
        self.both_norm = nn.LayerNorm(2 * dim)
        self.fuse = nn.Linear(2 * dim, dim)
        self.transformer = SpeechTransformer(
            dim, num_layers=num_layers, num_heads=num_heads, ff_dim=ff_dim,
            position_kernel=position_kernel, position_groups=position_groups, dropout=dropout,
        )  # fmt: skip

    def forward(
        self, features: Tensor, lengths: Tensor | None = None, *, layer: int | None = None
    ) -> Tensor:
        """Return tokens ``B T E`` of rows ``B T 104``; see `SpeechTransformer` for the rest."""
        audio = self.audio(features)
        # An absent video is zeros beside the audio, not a black picture; the norm sees them.
        both = torch.cat([audio, torch.zeros_like(audio)], -1)
        return self.transformer(self.fuse(self.both_norm(both)), lengths, layer=layer)


@AUDIO_ENCODERS.register
class AVHubert(TokenEncoder):
    """Embed what is said over 3 s by AV-HuBERT, one token per frame.

    The filter bank is computed as part of the whole waveform given, then cut into chunks. The
    default sizes are those of the base model (91.0 million parameters); the large one has
    ``dim=1024, num_layers=24, num_heads=16, ff_dim=4096`` (312.9 million).

    Args:
        weights: a file made by ``segkit convert avhubert``; random weights when not given.
        dim: E, width of a token.
        num_layers: of the transformer.
        num_heads: divides E.
        ff_dim: inner width of a layer.
        position_kernel: steps that the positions are told by.
        position_groups: of their convolution.
        out_dim: width of the embedding, by a linear layer with a ReLU, so that it shares the range
            of the local encoder; None gives the tokens as they are.
        layer: whose output is the token, from 1; None takes the last with its norm.
        chunk_frames: frames heard as one (3 s); 0 hears the whole clip.
        hop_frames: frames kept of a chunk.
        frozen: the transformer stays as it is; False trains all of it.
        num_trainable_layers: last layers that learn (TalkLip: 3, after a while with none).
        dropout: of the layers that learn, in training.

    Attributes:
        out_dim: width of the embedding.
        features_per_frame: 1.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: weights of other sizes, or arguments that contradict each other.

    Source: section 3.2 (global speech); Shi et al. 2022. Paper: size, layer, fusion and training
        not given; ours: base, the last, TalkLip's linear layer, frozen.
    """

    network: AudioOfAVHubert

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        dim: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        ff_dim: int = 3072,
        position_kernel: int = 128,
        position_groups: int = 16,
        out_dim: int | None = 512,
        layer: int | None = None,
        chunk_frames: int = 75,
        hop_frames: int = 25,
        frozen: bool = True,
        num_trainable_layers: int = 0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(
            dim, chunk_frames=chunk_frames, hop_frames=hop_frames, frozen=frozen,
            num_trainable_layers=num_trainable_layers,
        )  # fmt: skip
        check_layers(num_layers, layer, num_trainable_layers)
        self.layer = layer
        self.num_heads = num_heads
        self.front_end = AVHubertFeatures()
        self.network = AudioOfAVHubert(
            dim, num_layers=num_layers, num_heads=num_heads, ff_dim=ff_dim,
            position_kernel=position_kernel, position_groups=position_groups, dropout=dropout,
        )  # fmt: skip
        if weights is not None:
            # Before the linear layer is there, which the file does not hold.
            load_weights(self, weights)
        self.finish(out_dim)

    def layers(self) -> list[nn.Module]:
        """Return the layers that tokens pass through, first to last."""
        return list(self.network.transformer.layers[: self.layer])

    def identity(self) -> tuple[str, ...]:
        """Return the kind of the network, and what beside weights decides its tokens."""
        return "avhubert", str(self.num_heads), str(self.layer)

    def hear(self, waveform: Tensor, starts: list[int], length: int) -> Tensor:
        """Return the tokens ``B K length E`` of chunks ``starts`` of a waveform ``B N``."""
        begin = min(starts)
        rows = self.front_end(waveform, max(starts) + length - begin, begin)
        chunks = torch.stack([rows[:, s - begin : s - begin + length] for s in starts], 1)
        tokens = self.network(chunks.flatten(0, 1), layer=self.layer)
        return tokens.unflatten(0, (len(waveform), len(starts)))

    def encode_features(
        self, features: Tensor, lengths: Tensor | None = None, *, layer: int | None = None
    ) -> Tensor:
        """Run the transformer over whole sequences, without chunks.

        Args:
            features: ``B 104 T`` of `AVHubertFeatures`, with time last as the published code has.
            lengths: ``B``, frames that count; what lies behind them is padding.
            layer: stop after this layer, from 1, without the last norm; None takes the encoder's.

        Returns:
            Tokens ``B T E``; of no meaning in the padding.

        Raises:
            ValueError: features of another shape.
        """
        check_shape(features, f"B {ROW_DIM} T", name="features")
        layer = self.layer if layer is None else layer
        return self.network(features.transpose(1, 2), lengths, layer=layer)
