"""A draft: what somebody has chosen on the page so far, and the edits they want."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.edits import (
    AutomaticBlinks,
    Background,
    BlinkSchedule,
    EditPlan,
    Painting,
    Swap,
    edits_text,
)
from segkit.serve.models import BUILTIN
from segkit.serve.tasks import EDIT_FILE, EDIT_FOLDER


@dataclass(eq=False)
class Draft:
    """One open page.

    Attributes:
        folder: private; holds the files below.
        owner: session of the browser, which owns its jobs.
        face: file of the face in the folder.
        is_film: whether that is a film.
        voice: file of the voice in the folder; None takes the film's own.
        model: name of the model.
        face_number: which face; None takes the only one.
        on_short_video: what a film does when the voice is longer.
        credentials: whether the video says how it was made.
        swaps: regions from other pictures.
        blinks: by hand, as (amount, seconds).
        automatic: blinks by themselves.
        background: what stands behind the person.
        painting: strokes on the mask.
        shown: what the last preview told, see ``segkit.serve.tasks.still``.
        jobs: kind -> id of the last job.
        version: counts the files that came, so that a new one is not taken for the old.
        used_s: when something was last done with it, by a clock that only runs forward.
    """

    folder: Path
    owner: str
    face: str | None = None
    is_film: bool = False
    voice: str | None = None
    model: str = BUILTIN
    face_number: int | None = None
    on_short_video: str = "pingpong"
    credentials: bool = True
    swaps: list[Swap] = field(default_factory=list)
    blinks: list[tuple[float, float]] = field(default_factory=list)
    automatic: AutomaticBlinks | None = None
    background: Background | None = None
    painting: Painting | None = None
    shown: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    version: int = 0
    used_s: float = field(default_factory=time.monotonic)

    @property
    def edit_folder(self) -> Path:
        """Return the folder of the edit file and its pictures."""
        return self.folder / EDIT_FOLDER

    @property
    def duration_s(self) -> float:
        """Return the length of the voice; 0 while nothing is known."""
        return float(self.shown.get("duration_s", 0.0))

    def plan(self) -> EditPlan:
        """Return all edits."""
        return EditPlan(
            swaps=tuple(self.swaps),
            blinks=BlinkSchedule(() if self.automatic else tuple(self.blinks)),
            automatic=self.automatic,
            background=self.background,
            masks=() if self.painting is None else (self.painting,),
        )

    def write_edits(self) -> None:
        """Write the edit file, which names its pictures without a folder."""
        text = edits_text(self.plan(), beside=self.edit_folder)
        (self.edit_folder / EDIT_FILE).write_text(text, encoding="utf-8")

    def keep(self, source: Path, name: str) -> None:
        """Take a file into the folder in the place of the one of that name."""
        target = self.folder / name
        target.unlink(missing_ok=True)
        linked_or_copied(source, target)
        self.version += 1

    def add_reference(self, source: Path, stem: str, ending: str) -> Path:
        """Take a picture or film that an edit names; it gets a name of its own."""
        number = 1 + len(list(self.edit_folder.glob(f"{stem}-*")))
        target = self.edit_folder / f"{stem}-{number}.{ending}"
        linked_or_copied(source, target)
        return target

    def drop_unused(self) -> None:
        """Remove pictures that no edit names any more."""
        used = {path.name for path in self.plan().files()} | {EDIT_FILE}
        for path in self.edit_folder.iterdir():
            if path.name not in used:
                path.unlink()

    def sitting(self, model: str | None, device: str | None) -> dict[str, Any]:
        """Return what a preview needs to know.

        Args:
            model: path of the model; None is the built-in one.
            device: where it computes.
        """
        wanted: dict[str, Any] = {
            "face": self.face, "voice": self.voice, "is_film": self.is_film, "model": model,
            "face_number": self.face_number, "device": device,
        }  # fmt: skip
        return wanted | {"key": f"{self.folder.name} {self.version} {wanted}"}

    def fill_job(self, folder: Path, model: str | None, device: str | None) -> dict[str, Any]:
        """Take everything into the folder of a job; returns its options."""
        assert self.face is not None
        for name in (self.face, self.voice):
            if name is not None:
                linked_or_copied(self.folder / name, folder / name)
        self.drop_unused()
        self.write_edits()
        shutil.copytree(self.edit_folder, folder / EDIT_FOLDER)
        return {
            "face": self.face, "is_film": self.is_film, "voice": self.voice, "model": model,
            "on_short_video": self.on_short_video, "face_number": self.face_number,
            "credentials": self.credentials, "device": device,
        }  # fmt: skip


def new_draft(folder: Path, *, owner: str) -> Draft:
    """Make a draft with a folder of its own below ``folder``."""
    home = folder / secrets.token_urlsafe(18)
    home.mkdir(mode=0o700)
    draft = Draft(home, owner)
    draft.edit_folder.mkdir(mode=0o700)
    return draft


def linked_or_copied(source: Path, target: Path) -> None:
    """Let a file appear under another name, without a copy where that can be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def replaced(swaps: Sequence[Swap], swap: Swap) -> list[Swap]:
    """Add a swap in the place of those of its region that it overlaps in time."""
    kept = [
        other
        for other in swaps
        if other.region != swap.region or not other.span.overlaps(swap.span)
    ]
    return [*kept, swap]


def clear_folder(folder: Path, *, keep: str) -> None:
    """Remove the folders in a folder, all but the one of a name."""
    for path in folder.iterdir():
        if path.is_dir() and path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
