"""The SyncNet that published work is scored with: colour frames and cepstra, not masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.weights import load_weights

FRAME_WIDTHS = (96, 256, 256, 256, 256, 512)
AUDIO_WIDTHS = (64, 192, 384, 256, 256, 512)
"""Channels of the six convolutions of a branch in the published network."""


class EvaluationSyncNet(nn.Module):
    """Embed 0.2 s of a face video and of its speech, so that what belongs together lies close.

    It is for measuring (LSE-C, LSE-D, offset) and stays in evaluation and without gradient: scoring
    with the network that a training followed would be circular. The distance of the two embeddings
    is Euclidean; they are not of length 1.

    Args:
        weights: a file made by ``segkit convert syncnet_v2``; random weights when not given.
        frame_widths: channels of the six convolutions over frames.
        audio_widths: of those over cepstra.
        dim: D, width of an embedding.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: weights of other sizes, or not six widths that end alike.

    Source: Chung and Zisserman 2016, version 2 (syncnet_python); paper section 4.2, "Sync".
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        frame_widths: Sequence[int] = FRAME_WIDTHS,
        audio_widths: Sequence[int] = AUDIO_WIDTHS,
        dim: int = 1024,
    ) -> None:
        super().__init__()
        for name, widths in (("frame_widths", frame_widths), ("audio_widths", audio_widths)):
            if len(widths) != 6:
                raise ValueError(f"{name}: expected channels of 6 layers, got {tuple(widths)}")
        self.frame_layers = _frame_layers(frame_widths)
        self.audio_layers = _audio_layers(audio_widths)
        self.frame_head = _head(frame_widths[-1], dim)
        self.audio_head = _head(audio_widths[-1], dim)
        if weights is not None:
            load_weights(self, weights)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> EvaluationSyncNet:
        """Stay in evaluation: its batch statistics are fixed."""
        del mode
        return super().train(False)

    def encode_video(self, frames: Tensor) -> Tensor:
        """Embed windows of five frames.

        Args:
            frames: ``B 3 5 224 224``, blue-green-red in 0..255, 25 fps.

        Returns:
            ``B D``.

        Raises:
            ValueError: frames of another shape.
        """
        check_shape(
            frames, "B 3 5 224 224", name="frames",
            remedy="give five frames of a face, resized to 224 px, as BGR in 0..255",
        )  # fmt: skip
        stem, *layers = self.frame_layers
        # The first layer takes in all five frames; what follows sees a picture.
        x = stem(frames)[:, :, 0]
        for layer in layers:
            x = layer(x)
        return self.frame_head(x.flatten(1))

    def encode_audio(self, mfcc: Tensor) -> Tensor:
        """Embed the speech of windows of five frames.

        Args:
            mfcc: ``B 1 13 20``: 20 columns of `segkit.speech_features.SyncNetMFCC`; those of the
                window that begins with frame k begin at column 4 k.

        Returns:
            ``B D``.

        Raises:
            ValueError: cepstra of another shape.
        """
        check_shape(
            mfcc, "B 1 13 20", name="mfcc", remedy="cut 20 columns of 10 ms, from 4 k for frame k"
        )
        return self.audio_head(self.audio_layers(mfcc).flatten(1))


def _block(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU())


def _frame_layers(widths: Sequence[int]) -> nn.ModuleList:
    first, second, third, fourth, fifth, last = widths
    return nn.ModuleList(
        [
            nn.Sequential(
                nn.Conv3d(3, first, (5, 7, 7), (1, 2, 2)), nn.BatchNorm3d(first), nn.ReLU()
            ),
            nn.MaxPool2d(3, 2),
            _block(nn.Conv2d(first, second, 5, 2, 1)),
            nn.MaxPool2d(3, 2, 1),
            _block(nn.Conv2d(second, third, 3, 1, 1)),
            _block(nn.Conv2d(third, fourth, 3, 1, 1)),
            _block(nn.Conv2d(fourth, fifth, 3, 1, 1)),
            nn.MaxPool2d(3, 2),
            _block(nn.Conv2d(fifth, last, 6)),
        ]
    )


def _audio_layers(widths: Sequence[int]) -> nn.Sequential:
    first, second, third, fourth, fifth, last = widths
    return nn.Sequential(
        _block(nn.Conv2d(1, first, 3, 1, 1)),
        _block(nn.Conv2d(first, second, 3, 1, 1)),
        nn.MaxPool2d(3, (1, 2)),
        _block(nn.Conv2d(second, third, 3, 1, 1)),
        _block(nn.Conv2d(third, fourth, 3, 1, 1)),
        _block(nn.Conv2d(fourth, fifth, 3, 1, 1)),
        nn.MaxPool2d(3, 2),
        _block(nn.Conv2d(fifth, last, (5, 4))),
    )


def _head(width: int, dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, dim)
    )
