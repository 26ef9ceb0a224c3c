"""What of a still picture is worked out once: its labels, and the part of TSG without speech."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn

from segkit.talk.masks import lower_logits
from segkit.talk.stream import Placement, Shot, parsed


class Portrait:
    """The stages of a talk whose every frame is the same picture.

    Args:
        parser: labels the face, once.
        mask_decoder: TSG's network; one with ``prepare`` and ``decode_prepared`` sees the masks
            once.
        mask_size: side of its masks.
    """

    def __init__(self, parser: nn.Module, mask_decoder: nn.Module, *, mask_size: int) -> None:
        self._parser = parser
        self._decoder: Any = mask_decoder
        self._mask_size = mask_size
        self._parsed: Shot | None = None
        self._prepared: Any = None

    def parsed(self, shots: Iterable[tuple[int, Shot]], placement: Placement) -> Iterator[Shot]:
        """Label the first crop, and give its labels to all; see `segkit.talk.stream.parsed`."""
        for index, shot in shots:
            if shot.transform is not None:
                if self._parsed is None:
                    self._parsed = next(parsed([(index, shot)], placement, self._parser))
                shot.labels = self._parsed.labels
            yield shot

    def logits(self, pose: Tensor, reference: Tensor, audio: Tensor) -> Tensor:
        """Predict masks of the same pose and reference ``B R H W`` for speech ``B D``."""
        decoder, side = self._decoder, self._mask_size
        if not hasattr(decoder, "decode_prepared"):
            return lower_logits(decoder, of=decoder.forward, side=side)(pose, reference, audio)
        if self._prepared is None:
            self._prepared = decoder.prepare(pose[:1], reference[:1])
        decode = decoder.decode_prepared
        return lower_logits(decode, of=decode, side=side)(self._prepared, audio)
