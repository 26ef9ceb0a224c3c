"""What decides the frames of a talk, as texts: two talks that agree in all of them are the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from segkit.faces.choice import FaceChoice, face_choice
from segkit.listening import fingerprint

if TYPE_CHECKING:
    from segkit.talk.bundle import Bundle
    from segkit.talk.job import Job


def describe(job: Job, *, crf: int, preset: str, segment_frames: int) -> dict[str, str]:
    """Describe a talk by its inputs, its model, its options and the versions of what makes it.

    Media are told apart by path, size and time of change, since they may be long; networks by
    their weights and configs.

    Args:
        job: the talk.
        crf: quality of the output.
        preset: of its encoder.
        segment_frames: frames encoded at once.
    """
    import av

    from segkit import __version__

    return {
        "--video or --image": _file(job.source.path),
        "--audio": _file(job.sound),
        "--model": _model(job.bundle),
        "person": fingerprint(_Person(job.bundle.person)),
        "--parser": f"{type(job.parser).__name__} {fingerprint(job.parser)}",
        "--face": _face(job.face),
        "edits": f"{job.plan} {' '.join(_file(path) for path in job.plan.files())}",
        "--on-short-video": job.on_short_video,
        "--on-long-video": job.on_long_video,
        "quality": f"crf {crf}, {preset}",
        "--device": str(job.device),
        "--backend": f"{job.backend}, {job.precision}",
        "batch and segment": f"{job.batch_size}, {segment_frames}",
        "versions": f"segkit {__version__}, torch {torch.__version__}, av {av.__version__}",
    }


def _model(bundle: Bundle) -> str:
    return " ".join(
        fingerprint(module, bundle.configs[name]) for name, module in sorted(bundle.modules.items())
    )


class _Person(torch.nn.Module):
    """The tensors of a person as a module's state."""

    def __init__(self, person: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for name, value in person.items():
            self.register_buffer(name, value)


def _face(face: FaceChoice | int | None) -> str:
    picture = face_choice(face).picture
    return str(face_choice(face).plain()) if picture is None else _file(picture)


def _file(path: str | os.PathLike[str]) -> str:
    path = Path(path).resolve()
    status = path.stat()
    return f"{path} ({status.st_size} bytes of {status.st_mtime_ns})"
