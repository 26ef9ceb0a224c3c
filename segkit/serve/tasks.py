"""What the child process can do: the same `talk` and `fit` as on the command line, and previews."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.serve.probe import check_film, check_picture, check_sound
from segkit.serve.sniff import FILM, PICTURE, SOUND, require_kind
from segkit.serve.swatches import portraits

if TYPE_CHECKING:
    from segkit.talk.still import Sitting

EDIT_FOLDER, EDIT_FILE = "edits", "edits.yaml"
RESULT = {"talk": "result.mp4", "fit": "person.safetensors"}
MASKS = "masks.zip"

_STAGES = {
    "talk": {"track": ("finding the face", 0.0, 0.25), "talk": ("drawing frames", 0.25, 1.0)},
    "fit": {
        "track": ("finding the face", 0.0, 0.05),
        "parse": ("reading the masks", 0.05, 0.1),
        "masks": ("learning to speak", 0.1, 0.4),
        "images": ("learning to draw", 0.4, 1.0),
    },
}
SHOWN_HEIGHT = 1000
"""Pixels that a preview has at least: the page finds clicks only in pictures that it shrinks."""

CANVAS = 512
"""Side of the picture that is painted on."""

_REMEMBERED = 3
"""Faces kept ready for previews."""

_sittings: OrderedDict[str, Sitting] = OrderedDict()


def overall(task: str, title: str, share: float) -> tuple[str, float]:
    """Turn the move of one progress bar into a stage and a share of the whole."""
    stage, start, end = _STAGES.get(task, {}).get(title, (title, 0.0, 1.0))
    return stage, round(start + (end - start) * share, 4)


def plainly(error: Exception, arguments: dict[str, Any]) -> str:
    """Say what was wrong without telling where on the server things lie."""
    from segkit.cli.errors import sentence

    text = sentence(error)
    folder = arguments.get("folder")
    if folder:
        text = text.replace(f"{folder}/{EDIT_FOLDER}/", "").replace(f"{folder}/", "")
    return text


def talk(*, folder: str, options: dict[str, Any], limits: dict[str, float]) -> dict[str, Any]:
    """Render the video of a job's folder.

    Args:
        folder: of the job; gets the video and its masks.
        options: ``face`` (file), ``is_film``, ``voice`` (file or None), ``model`` (path or None),
            ``on_short_video``, ``face_number``, ``credentials``, ``device``.
        limits: ``seconds`` and ``megapixels``.

    Returns:
        The report of `segkit.talk.pipeline.talk`.
    """
    home = Path(folder)
    face = home / options["face"]
    voice = None if options["voice"] is None else home / options["voice"]
    _check(face, voice, is_film=options["is_film"], limits=limits)
    edits = home / EDIT_FOLDER / EDIT_FILE
    _check_references(home / EDIT_FOLDER, limits)
    # Takes seconds to load: what is damaged is told before.
    from segkit.memory import keep_freed_memory
    from segkit.talk.pipeline import talk as make

    keep_freed_memory()
    return make(
        out=home / RESULT["talk"],
        masks=home / MASKS,
        video=face if options["is_film"] else None,
        image=None if options["is_film"] else face,
        audio=voice,
        model=options["model"],
        edits=edits if edits.exists() else None,
        face=options["face_number"],
        on_short_video=options["on_short_video"],
        credentials=options["credentials"],
        device=options["device"],
        force=True,
        progress=False,
    )


def fit(*, folder: str, options: dict[str, Any], limits: dict[str, float]) -> dict[str, Any]:
    """Fit a model to the film of a job's folder.

    Args:
        folder: of the job; gets the bundle.
        options: ``face`` (file), ``model``, ``minutes``, ``start_s``, ``end_s``, ``face_number``,
            ``device``, and ``steps`` (None: as many as the time allows).
        limits: ``seconds`` and ``megapixels``.

    Returns:
        The report of `segkit.talk.fit.fit`, without paths.
    """
    home = Path(folder)
    film = home / options["face"]
    _check(film, None, is_film=True, limits=limits)
    from segkit.talk.fit import fit as adapt

    report = adapt(
        film,
        out=home / RESULT["fit"],
        start_s=options["start_s"],
        end_s=options["end_s"],
        minutes=options["minutes"],
        steps=options["steps"],
        face=options["face_number"],
        model=options["model"],
        device=options["device"],
        force=True,
        progress=False,
    )
    return {key: value for key, value in report.items() if key != "out"}


def still(
    *,
    folder: str,
    sitting: dict[str, Any],
    limits: dict[str, float],
    time_s: float,
    stem: str,
) -> dict[str, Any]:
    """Draw one frame with the edits of a folder, and the pictures that the page shows.

    Args:
        folder: of the page's session; gets the pictures.
        sitting: ``key``, ``face`` and ``voice`` (files in the folder), ``is_film``, ``model``,
            ``face_number``, ``device``.
        limits: ``seconds`` and ``megapixels``.
        time_s: moment of the voice.
        stem: beginning of the pictures' names.

    Returns:
        Names of the pictures ``frame``, ``source``, ``mask``, ``crop`` and ``labels``; the
        ``zoom`` of the first three; the ``regions`` that are there; ``duration_s``, ``film_s`` and
        ``loudness``.
    """
    from PIL import Image

    from segkit.edits import read_edits
    from segkit.talk.frame_labels import overlaid

    home = Path(folder)
    chosen, scheme = _sitting(home, sitting, limits)
    edits = home / EDIT_FOLDER / EDIT_FILE
    _check_references(home / EDIT_FOLDER, limits)
    plan = read_edits(edits, scheme=scheme) if edits.exists() else None
    made = chosen.still(min(time_s, max(0.0, chosen.duration_s)), plan)
    mask = overlaid(made.frame, made.frame_labels, scheme=scheme)
    painted = overlaid(
        _enlarged(made.crop, smooth=True),
        _enlarged(made.labels, smooth=False),
        scheme=scheme,
        opacity=0.45,
    )
    pictures = {
        "frame": made.frame, "source": made.source, "mask": mask,
        "crop": painted, "labels": made.frame_labels,
    }  # fmt: skip
    names = {}
    zoom = max(1, -(-SHOWN_HEIGHT // max(made.frame.shape[:2])))
    for name, picture in pictures.items():
        names[name] = f"{stem}-{name}.png"
        if name in ("frame", "source", "mask"):
            picture = picture.repeat(zoom, 0).repeat(zoom, 1) if zoom > 1 else picture
        Image.fromarray(picture).save(home / names[name], compress_level=2)
    present = np.unique(made.labels)
    return {
        "pictures": names,
        "zoom": zoom,
        "regions": [scheme.regions[label] for label in present if label < len(scheme)],
        "duration_s": chosen.duration_s,
        "film_s": chosen.film_s,
        "loudness": [round(float(level), 3) for level in chosen.loudness],
    }


def speak(*, folder: str, text: str, name: str) -> dict[str, Any]:
    """Let the synthesiser say a text; writes a wav file of that name."""
    import torch

    from segkit.audio import save_wav
    from segkit.synthetic import Voice
    from segkit.synthetic import speak as say

    made = say(text, Voice("en-us", "f2", 55, 55, 150))
    save_wav(Path(folder) / name, torch.from_numpy(made.waveform))
    return {"name": name}


def warm() -> dict[str, Any]:
    """Load what previews need, before the first is asked for."""
    import segkit.talk.still  # noqa: F401

    return {}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "talk": talk, "fit": fit, "still": still, "speak": speak, "portraits": portraits, "warm": warm,
}  # fmt: skip


def _enlarged(picture: np.ndarray, *, smooth: bool) -> np.ndarray:
    """Enlarge an aligned crop to a size that one can paint on."""
    import cv2

    how = cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, (CANVAS, CANVAS), interpolation=how))


def _check(face: Path, voice: Path | None, *, is_film: bool, limits: dict[str, float]) -> None:
    if is_film:
        require_kind(face, (FILM,), wanted="a film of the face")
        check_film(face, most_s=limits["seconds"], most_megapixels=limits["megapixels"])
    else:
        require_kind(face, (PICTURE,), wanted="a picture of the face")
        check_picture(face, most_megapixels=limits["megapixels"])
    if voice is not None:
        require_kind(voice, (FILM, SOUND), wanted="a voice")
        check_sound(voice, most_s=limits["seconds"])


def _check_references(folder: Path, limits: dict[str, float]) -> None:
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.name == EDIT_FILE:
            continue
        kind, _ = require_kind(path, (FILM, PICTURE), wanted=f"{path.name} to be a picture or film")
        if kind == FILM:
            check_film(path, most_s=limits["seconds"], most_megapixels=limits["megapixels"])
        else:
            check_picture(path, most_megapixels=limits["megapixels"])


def _sitting(home: Path, wanted: dict[str, Any], limits: dict[str, float]) -> tuple[Sitting, Any]:
    """Return a sitting, from memory if it was there before."""
    import torch

    from segkit.parser_choice import build_parser
    from segkit.talk.bundle import load_bundle
    from segkit.talk.still import Sitting

    key = wanted["key"]
    if key not in _sittings:
        face = home / wanted["face"]
        voice = None if wanted["voice"] is None else home / wanted["voice"]
        _check(face, voice, is_film=wanted["is_film"], limits=limits)
        device = torch.device(wanted["device"] or ("cuda" if torch.cuda.is_available() else "cpu"))
        bundle = load_bundle(wanted["model"]).to(device)
        _sittings[key] = Sitting(
            face,
            is_film=wanted["is_film"],
            audio=voice,
            bundle=bundle,
            parser=build_parser(scheme=bundle.scheme),
            device=device,
            face_choice=wanted["face_number"],
        )
        while len(_sittings) > _REMEMBERED:
            _sittings.popitem(last=False)
    _sittings.move_to_end(key)
    return _sittings[key], _sittings[key].scheme
