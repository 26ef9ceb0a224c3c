"""Who runs against whom in ``benchmarks/run.py``, at the paper's sizes or at tiny ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.backends import by_backend
from benchmarks.contestants import Contestant, drawing, learning, pooling, speaking
from benchmarks.frames import hearing, lips, plain, whole_frame
from benchmarks.parts import parts


def groups(
    *, quick: bool, peers: Mapping[str, Path] | None = None
) -> dict[str, Callable[[], list[Contestant]]]:
    """Return name -> build the contestants; the first is what the others are compared with.

    Args:
        quick: tiny sizes.
        peers: name -> checkout, see `benchmarks.peers`; they only compete at full size.
    """
    peers = peers or {}
    e4s = peers.get("e4s")
    if quick:
        small = dict(channels=(16, 16, 16), style_dim=16)
        return {
            "generator 16, K 13": lambda: drawing(16, layers=13, **small),
            "generator 16, forward and backward": lambda: learning(16, **small),
            "plain StyleGAN2 16": lambda: plain(16, **small),
            "plain StyleGAN2 16, 2 frames at once": lambda: plain(16, frames=2, **small),
            "parts of 16, exact": lambda: parts(16, form="exact", **small),
            "pooling 16 channels at 8": lambda: pooling(16, 8),
            "mask decoder 32": lambda: speaking(32, width=0.0625),
            "AV-HuBERT, per frame": lambda: hearing(quick=True),
            "frame 64, K 13": lambda: whole_frame(64, layers=13, quick=True),
        }
    return {
        "generator 256, K 13": lambda: drawing(256, layers=13, peer=e4s),
        "generator 512, K 13": lambda: drawing(512, layers=13, peer=e4s),
        "generator 512, K 17": lambda: drawing(512, layers=17, peer=e4s),
        "generator 64, forward and backward": lambda: learning(64),
        "generator 128, forward and backward": lambda: learning(128),
        "plain StyleGAN2 256": lambda: plain(256, peer=peers.get("stylegan2")),
        "plain StyleGAN2 512": lambda: plain(512, peer=peers.get("stylegan2")),
        "plain StyleGAN2 256, 4 frames at once": lambda: plain(
            256, frames=4, peer=peers.get("stylegan2")
        ),
        "plain StyleGAN2 512, 4 frames at once": lambda: plain(
            512, frames=4, peer=peers.get("stylegan2")
        ),
        "parts of 256, spatial": lambda: parts(256, form="spatial"),
        "parts of 256, exact": lambda: parts(256, form="exact"),
        "parts of 512, spatial": lambda: parts(512, form="spatial"),
        "Wav2Lip 96": lambda: lips(peer=peers.get("wav2lip")),
        "pooling 128 channels at 128": lambda: pooling(128, 128),
        "pooling 256 channels at 64": lambda: pooling(256, 64),
        "pooling 512 channels at 32": lambda: pooling(512, 32),
        "mask decoder 256": lambda: speaking(256),
        "mask decoder 512": lambda: speaking(512),
        "mask decoder A 256, backends": lambda: by_backend(256, variant="A"),
        "mask decoder B 256, backends": lambda: by_backend(256, variant="B"),
        "AV-HuBERT, per frame": lambda: hearing(),
        "frame 512, K 13": lambda: whole_frame(512, layers=13),
        "frame 512, K 17": lambda: whole_frame(512, layers=17),
    }
