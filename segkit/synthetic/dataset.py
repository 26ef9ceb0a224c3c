"""Makes a folder of synthetic talking clips: deterministic, resumable, on all processors."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from segkit.clip_writer import CLIPS, ENTRY
from segkit.clips import write_clip, write_manifest
from segkit.synthetic.clip import sample_person, talking_clip, timbres

SETTINGS = "synth.json"
VERSION = 2
"""Of what a seed looks and sounds like; raised when the drawing changes."""


@dataclass(frozen=True)
class _Settings:
    """What decides the content of every clip, apart from its index."""

    seed: int
    size: int
    seconds: float
    people: int
    val_people: int
    test_people: int
    storage: str
    version: int = VERSION

    def split(self, person: int) -> str:
        if person >= self.people - self.test_people:
            return "test"
        return "val" if person >= self.people - self.test_people - self.val_people else "train"


def _num_held_out(people: int, fraction: float) -> int:
    if fraction <= 0 or people < 3:
        return 0
    return max(1, round(people * fraction))


def make_dataset(
    out: str | Path,
    *,
    num_clips: int = 200,
    size: int = 128,
    seed: int = 0,
    seconds: float = 4.0,
    people: int | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    num_processes: int | None = None,
    storage: str = "png",
    progress: bool = True,
) -> Path:
    """Make synthetic talking clips in the layout of ``segkit.clips``.

    Clip ``i`` depends on the settings and on ``i`` alone. Persons, voices and sentences of the
    three splits are disjoint. Clips that are there already are kept, so an interrupted run goes on
    where it stopped. With several processes the calling script needs the usual
    ``if __name__ == "__main__":``.

    Args:
        out: folder of the clips; made when absent.
        num_clips: how many.
        size: width and height of the frames in pixels, 64..512.
        seed: of everything.
        seconds: length of every clip.
        people: how many persons; default half as many as clips.
        val_fraction: share of the persons kept for validation.
        test_fraction: share of the persons kept for the test.
        num_processes: default one per processor.
        storage: of the frames, see ``write_clip``.
        progress: show a progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: impossible numbers.
        FileExistsError: the folder holds clips of other settings, or something else.
        ImportError: the speech synthesiser is not installed.
    """
    if (
        num_clips < 1
        or not 64 <= size <= 512
        or size % 2
        or seconds < 0.4
        or not 0 <= val_fraction + test_fraction < 1
    ):
        raise ValueError(
            "make_dataset: expected num_clips >= 1, an even size in 64..512, seconds >= 0.4 and "
            "fractions below 1 together, "
            f"got {num_clips}, {size}, {seconds}, {val_fraction} + {test_fraction}"
        )
    root = Path(out)
    count = min(num_clips, people or max(1, (num_clips + 1) // 2))
    settings = _Settings(
        seed,
        size,
        float(seconds),
        count,
        _num_held_out(count, val_fraction),
        _num_held_out(count, test_fraction),
        storage,
    )
    _claim(root, settings)
    entries = _entries(root, num_clips)
    missing = [index for index in range(num_clips) if index not in entries]
    for index, entry in _with_bar(
        _make(root, settings, missing, num_processes), num_clips, len(entries), progress
    ):
        entries[index] = entry
    write_manifest(root, [entries[index] for index in range(num_clips)])
    return root


def _claim(root: Path, settings: _Settings) -> None:
    """Leave the settings in the folder, or compare them with those that are there."""
    path = root / SETTINGS
    if path.exists():
        found = json.loads(path.read_text())
        changed = [
            f"{key}={found.get(key)!r} (now {value!r})"
            for key, value in asdict(settings).items()
            if found.get(key) != value
        ]
        if changed:
            raise FileExistsError(
                f"{root} holds clips of other settings: {', '.join(changed)}; choose another folder"
            )
        return
    if root.exists() and any(root.iterdir()):
        raise FileExistsError(f"{root} is not empty and holds no {SETTINGS}; choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(settings), indent=1, sort_keys=True) + "\n")
    os.replace(part, path)


def _clip_id(index: int) -> str:
    return f"synth_{index:06d}"


def _entries(root: Path, num_clips: int) -> dict[int, dict[str, Any]]:
    """Read the entries of the clips that are finished."""
    paths = {index: root / CLIPS / _clip_id(index) / ENTRY for index in range(num_clips)}
    return {index: json.loads(path.read_text()) for index, path in paths.items() if path.exists()}


def _make(
    root: Path, settings: _Settings, indices: list[int], num_processes: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    processors = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    workers = min(num_processes or processors, len(indices))
    if workers <= 1:
        for index in indices:
            yield index, make_clip(root, settings, index)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        jobs = {pool.submit(make_clip, root, settings, index): index for index in indices}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    # One process per processor: threads inside them would only fight.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def make_clip(root: Path, settings: _Settings, index: int) -> dict[str, Any]:
    """Make one clip and return its manifest entry."""
    number = index % settings.people
    split = settings.split(number)
    person_seed = int(np.random.SeedSequence([settings.seed, number, 1]).generate_state(1)[0])
    clip_seed = int(np.random.SeedSequence([settings.seed, index, 2]).generate_state(1)[0])
    voices = timbres(settings.seed)
    person = sample_person(person_seed, timbre=_timbre(voices, settings, number))
    clip = talking_clip(
        clip_seed,
        size=settings.size,
        seconds=settings.seconds,
        person=person,
        held_out=split != "train",
    )
    drawn = list(clip)
    extra = {
        "mouth": np.stack([points for _, _, points in drawn]),
        "mouth_motion": clip.motion.mouth.astype(np.float32),
        "source": "segkit.synthetic",
        "text": clip.text,
        "voice": asdict(person.voice),
        "has_glasses": person.identity.glasses != "none",
        "phones": [
            [phone.ipa, round(phone.start_s, 4), round(phone.end_s, 4)] for phone in clip.phones
        ],
    }
    return write_clip(
        root,
        _clip_id(index),
        frames=(image for image, _, _ in drawn),
        masks=(labels for _, labels, _ in drawn),
        waveform=torch.from_numpy(clip.waveform),
        person_id=f"s{settings.seed}p{number:05d}",
        split=split,
        storage=settings.storage,
        extra=extra,
    )


def _timbre(voices: list[tuple[str, str]], settings: _Settings, person: int) -> tuple[str, str]:
    """Give each split its own share of the voices: no voice of training is heard in the test."""
    held_out = {"val": settings.val_people, "test": settings.test_people}
    shares = {
        split: min(max(1, len(voices) * count // settings.people), len(voices) // 3) if count else 0
        for split, count in held_out.items()
    }
    first_test = len(voices) - shares["test"]
    first_val = first_test - shares["val"]
    first, last = {
        "train": (0, first_val),
        "val": (first_val, first_test),
        "test": (first_test, len(voices)),
    }[settings.split(person)]
    return voices[first + person % (last - first)]


def _with_bar(
    results: Iterator[tuple[int, dict[str, Any]]], total: int, finished: int, progress: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("synthetic clips"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task("", total=total, completed=finished)
        for result in results:
            bar.advance(task)
            yield result
