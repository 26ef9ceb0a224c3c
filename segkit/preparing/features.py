"""Audio features of all clips of a folder, made ahead of training and left beside each clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.clips import Clip, ClipFolder
from segkit.listening import check_listener, features_on_disk
from segkit.preparing.workers import Died, Step, run_jobs
from segkit.registry import AUDIO_ENCODERS


def listener_of(choice: str) -> Any:
    """Return the config of what describes the speech.

    Args:
        choice: a training config (``tsg_tiny``, or a file): what its training data listens to; or
            the name of a component, such as ``PhonemeRecogniser`` or ``AVHubert``.

    Raises:
        KeyError: neither a config nor a component.
        ValueError: a config that listens to nothing.
    """
    from segkit.engine.config import load_config

    if choice in AUDIO_ENCODERS.names():
        return {"type": choice}
    if choice == "PhonemeRecogniser":
        from segkit.phonemes import PhonemeRecogniser

        return {"type": PhonemeRecogniser}
    try:
        config = load_config(choice)
    except FileNotFoundError as error:
        raise KeyError(
            f"--features: {choice!r} is no config ({error}) and no component; known components: "
            f"PhonemeRecogniser, {', '.join(AUDIO_ENCODERS.names())}"
        ) from error
    listener = config.get("train_dataloader", {}).get("dataset", {}).get("listener")
    if listener is None:
        raise ValueError(f"--features: the training data of {choice} has no listener; none needed")
    return _plain(listener)


def _plain(node: Any) -> Any:
    """Return a config's part with its classes, as plain dicts, which go to other processes."""
    if isinstance(node, dict):
        return {key: _plain(item) for key, item in node.items()}
    return [_plain(item) for item in node] if isinstance(node, (list, tuple)) else node


@dataclass(frozen=True)
class FeatureWork:
    """Loads the listener in each worker.

    Args:
        listener: a `Listener`, or its config.
    """

    listener: Any

    def __call__(self) -> Callable[[Clip, Step], str]:
        """Return the function that makes the features of one clip, and tells what went wrong."""
        listener = check_listener(AUDIO_ENCODERS.build(self.listener))

        def make(clip: Clip, step: Step) -> str:
            features_on_disk(clip.folder, listener, clip.waveform)
            step(f"{clip.clip_id}: listen", 1, 1)
            there = (clip.folder / f"{listener.name}.npy").exists()
            return "" if there else f"{clip.folder} cannot be written"

        return make


def cache_features(
    root: str | Path, listener: Any, *, jobs: int = 1, progress: bool = True
) -> tuple[int, list[str]]:
    """Make the audio features of every clip that has none yet.

    Training makes them itself at first use, clip by clip; this only does it earlier and on all
    processors.

    Args:
        root: clip folder.
        listener: a `Listener`, or its config.
        jobs: processes.
        progress: show a progress bar.

    Returns:
        How many clips have features now, and a sentence for each that has not.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a listener that is none, or a folder of shards.
    """
    from segkit.progress import progress_bars

    clips = ClipFolder(root).clips(None)
    if not clips[0].folder.is_dir():
        raise ValueError(f"{root} holds packed clips; make their features before `segkit pack`")
    problems = []
    with progress_bars(show=progress) as bars:
        task = bars.add_task("audio features", total=len(clips), note="")
        work = FeatureWork(listener)
        for number, answer in run_jobs(work, clips, processes=jobs, step=lambda *words: None):
            if answer:
                died = f"{clips[number].clip_id}: {answer}" if isinstance(answer, Died) else answer
                problems.append(str(died))
            bars.advance(task)
    return len(clips) - len(problems), problems
