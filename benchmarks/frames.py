"""Contestants of whole networks: a frame from end to end, a plain StyleGAN2, an ear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.contestants import IN_BFLOAT16, Contestant, no_grad
from benchmarks.peers import draw_plain, public_generator, public_wav2lip
from benchmarks.reference_loop import draw_by_loop
from benchmarks.restoration import Restoration
from benchmarks.ways import RegionLoop, RestoredLips
from segkit.backends import halved_decoder, halved_generator, with_folded_norms
from segkit.bfloat16 import is_fast_on
from segkit.contracts import FPS, SAMPLES_PER_FRAME
from segkit.talk.paste import shown_box
from segkit_models.audio_encoders import AVHubert
from segkit_models.baselines.wav2lip import Wav2Lip
from segkit_models.generators import RegionStyleGAN2
from segkit_models.mask_decoders import UNetMaskDecoder
from segkit_models.parsers import BiSeNet
from segkit_models.region_encoders import FPNRegionEncoder

_TINY_ENCODER = dict(
    style_dim=16, input_size=32, width=[8] * 5, units=[1] * 4, fpn_dim=8, norm="group"
)


def whole_frame(size: int, *, layers: int, quick: bool = False) -> list[Contestant]:
    """Make a frame: parse, encode and loop as E4S; speak and draw as we do; restore Wav2Lip.

    Only networks run here; the identity is prepared in ours and never in the loop.
    """
    num_sizes = size.bit_length() - 2
    tiny: dict[str, Any] = dict(channels=(16,) * num_sizes, style_dim=16) if quick else {}
    generator = RegionStyleGAN2(
        size=size, num_masked_layers=layers, region_conv="exact", **tiny
    ).eval()
    encoder = FPNRegionEncoder(
        num_layers=generator.num_layers, **(_TINY_ENCODER if quick else {})
    ).eval()
    decoder: Any = with_folded_norms(
        UNetMaskDecoder(size=size, width=0.0625 if quick else 1.0).eval()
    )
    parser = BiSeNet(width=8 if quick else 64, aux_heads=False).eval()
    loop = RegionLoop(encoder, generator, parser=parser)
    lips = RestoredLips(
        Wav2Lip(width=0.125 if quick else 1.0).eval(),
        Restoration(num_sizes=num_sizes, width=0.125 if quick else 1.0).eval(),
        torch.randn(1, 80, 16),
    )
    mask, picture, speech = loop.mask, torch.rand(1, 3, size, size) * 2 - 1, torch.randn(1, 512)
    pixels = ((picture + 1) * 127.5).to(torch.uint8)
    with torch.no_grad():
        tables = generator.prepare(encoder(picture, mask))
        prepared = decoder.prepare(mask, mask)
        known = generator.render(tables, mask)
    labels = mask[0].argmax(0).to(torch.uint8).numpy()
    box, row = shown_box(labels, labels), size // 2 - 1

    def film() -> Tensor:
        decoder(mask, mask, speech)
        return generator.render(tables, mask)

    def still() -> Tensor:
        decoder.decode_prepared(prepared, speech)
        return generator.render(tables, mask)

    def seen(decoder: Any, generator: Any, *, of: str) -> Callable[[], Tensor]:
        with torch.no_grad():
            prepared = decoder.prepare(mask, mask)
        # Beside the part lies what is known already, so that it can be compared.
        picture = known.clone()

        def run() -> Tensor:
            if of == "film":
                decoder(mask, mask, speech, first_row=row)
            else:
                decoder.decode_prepared(prepared, speech, first_row=row)
            part = generator.render(tables, mask, box=box)
            picture[..., box[0] : box[1], box[2] : box[3]] = part
            return picture

        return no_grad(run)

    parts = [
        Contestant(f"{of}, what is seen", seen(decoder, generator, of=of))
        for of in ("film", "picture")
    ]
    if is_fast_on(mask.device):
        halved = (halved_decoder(decoder), halved_generator(generator))
        parts += [
            Contestant(f"{of}, what is seen, bfloat16", seen(*halved, of=of), **IN_BFLOAT16)
            for of in ("film", "picture")
        ]

    single = RegionStyleGAN2(size=size, num_regions=1, **tiny).eval()
    one_style, everywhere = (
        torch.randn(1, 1, generator.num_layers, generator.style_dim),
        mask[:, :1],
    )
    return [
        Contestant("parse, encode, loop (E4S)", no_grad(lambda: loop.draw(picture))),
        Contestant("TSG and exact SGI, film", no_grad(film)),
        Contestant("TSG and exact SGI, picture", no_grad(still)),
        *parts,
        Contestant(
            "Wav2Lip 96 + restoration", no_grad(lambda: lips.draw(pixels, 0)),
            comparable=False, yardstick=True,
        ),
        Contestant(
            "Wav2Lip 96", no_grad(lambda: lips.speak(pixels, 0)), comparable=False, yardstick=True
        ),
        Contestant(
            "plain StyleGAN2, public form",
            no_grad(lambda: draw_by_loop(single, one_style, everywhere)),
            comparable=False, yardstick=True,
        ),
    ]  # fmt: skip


def plain(
    size: int, *, frames: int = 1, peer: Path | None = None, **small: Any
) -> list[Contestant]:
    """Draw by a StyleGAN2 without regions: in public form, in ours, by a public checkout.

    Args:
        size: of the image.
        frames: drawn at once, each with codes of its own.
        peer: checkout of rosinality's StyleGAN2.
        **small: arguments of a generator of other widths.
    """
    ours = RegionStyleGAN2(size=size, num_regions=1, **small).eval()
    public = None if peer is None else public_generator("stylegan2", peer, ours)
    styles = torch.randn(frames, 1, ours.num_layers, ours.style_dim)
    mask = torch.ones(frames, 1, size, size)
    with torch.no_grad():
        tables = ours.prepare(styles)
    contestants = [
        Contestant(
            "public form (grouped convolutions)",
            no_grad(lambda: draw_by_loop(ours, styles, mask)),
            yardstick=True, frames=frames,
        ),
        Contestant(
            "ours", no_grad(lambda: ours.render(tables, mask)), tolerance=1e-4, frames=frames
        ),
    ]  # fmt: skip
    if is_fast_on(mask.device):
        halved: Any = halved_generator(ours)
        run = no_grad(lambda: halved.render(tables, mask))
        contestants.append(Contestant("ours, bfloat16", run, frames=frames, **IN_BFLOAT16))
    if public is not None:
        run = no_grad(lambda: draw_plain(public, styles))
        contestants.append(
            Contestant("rosinality's checkout", run, tolerance=1e-4, yardstick=True, frames=frames)
        )
    return contestants


def lips(*, peer: Path | None = None) -> list[Contestant]:
    """Draw by Wav2Lip: ours, and a public checkout."""
    ours, speech, faces = Wav2Lip().eval(), torch.randn(1, 1, 80, 16), torch.rand(1, 6, 96, 96)
    contestants = [Contestant("ours", no_grad(lambda: ours(speech, faces)))]
    if peer is not None:
        public = public_wav2lip(peer, ours)
        run = no_grad(lambda: public(speech[:, 0:1], faces))
        contestants.append(Contestant("public checkout", run, tolerance=1e-4, yardstick=True))
    return contestants


def hearing(*, quick: bool = False) -> list[Contestant]:
    """Hear the 3 s around every frame anew, or chunks of 3 s of which each keeps some frames."""
    tiny: dict[str, Any] = dict(dim=32, num_layers=1, num_heads=2, ff_dim=32) if quick else {}
    ear = AVHubert(out_dim=None, **tiny).eval()
    frames = ear.chunk_frames
    # Eight seconds that keep six: a second around every frame, as in three that keep one.
    long, long_kept = 8 * FPS, 6 * FPS
    waveform = torch.randn(1, long * SAMPLES_PER_FRAME) * 0.1

    def chunk(length: int = frames) -> Tensor:
        return ear.hear(waveform[:, : length * SAMPLES_PER_FRAME], [0], length)[0, 0]

    def window() -> Tensor:
        return chunk()[frames // 2]

    kept = ear.hop_frames
    return [
        Contestant("window per frame", no_grad(window), yardstick=True),
        Contestant(
            f"chunks of {frames} frames that keep {kept} (ours)",
            no_grad(chunk), comparable=False, frames=kept,
        ),
        Contestant(
            f"chunks of {long} frames that keep {long_kept}",
            no_grad(lambda: chunk(long)), comparable=False, frames=long_kept,
        ),
        Contestant(
            "chunks that keep every frame", no_grad(chunk), comparable=False, frames=frames
        ),
    ]  # fmt: skip
