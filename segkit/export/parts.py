"""What of a bundle becomes a graph: each part's call, its inputs and examples of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from segkit.contracts import SAMPLES_PER_FRAME
from segkit.regions import one_hot
from segkit.talk.bundle import Bundle

_FRAMES = 25
_MARGIN = 10
"""Frames of sound before and after those that an audio encoder's graph embeds."""


@dataclass(frozen=True)
class Part:
    """A part of a bundle, ready to be exported.

    Args:
        module: what is called.
        inputs: names.
        outputs: names.
        examples: two rows.
        others: inputs of other batches and other masks, for the comparison.
        note: what a user of the graph must know.
    """

    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    examples: tuple[Tensor, ...]
    others: tuple[tuple[Tensor, ...], ...] = ()
    note: str = ""


class Stretch(nn.Module):
    """An audio encoder that embeds 25 frames out of the middle of a stretch."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, waveform: Tensor, features: Tensor | None = None) -> Tensor:
        """Embed frames 10 to 34 of ``B N``; returns ``B 25 D``."""
        if features is None:
            return self.encoder(waveform, _FRAMES, _MARGIN)
        return self.encoder(waveform, _FRAMES, _MARGIN, features=features)


class SeenCodes(nn.Module):
    """A region encoder that also tells which regions it saw."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder: Any = encoder

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return style codes ``B R L D`` and presence ``B R`` as 0 or 1."""
        if not hasattr(self.encoder, "encode"):
            return self.encoder(image, mask), (mask.flatten(2).sum(2) > 0).float()
        vectors, seen = self.encoder.encode(image, mask)
        return self.encoder.to_codes(vectors), seen.float()


def random_masks(rows: int, size: int, num_regions: int, *, blocks: int, seed: int = 0) -> Tensor:
    """Draw one-hot masks ``B R S S`` of random rectangles; more blocks have more borders."""
    made = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_regions, (rows, 1, blocks, blocks), generator=made)
    whole = nn.functional.interpolate(labels.float(), size=(size, size))[:, 0]
    return one_hot(whole.to(torch.uint8), num_regions)


def part_of(bundle: Bundle, name: str) -> Part:
    """Return a part of a bundle with examples drawn from a fixed seed."""
    makers = {
        "audio_encoder": _audio_encoder,
        "mask_decoder": _mask_decoder,
        "region_encoder": _region_encoder,
        "generator": _generator,
    }
    return makers[name](bundle)


def _audio_encoder(bundle: Bundle) -> Part:
    encoder: Any = bundle.modules["audio_encoder"]
    frames = _FRAMES + 2 * _MARGIN
    made = torch.Generator().manual_seed(0)
    waveform = 0.1 * torch.randn(2, frames * SAMPLES_PER_FRAME, generator=made)
    note = (
        f"embeds frames {_MARGIN} to {_MARGIN + _FRAMES - 1} of {frames}: slide it by {_FRAMES}; "
        "`segkit talk` runs this part once per clip, in torch"
    )
    # A network that hears chunks of waveform belongs in the graph; a recogniser from elsewhere
    # does not, and its features are an input.
    hears = any(hasattr(part, "hear") for part in encoder.modules())
    if not hasattr(encoder, "listen") or hears:
        return Part(Stretch(encoder), ("waveform",), ("embedding",), (waveform,), note=note)
    width = encoder.listen(waveform[0]).shape[-1]
    length = frames * encoder.features_per_frame
    features = torch.rand(2, length, width, generator=made)
    names = ("waveform", "features")
    return Part(Stretch(encoder), names, ("embedding",), (waveform, features), note=note)


def _mask_decoder(bundle: Bundle) -> Part:
    decoder, regions, size = bundle.modules["mask_decoder"], len(bundle.scheme), bundle.mask_size
    dim = int(bundle.modules["audio_encoder"].out_dim)  # type: ignore[arg-type]

    def drawn(rows: int, blocks: int) -> tuple[Tensor, ...]:
        pose = random_masks(rows, size, regions, blocks=blocks)
        pose[:, :, size // 2 :] = 0
        made = torch.Generator().manual_seed(rows)
        reference = random_masks(rows, size, regions, blocks=blocks, seed=1)
        return pose, reference, torch.rand(rows, dim, generator=made)

    names = ("pose", "reference", "audio")
    return Part(decoder, names, ("logits",), drawn(2, 8), (drawn(3, 4),))


def _region_encoder(bundle: Bundle) -> Part:
    regions, size = len(bundle.scheme), bundle.size

    def drawn(rows: int, blocks: int) -> tuple[Tensor, ...]:
        made = torch.Generator().manual_seed(rows)
        image = 2 * torch.rand(rows, 3, size, size, generator=made) - 1
        return image, random_masks(rows, size, regions, blocks=blocks)

    module = SeenCodes(bundle.modules["region_encoder"])
    return Part(
        module, ("image", "mask"), ("styles", "presence"), drawn(2, 4), (drawn(3, 2),),
        note="`segkit talk` runs this part once per clip, in torch",
    )  # fmt: skip


def _generator(bundle: Bundle) -> Part:
    generator: Any = bundle.modules["generator"]
    regions, size = len(bundle.scheme), bundle.size
    encoder: Any = bundle.modules["region_encoder"]
    layers, dim = encoder.num_layers, encoder.style_dim

    def drawn(rows: int, blocks: int) -> tuple[Tensor, ...]:
        made = torch.Generator().manual_seed(rows)
        styles = torch.randn(rows, regions, layers, dim, generator=made)
        return styles, random_masks(rows, size, regions, blocks=blocks)

    exact = getattr(generator, "region_conv", "spatial") != "spatial"
    note = "exact at borders, for one-hot masks only" if exact else "masks may be soft"
    others = (drawn(1, 1), drawn(3, 32))
    return Part(generator, ("styles", "mask"), ("image",), drawn(2, 8), others, note=note)
