"""Samples a second that the loader gives beside those that a training step takes.

Run: ``python benchmarks/loader.py [--quick] [--data DIR] [--workers 2]``. The data set is drawn
(`segkit synth`) unless one is given. Loading is timed by the clock, with the workers beside
whatever else the machine does, and by the processor time of a sample, which says what as many free
cores give; nothing decoded is kept, though the operating system may hold the files. What a step
takes is measured for tiny steps, on this machine and one thread; for the paper's it is counted: its
work, forward and backward, over 100 TFLOP/s, what an A100 may reach in bfloat16. The ratio is that
of free cores.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.training_memory import Live, empty
from benchmarks.training_steps import Step, sgi, tsg
from segkit.window_dataset import WindowDataset
from segkit.windows import PriorLearningPairs, TalkingMaskWindows

A100_FLOPS = 100e12


def samples_per_second(dataset: WindowDataset, *, workers: int, batch_size: int, num: int) -> float:
    """Time ``num`` batches after two others, by which the workers have started.

    Args:
        dataset: what is loaded.
        workers: processes; 0 loads in this one.
        batch_size: samples of a batch.
        num: batches.
    """
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=workers)
    batches = iter(loader)
    for _ in itertools.islice(batches, 2):
        pass
    begun = time.perf_counter()
    taken = sum(1 for _ in itertools.islice(batches, num))
    return taken * batch_size / (time.perf_counter() - begun)


def processor_seconds(dataset: WindowDataset, *, batch_size: int, num: int) -> float:
    """Return the processor time of one sample, joined to batches, in this process."""
    batches = iter(DataLoader(dataset, batch_size=batch_size))
    next(batches)
    begun = time.process_time()
    taken = sum(1 for _ in itertools.islice(batches, num))
    return (time.process_time() - begun) / (taken * batch_size)


def work_of(step: Step) -> float:
    """Count multiplications and additions of a step, forward and backward."""
    model = step.build().train()
    mode = FakeTensorMode()
    empty(model, mode)
    with mode, Live(), FlopCounterMode(display=False) as counter:
        step.loss(model, step.batch()).backward()
    return float(counter.get_total_flops())


def seconds_of(step: Step) -> float:
    """Time a step, forward and backward, on this machine: the better of two, by thread time."""
    model, batch = step.build().train(), step.batch()
    times = []
    for _ in range(2):
        begun = time.thread_time()
        _forget(model)
        step.loss(model, batch).backward()
        times.append(time.thread_time() - begun)
    return min(times)


def _forget(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.grad = None


def main(
    data: Annotated[Path | None, typer.Option(help="Clip folder; drawn when not given.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Of the loader.")] = 2,
    quick: Annotated[bool, typer.Option(help="Tiny sizes: does it run?")] = False,
) -> None:
    """Print a table in Markdown, a training a line."""
    torch.set_num_threads(1)
    size = 64 if quick else 512
    with tempfile.TemporaryDirectory() as folder:
        root = data or _drawn(Path(folder), size)
        print("| training | step | takes, samples/s | by the clock | of free cores | ratio |")
        print("|---|---|---|---|---|---|")
        for name, kind, batch_size, paper, tiny in (
            ("TSG", TalkingMaskWindows, 4, tsg(4), tsg(4, size=64, width=0.25)),
            ("SGI", PriorLearningPairs, 4, sgi(4), sgi(4, size=64, channels=(32,) * 5)),
        ):
            steps = [("tiny, 64 px, measured", tiny.samples / seconds_of(tiny), 64)]
            if not quick:
                work = work_of(paper)
                label = f"paper, {work / 1e12:.2f} TFLOP counted"
                steps.append((label, paper.samples * A100_FLOPS / work, 512))
            for label, needed, side in steps:
                dataset, num = kind(root, size=side, cache_gb=0.0), 4 if quick else 25
                seen = samples_per_second(dataset, workers=workers, batch_size=batch_size, num=num)
                own = processor_seconds(dataset, batch_size=batch_size, num=num)
                free = max(workers, 1) / own
                rates = " | ".join(f"{each:.1f}" for each in (needed, seen, free))
                print(f"| {name} | {label} | {rates} | {free / needed:.1f}x |", flush=True)


def _drawn(folder: Path, size: int) -> Path:
    from segkit.synthetic.dataset import make_dataset

    make_dataset(
        folder / "clips", num_clips=4, size=size, seconds=1.6, num_processes=1, storage="jpg"
    )
    return folder / "clips"


if __name__ == "__main__":
    typer.run(main)
