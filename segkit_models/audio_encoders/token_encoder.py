"""What encoders of long reach share: chunks of speech, tokens once per clip, what of it learns."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import SAMPLES_PER_FRAME, check_shape
from segkit.listening import fingerprint

CHUNKS_AT_ONCE = 16
"""Most chunks that pass through a network together; see `TokenEncoder` for what that bounds."""


class Chunk(NamedTuple):
    """A stretch of speech heard as one, and the frames whose tokens are kept of it."""

    start: int
    first: int
    stop: int


def chunks_of(num_frames: int, *, length: int, hop: int) -> list[Chunk]:
    """Split a clip into overlapping chunks of which the middle is kept.

    Every frame then has at least ``(length - hop) // 2`` frames of context on either side, but for
    the clip's ends. The first and the last chunk keep their outer edges; the last one ends with the
    clip, so that it is as long as the others.

    Args:
        num_frames: of the clip.
        length: frames of a chunk; a clip that is not longer is one chunk, and so is any for 0.
        hop: frames kept of a chunk.

    Returns:
        Chunks that start at ``start`` and keep frames ``first .. stop - 1`` of the clip.

    Example:
        >>> chunks_of(110, length=75, hop=25)[1:]
        [Chunk(start=25, first=50, stop=75), Chunk(start=35, first=75, stop=110)]
    """
    if not length or num_frames <= length:
        return [Chunk(0, 0, num_frames)]
    margin = (length - hop) // 2
    last = math.ceil((num_frames - length) / hop)
    return [
        Chunk(
            min(number * hop, num_frames - length),
            number * hop + margin if number else 0,
            (number + 1) * hop + margin if number < last else num_frames,
        )
        for number in range(last + 1)
    ]


class TokenEncoder(nn.Module):
    """Embed frames by a published network's tokens, one per frame, and a linear layer.

    The network hears chunks of 3 s; the rule (`chunks_of`) is the same for a training that listens
    to whole clips, for one that gives 3 s of waveform, and for a talking video. At most 16 chunks
    pass through it together, so an hour of speech needs no more memory for the network than 48 s;
    besides there are its tokens (90 000 x 768 floats, 276 MB).

    What stays frozen is in evaluation mode even while the rest trains, and takes no gradient. A
    subclass builds ``network`` and calls `finish`.

    Args:
        dim: E, width of a token.
        chunk_frames: length of a chunk; 0 hears the whole clip at once, whose attention grows with
            the square of its length.
        hop_frames: frames kept of a chunk.
        frozen: the network stays as it is but for the layers below; False trains all of it.
        num_trainable_layers: last layers that learn.

    Attributes:
        out_dim: width of the embedding.
        features_per_frame: 1.

    Raises:
        ValueError: a chunk shorter than its hop, or layers to train of a network that all trains.

    Source: section 3.2 ("AV-HuBERT" over 3 s). Paper: chunks, what is kept of them and what learns
        are not given; ours: 75 frames, the middle 25, nothing.
    """

    features_per_frame = 1
    # A finished model does without these arguments: bundles leave them out.
    only_training = ("weights", "frozen", "num_trainable_layers", "dropout")

    network: nn.Module
    projection: nn.Module | None
    out_dim: int

    def __init__(
        self,
        dim: int,
        *,
        chunk_frames: int = 75,
        hop_frames: int = 25,
        frozen: bool = True,
        num_trainable_layers: int = 0,
    ) -> None:
        super().__init__()
        if chunk_frames < 0 or hop_frames < 1 or 0 < chunk_frames < hop_frames:
            raise ValueError(
                "chunks: expected 1 <= hop_frames <= chunk_frames, or chunk_frames=0 for the whole "
                f"clip, got chunk_frames={chunk_frames} and hop_frames={hop_frames}"
            )
        if num_trainable_layers and not frozen:
            raise ValueError(
                "num_trainable_layers: with frozen=False every layer learns; leave one of them out"
            )
        self.dim = dim
        self.chunk_frames = chunk_frames
        self.hop_frames = hop_frames
        self.frozen = frozen
        self.num_trainable_layers = num_trainable_layers
        self._named: tuple[list[tuple[int, int]], str] | None = None

    def finish(self, out_dim: int | None) -> None:
        """Add the linear layer to ``out_dim`` (None for none) and freeze what does not learn."""
        self.out_dim = self.dim if out_dim is None else out_dim
        self.projection = (
            None if out_dim is None else nn.Sequential(nn.Linear(self.dim, out_dim), nn.ReLU())
        )
        self.freeze()
        self.train()  # a network is born in training; what is frozen leaves it now

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """Return the layers that tokens pass through, first to last."""

    @abstractmethod
    def hear(self, waveform: Tensor, starts: list[int], length: int) -> Tensor:
        """Return the tokens ``B K length E`` of chunks ``starts`` of a waveform ``B N``."""

    @abstractmethod
    def identity(self) -> tuple[str, ...]:
        """Return the kind of the network, and whatever beside weights decides its tokens."""

    def learning(self) -> list[nn.Module]:
        """Return the parts of the network that learn."""
        if not self.frozen:
            return [self.network]
        layers = self.layers()
        return layers[len(layers) - self.num_trainable_layers :]

    def freeze(self) -> None:
        """Take the gradient off what stays as it is, and give it to what learns."""
        self.network.requires_grad_(False)
        for part in self.learning():
            part.requires_grad_(True)

    def train(self, mode: bool = True) -> TokenEncoder:
        """Set training or evaluation; what is frozen stays in evaluation."""
        super().train(mode)
        self.network.eval()
        for part in self.learning():
            part.train(mode)
        return self

    @property
    def name(self) -> str:
        """Return the name of the tokens in files: it changes with the weights and the chunks."""
        # Hashing takes a second, so it is done again only after a change of the weights.
        state = [(t.data_ptr(), t._version) for t in self.network.state_dict().values()]
        if self._named is None or self._named[0] != state:
            kind, *settings = self.identity()
            mark = fingerprint(self.network, *settings, self.chunk_frames, self.hop_frames)
            self._named = (state, f"{kind}_{mark}")
        return self._named[1]

    @property
    def listen(self) -> Callable[[Tensor], Tensor]:
        """Return the method that describes a whole clip's speech; absent where layers learn.

        It takes ``N`` samples at 16 kHz in [-1, 1] and gives ``F E`` float32, one token per started
        frame. Tokens of layers that learn could not be kept, so such an encoder has no ``listen``.
        """
        if self.learning():
            raise AttributeError("listen")
        return self._listen

    def _listen(self, waveform: Tensor) -> Tensor:
        check_shape(waveform, "N", name="waveform", remedy="average the channels first")
        place = next(self.network.parameters()).device
        with torch.no_grad():
            tokens = self.tokens(waveform.to(place)[None], _started(waveform))[0]
        return tokens.to(waveform.device)

    def forward(
        self, waveform: Tensor, num_frames: int, first: int = 0, *, features: Tensor | None = None
    ) -> Tensor:
        """Embed frames ``first .. first + num_frames - 1``.

        Args:
            waveform: ``B N``, 16 kHz in [-1, 1]; frame 0 begins at sample 0.
            num_frames: T.
            first: index of the first frame wanted.
            features: ``B F E`` of ``listen`` for the waveform, one per frame; outside them nothing
                is heard. None lets the network hear the waveform now.

        Returns:
            ``B T D``, not negative where there is a linear layer.

        Raises:
            ValueError: shapes that do not fit, no frame wanted, or features for layers that learn.
        """
        check_shape(waveform, "B N", name="waveform")
        if num_frames < 1 or first < 0:
            raise ValueError(
                f"frames: expected num_frames >= 1 and first >= 0, got {num_frames} and {first}"
            )
        if features is None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and bool(self.learning())):
                tokens = self.tokens(waveform, num_frames, first)
        else:
            check_shape(features, f"B={len(waveform)} F C={self.dim}", name="features")
            if self.learning():
                raise ValueError(
                    "features: layers of this encoder learn, so tokens made before are not its "
                    "own; train it without a listener"
                )
            tokens = _padded(features[:, first : first + num_frames], num_frames)
        return tokens if self.projection is None else self.projection(tokens)

    def tokens(self, waveform: Tensor, num_frames: int, first: int = 0) -> Tensor:
        """Return the network's tokens ``B T E`` of some frames; past the end they are 0."""
        total = _started(waveform)
        stop = min(first + num_frames, total)
        wanted = [
            chunk
            for chunk in chunks_of(total, length=self.chunk_frames, hop=self.hop_frames)
            if chunk.first < stop and chunk.stop > first
        ]
        length = min(self.chunk_frames, total) or total
        at_once = max(1, CHUNKS_AT_ONCE // max(1, len(waveform)))
        pieces = [waveform.new_zeros(len(waveform), 0, self.dim, dtype=torch.float32)]
        for place in range(0, len(wanted), at_once):
            group = wanted[place : place + at_once]
            heard = self.hear(waveform, [chunk.start for chunk in group], length)
            for number, (start, kept, end) in enumerate(group):
                kept, end = max(kept, first), min(end, stop)
                pieces.append(heard[:, number, kept - start : end - start].float())
        return _padded(torch.cat(pieces, 1), num_frames)


def check_layers(num_layers: int, layer: int | None, num_trainable_layers: int) -> None:
    """Refuse layers that a network of ``num_layers`` does not have.

    Raises:
        ValueError: ``layer`` or ``num_trainable_layers`` is out of range.
    """
    used = num_layers if layer is None else layer
    if not 1 <= used <= num_layers:
        raise ValueError(f"layer: expected 1 .. {num_layers} or None, got {layer}")
    if not 0 <= num_trainable_layers <= used:
        raise ValueError(f"num_trainable_layers: expected 0 .. {used}, got {num_trainable_layers}")


def _started(waveform: Tensor) -> int:
    """Return how many frames of 25 fps a waveform ``... N`` begins, at least 1."""
    return max(1, -(-waveform.shape[-1] // SAMPLES_PER_FRAME))


def _padded(tokens: Tensor, num_frames: int) -> Tensor:
    return functional.pad(tokens, (0, 0, 0, num_frames - tokens.shape[1]))
