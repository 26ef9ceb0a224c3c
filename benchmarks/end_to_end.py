"""From film file to film file: ours beside regions one by one, and beside Wav2Lip with restoration.

Run: ``python benchmarks/end_to_end.py [--quick] [--clip FILM] [--layers 17] [--only WAY]``. One
clip, one machine, one run, one thread in the networks; every way reads the film, finds the face,
cuts the crop, makes it, pastes it back and encodes the result. Seconds are of the process's own
processor time per frame, without building the networks. The slow ways make a few frames only. The
networks have the paper's sizes and random weights. The clip is drawn unless one is given; its voice
comes with ``pip install "segkit[synth]"``.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
import typer
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.length import draw_films
from benchmarks.machine_peak import peak_lines, peak_numbers, peaks
from benchmarks.network_clock import NetworkClock
from benchmarks.restoration import Restoration
from benchmarks.ways import RegionLoop, RestoredLips, paper_bundle
from segkit.audio import MelFrontEnd, load_audio, mel_windows
from segkit.backends import with_backend
from segkit.bfloat16 import is_fast_on
from segkit.contracts import FPS
from segkit.faces import crop_transforms, feathered_alpha, paste_back, track_face, warp_crop
from segkit.memory import keep_freed_memory
from segkit.talk.bundle import Bundle
from segkit.talk.pipeline import talk
from segkit.video import VideoReader, VideoWriter
from segkit_models.baselines.wav2lip import Wav2Lip
from segkit_models.parsers import BiSeNet

Memory = Literal["ours", "all", "none"]
Way = Callable[[np.ndarray, int], np.ndarray]


class Row(NamedTuple):
    """What one way took.

    Attributes:
        name: of the way.
        frames: made.
        seconds: of processor time per frame.
        networks: share of them inside the networks.
        stages: wall seconds per stage, where the way tells them.
    """

    name: str
    frames: int
    seconds: float
    networks: float
    stages: dict[str, float]


def by_ours(name: str, *, clock: NetworkClock, bundle: Bundle, out: Path, **source: Any) -> Row:
    """Let `segkit talk` make the film."""
    inside, begun = clock.seconds, time.process_time()
    report = talk(out=out, model=bundle, progress=False, credentials=False, force=True, **source)
    spent = time.process_time() - begun
    stages = {**report["seconds"], **{f"{k} aside": v for k, v in report["meanwhile"].items()}}
    frames = report["frames"]
    return Row(name, frames, spent / frames, (clock.seconds - inside) / spent, stages)


def by_frames(
    name: str, *, clock: NetworkClock, way: Way, film: Path, out: Path, size: int, frames: int
) -> Row:
    """Make a film one frame after another, as the public scripts do."""
    inside, begun = clock.seconds, time.process_time()
    with VideoReader(film) as reader:
        images = [frame.image for frame in itertools.islice(reader, frames)]
        fps = reader.fps
    transforms = crop_transforms(track_face(images), size)
    margin = size / 8
    alpha = feathered_alpha(size, (margin, margin, size - margin, size - margin), width=margin / 2)
    height, width = images[0].shape[:2]
    with VideoWriter(out, width=width, height=height, fps=fps, preset="veryfast") as writer:
        for number, (image, transform) in enumerate(zip(images, transforms, strict=True)):
            made = way(warp_crop(image, transform, size), number)
            writer.write(paste_back(image, made, transform, alpha))
    spent = time.process_time() - begun
    return Row(name, len(images), spent / len(images), (clock.seconds - inside) / spent, {})


def networks(clip: Path, *, quick: bool, layers: int) -> tuple[Bundle, RegionLoop, RestoredLips]:
    """Build the networks of all ways."""
    waveform = load_audio(clip)
    mel = MelFrontEnd()(waveform[None])
    windows = mel_windows(mel, len(waveform) * FPS // 16_000)[0]
    if not quick:
        bundle = paper_bundle(masked_layers=layers)
        loop = RegionLoop(bundle.modules["region_encoder"], bundle.modules["generator"])
        return bundle, loop, RestoredLips.of_full_size(windows)
    small = dict(
        audio_encoder=dict(encoders=[dict(type="MelCNN")]),
        mask_decoder=dict(width=0.0625),
        region_encoder=dict(
            style_dim=16, input_size=32, width=[8] * 5, units=[1] * 4, fpn_dim=8, norm="group"
        ),
        generator=dict(channels=(8, 8, 8, 8, 8), style_dim=16),
    )
    bundle = paper_bundle(size=64, masked_layers=layers, **small)
    parser = BiSeNet(width=8, aux_heads=False).eval()
    loop = RegionLoop(bundle.modules["region_encoder"], bundle.modules["generator"], parser=parser)
    lips = RestoredLips(
        Wav2Lip(width=0.125).eval(), Restoration(num_sizes=5, width=0.125).eval(), windows
    )
    return bundle, loop, lips


def clocked(bundles: list[Bundle], loop: RegionLoop, lips: RestoredLips) -> NetworkClock:
    """Let a clock count the time inside all networks."""
    clock = NetworkClock()
    # Encoders are the same in all.
    for part in {id(part): part for each in bundles for part in each.modules.values()}.values():
        clock.watch(part)
    watch_listeners(clock, bundles[0].modules["audio_encoder"])
    for network in (loop.parser, lips.lips, lips.restoration):
        clock.watch(network)
    clock.watch(loop, "draw")
    return clock


def watch_listeners(clock: NetworkClock, encoder: torch.nn.Module) -> None:
    """Count encoders inside another one, whose ``listen`` the outer one calls past its methods."""
    for part in encoder.modules():
        if part is not encoder and callable(getattr(part, "tokens", None)):
            clock.watch(part, "tokens")


def table(rows: list[Row]) -> list[str]:
    """Return the lines of a table in Markdown, and what the stages of ours took."""
    ours = [row for row in rows if row.stages]
    others = [row for row in rows if not row.stages]
    heads = ["way", "frames", "s a frame", "not in networks", *(f"x {row.name}" for row in others)]
    cells = [heads, ["---"] * len(heads)]
    for row in rows:
        ratios = [f"{other.seconds / row.seconds:.2f}" for other in others]
        outside = f"{100 * (1 - row.networks):.1f} %"
        cells.append([row.name, str(row.frames), f"{row.seconds:.3g}", outside, *ratios])
    lines = [f"| {' | '.join(line)} |" for line in cells]
    for row in ours:
        spent = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row.stages.items())
        lines.append(f"\n{row.name}, wall seconds: {spent}")
    return lines


def main(
    quick: Annotated[bool, typer.Option(help="Tiny networks: does it run?")] = False,
    clip: Annotated[Path | None, typer.Option(help="Film with a voice; default: drawn.")] = None,
    only: Annotated[str, typer.Option(help="Part of the names of the ways to run.")] = "",
    layers: Annotated[int, typer.Option(help="Masked layers of the generator, 13 or 17.")] = 13,
    frames: Annotated[int, typer.Option(min=1, help="Of a drawn clip.")] = 25,
    loop_frames: Annotated[int, typer.Option(min=1, help="Made region by region.")] = 2,
    lip_frames: Annotated[int, typer.Option(min=1, help="Made by Wav2Lip, restored.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of clip and weights.")] = 0,
    memory: Annotated[
        Memory,
        typer.Option(help="Who keeps freed memory: ours, as `segkit talk` does; all ways; none."),
    ] = "ours",
    out: Annotated[Path | None, typer.Option(help="JSON file for the numbers.")] = None,
) -> None:
    """Print a table of all ways."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    if memory == "all":
        keep_freed_memory()
    size = 64 if quick else 512
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if clip is None:
            clip = draw_films(folder, [frames], size=max(128, size), seed=seed)[frames]
        bundle, loop, lips = networks(clip, quick=quick, layers=layers)
        bundles = {"": with_backend(bundle)}
        if is_fast_on(torch.device("cpu")):
            bundles[", bfloat16"] = with_backend(bundle, precision="bf16")
        clock = clocked([*bundles.values()], loop, lips)
        with VideoReader(clip) as reader:
            Image.fromarray(next(iter(reader)).image).save(folder / "still.png")
        before, made = peaks(), folder / "made.mp4"
        still = folder / "still.png"
        ours = partial(by_ours, clock=clock, out=made)
        frame_by_frame = partial(by_frames, clock=clock, film=clip, out=made, size=size)
        ways: dict[str, Callable[[str], Row]] = {
            "parse, encode, loop (E4S)": partial(frame_by_frame, way=loop, frames=loop_frames),
            "Wav2Lip + restoration": partial(frame_by_frame, way=lips, frames=lip_frames),
        }
        for kind, each in bundles.items():
            ways[f"ours, film{kind}"] = partial(ours, bundle=each, video=clip)
            ways[f"ours, picture{kind}"] = partial(ours, bundle=each, image=still, audio=clip)
        rows = []
        for label, make in ways.items():
            if only.lower() in label.lower():
                if memory == "ours" and label.startswith("ours"):
                    keep_freed_memory()  # from here on, which is why ours come last
                rows.append(make(label))
                made.unlink()
                typer.echo(f"{label}: done", err=True)
        after = peaks()
    for line in (*table(rows), "", *peak_lines(before, after)):
        typer.echo(line)
    if out is not None:
        made_by = [row._asdict() for row in rows]
        peak = peak_numbers(before, after)
        numbers = dict(peak=peak, layers=layers, memory=memory, rows=made_by)
        out.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    typer.run(main)
