"""The protocol for one's own films: learn from the first part, measure on the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from segkit.benchmark.scoring import SCORES, Score, is_whole, read_score
from segkit.clips import ClipFolder
from segkit.contracts import FPS
from segkit.evaluation.baselines import StillFrame, UnitSelection, same_person
from segkit.evaluation.checkpoints import method_of
from segkit.evaluation.report import write_report
from segkit.evaluation.run import evaluate
from segkit.evaluation.self_driven import DrawnClip, Method, SelfDriven
from segkit.evaluation.suite import Suite
from segkit.faces.choice import FaceChoice
from segkit.prepare import prepare_folder

FITTED = "fitted"
UNFITTED = "unfitted"


@dataclass(frozen=True)
class OwnClip:
    """A film, its clip, and where the measured part begins.

    Attributes:
        film: the user's file.
        folder: the clip folder made of it.
        clip: its clip, from the first frame that is measured on.
        learn_until_s: end of the first part, in seconds of the film.
    """

    film: Path
    folder: ClipFolder
    clip: SelfDriven
    learn_until_s: float


def read_own(
    film: str | Path,
    *,
    out: str | Path,
    share: float = 0.75,
    size: int = 256,
    face: FaceChoice | int | None = None,
    parser: nn.Module | None = None,
    progress: bool = True,
) -> OwnClip:
    """Crop and label a film, once, and say which part is measured.

    Args:
        film: of one talking person, with sound.
        out: folder of the benchmark.
        share: of the clip to learn from.
        size: side of the crops in pixels, in which everything is measured.
        face: which face, counted from left to right.
        parser: labels the crops; `MeshParser` by default.
        progress: show bars.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a film that cannot be used, or is too short to be parted.
    """
    film = Path(film)
    if not 0 < share < 1:
        raise ValueError(f"share: expected a number between 0 and 1, got {share}")
    root = Path(out) / "data" / film.stem
    prepare_folder(
        film, root, size=size, face=face, parser=parser, storage="png", val_fraction=0,
        progress=progress,
    )  # fmt: skip
    folder = ClipFolder(root)
    # Of a film with several shots the longest one is taken.
    clip = max(folder.clips(None), key=lambda one: one.num_frames)
    start = round(share * clip.num_frames)
    if min(start, clip.num_frames - start) < FPS:
        raise ValueError(
            f"{film}: {clip.num_frames / FPS:.1f} s with a face; parted at {share:g}, each part "
            "needs a second at least"
        )
    first = int(clip.entry["source"]["first_frame"])
    measured = SelfDriven(clip, scheme=folder.scheme, start=start)
    return OwnClip(film, folder, measured, (first + start) / FPS)


def fitted_model(
    own: OwnClip, *, out: str | Path, minutes: float, seed: int = 0, size: int = 256,
    face: FaceChoice | int | None = None, model: str | Path | None = None, progress: bool = True,
) -> Path:  # fmt: skip
    """Fit a model to the first part of a film, unless it is there already.

    Args:
        own: from `read_own`.
        out: folder of the benchmark.
        minutes: time to train.
        seed: of the fit.
        size: side of the drawn crop.
        face: which face.
        model: bundle to start from; None takes the built-in one.
        progress: show bars.

    Returns:
        The bundle.
    """
    from segkit.talk.fit import fit

    path = Path(out) / "models" / f"{own.film.stem}_{minutes:g}min_seed{seed}.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        fit(
            own.film, out=path, end_s=own.learn_until_s, minutes=minutes, seed=seed, size=size,
            face=face, model=model, progress=progress,
        )  # fmt: skip
    return path


def methods_for(
    own: OwnClip, *, fitted: Path, checkpoints: Sequence[str | Path] = ()
) -> dict[str, Callable[[], Method]]:
    """Return what is measured on a film: name -> makes the method.

    Args:
        own: from `read_own`.
        fitted: bundle of `fitted_model`.
        checkpoints: of Wav2Lip, to be measured too.
    """
    found: dict[str, Callable[[], Method]] = {
        FITTED: lambda: method_of(model=fitted, name="SegTalker, fitted"),
        UNFITTED: lambda: method_of(name="SegTalker, built in"),
    }
    for number, path in enumerate(checkpoints):
        name = "wav2lip" if number == 0 else f"wav2lip{number + 1}"
        found[name] = partial(method_of, [path])
        found[f"{name}_pasted"] = partial(method_of, [path], compose="face", name="Wav2Lip, pasted")
    found["still"] = StillFrame
    found["units"] = lambda: UnitSelection(same_person(own.folder))
    return found


def score_own(
    own: OwnClip,
    methods: dict[str, Callable[[], Method]],
    *,
    out: str | Path,
    suite: Callable[[bool], Suite],
    announce: Callable[[str], Any] = print,
    progress: bool = True,
) -> list[Score]:
    """Measure the last part of a film; a whole report that is there already is read.

    Args:
        own: from `read_own`.
        methods: from `methods_for`.
        out: folder of the benchmark; each report goes below ``scores/``.
        suite: makes the metrics, given whether a method has masks.
        announce: is told what is measured next.
        progress: show bars.
    """
    scores, wanted = [], suite(False).metrics
    for key, make in methods.items():
        report = Path(out) / SCORES / f"{own.film.stem}_{key}"
        if not is_whole(report, wanted):
            announce(f"measuring {own.film.name}: {key}")
            method = make()
            found = evaluate(
                [own.clip], suite(method.has_masks), open_clip=partial(DrawnClip, method=method),
                pictures=report, progress=progress,
            )  # fmt: skip
            inputs = {
                "film": own.film.name,
                "method": method.name,
                "measured": f"{own.clip.num_frames} frames from {own.learn_until_s:.2f} s on",
            }
            write_report(report, found, inputs=inputs)
        scores.append(read_score(key, None, report))
    return scores
