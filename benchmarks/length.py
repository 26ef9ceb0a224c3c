"""Whether a long film costs more per frame, or more memory, than a short one.

Run: ``python benchmarks/length.py [--frames 250 --frames 4000] [--seed 0] [--out FILE.json]``. One
synthetic person talks for the longest film, and the others are its beginnings; each is made to talk
again, in a process of its own, by the model that comes with the package (or ``--model``). Seconds
are of processor time, all threads of the process together, from the first pass to the finished
file; memory is the process's peak. Needs the speech synthesiser: ``pip install "segkit[synth]"``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

TIME_GOAL, MEMORY_GOAL = 1.02, 1.05


def draw_films(folder: Path, lengths: list[int], *, size: int, seed: int) -> dict[int, Path]:
    """Write the beginnings of one synthetic clip: number of frames -> film."""
    from segkit.contracts import FPS, SAMPLES_PER_FRAME
    from segkit.synthetic.clip import talking_clip
    from segkit.video import VideoWriter

    clip = talking_clip(seed, size=size, seconds=max(lengths) / FPS)
    paths = {length: folder / f"{length}.mp4" for length in lengths}
    with ExitStack() as open_files:
        writers = {
            length: open_files.enter_context(
                VideoWriter(
                    path, width=size, height=size, fps=FPS,
                    waveform=as_tensor(clip.waveform[: length * SAMPLES_PER_FRAME]),
                )
            )
            for length, path in paths.items()
        }  # fmt: skip
        for number, (frame, _, _) in enumerate(clip):
            for length, writer in writers.items():
                if number < length:
                    writer.write(frame)
    return paths


def as_tensor(waveform: Any) -> Any:
    """Return a waveform as the writer takes it."""
    import torch

    return torch.from_numpy(waveform)


def measure(film: Path, model: str | None) -> dict[str, float]:
    """Let one film talk in this process."""
    import torch

    from segkit.memory import keep_freed_memory
    from segkit.talk.pipeline import talk

    torch.set_num_threads(1)
    keep_freed_memory()  # as the command does
    begun, begun_wall = time.process_time(), time.perf_counter()
    out = film.with_name(f"{film.stem}_talks.mp4")
    report = talk(video=film, out=out, model=model, progress=False, credentials=False, force=True)
    spent, wall = time.process_time() - begun, time.perf_counter() - begun_wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "frames": report["frames"],
        "ms_per_frame": 1e3 * spent / report["frames"],
        "wall_ms_per_frame": 1e3 * wall / report["frames"],
        # Kibibytes, but for macOS, which counts bytes.
        "peak_mb": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


def in_a_process(film: Path, model: str | None) -> dict[str, float]:
    """Measure a film in a new process, whose memory knows nothing of the others."""
    words = [sys.executable, __file__, "--one", str(film)]
    answer = subprocess.run(
        [*words, "--model", model] if model else words, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise SystemExit(f"{film.name} failed:\n{answer.stderr.strip()}")
    return json.loads(answer.stdout.splitlines()[-1])


def line(row: dict[str, float], shortest: dict[str, float]) -> str:
    """Return a row in Markdown, beside that of the shortest film."""
    slower, larger = (row[key] / shortest[key] for key in ("ms_per_frame", "peak_mb"))
    return (
        f"| {row['frames']:.0f} | {row['ms_per_frame']:.1f} | {slower:.3f} "
        f"| {row['wall_ms_per_frame']:.1f} | {row['peak_mb']:.0f} | {larger:.3f} |"
    )


def main(
    frames: Annotated[list[int] | None, typer.Option(help="Lengths: 250, 1000, 4000.")] = None,
    size: Annotated[int, typer.Option(min=64, max=512, help="Side of the film.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Of person, speech and motion.")] = 0,
    model: Annotated[str | None, typer.Option(help="Bundle; default: built in.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the numbers.")] = None,
    one: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print a table, one length a line, beside the shortest."""
    if one is not None:
        typer.echo(json.dumps(measure(one, model)))
        return
    lengths = sorted(frames or [250, 1000, 4000])
    rows: list[dict[str, float]] = []
    typer.echo("| frames | ms a frame | x shortest | wall ms | peak MB | x shortest |")
    typer.echo("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for film in draw_films(Path(folder), lengths, size=size, seed=seed).values():
            rows.append(in_a_process(film, model))
            typer.echo(line(rows[-1], rows[0]))
    typer.echo(f"\ngoals: {TIME_GOAL} for the time, {MEMORY_GOAL} for the memory, of the shortest")
    if out is not None:
        out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    typer.run(main)
