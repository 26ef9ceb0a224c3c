"""The studio: what the page's buttons do, without a word about how the page looks."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segkit.contracts import FPS
from segkit.serve.child import TaskError
from segkit.serve.limits import Limits
from segkit.serve.models import Models
from segkit.serve.ownership import Ownership
from segkit.serve.queue import JobQueue
from segkit.serve.sniff import FILM, PICTURE, SOUND, require_kind
from segkit.serve.store import Job, QueueFullError
from segkit.web.bench import Bench
from segkit.web.draft import Draft, clear_folder, linked_or_copied, new_draft
from segkit.web.looks import Swatches
from segkit.web.pictures import draw_timeline

EXAMPLE_WORDS = "Hello! Every word that you hear now is new to my face."
_EXAMPLE_FACE = "e"
EXPIRED = "This page has expired; reload it."
_MOST_WORDS = 400
_SWEEP_S = 30.0
_SWATCHES = "swatches"


class Studio:
    """Everything that the pages of one server share.

    Args:
        folder: private, below the folder that the page's library serves from.
        queue: where videos are rendered and models fitted.
        models: to choose from.
        ownership: who may read which file.
        device: where models compute; None takes a GPU where there is one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        queue: JobQueue,
        models: Models,
        ownership: Ownership,
        device: str | None,
    ) -> None:
        self._drafts = folder / "drafts"
        clear_folder(folder, keep=_SWATCHES)
        self._drafts.mkdir(mode=0o700)
        self.queue, self.models, self._ownership = queue, models, ownership
        self.limits: Limits = queue.limits
        self._device = device
        self.bench = Bench(folder)
        self.swatches = Swatches(folder / _SWATCHES, self.bench)
        self._open: dict[str, list[Draft]] = {}
        self._lock = threading.Lock()
        self._prepared = False
        self._closing = threading.Event()
        threading.Thread(target=self._sweep, daemon=True).start()

    def open(self, owner: str) -> Draft:
        """Begin a draft."""
        draft = new_draft(self._drafts, owner=owner)
        with self._lock:
            self._open.setdefault(owner, []).append(draft)
            first, self._prepared = not self._prepared, True
        if first:
            threading.Thread(target=self.swatches.prepare, daemon=True).start()
        return draft

    def close_draft(self, draft: Draft | None) -> None:
        """Remove everything of a page that was left; its jobs too."""
        if draft is None:
            return
        for id in draft.jobs.values():
            self._drop_job(id, draft.owner)
        shutil.rmtree(draft.folder, ignore_errors=True)
        with self._lock:
            left = self._open.get(draft.owner, [])
            left = [other for other in left if other is not draft]
            self._open[draft.owner] = left
        if not left:
            for path in self._ownership.release(draft.owner):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the bench and remove all drafts."""
        self._closing.set()
        self.bench.close()
        clear_folder(self._drafts.parent, keep=_SWATCHES)

    def take_face(self, draft: Draft, path: str | None) -> None:
        """Take an uploaded film or picture.

        Raises:
            ValueError: neither of them.
        """
        self._touch(draft)
        draft.face, draft.shown = None, {}
        if path is None:
            return
        kind, ending = require_kind(Path(path), (FILM, PICTURE), wanted="a film or picture")
        draft.keep(Path(path), f"face.{ending}")
        draft.face, draft.is_film = f"face.{ending}", kind == FILM

    def take_voice(self, draft: Draft, path: str | None) -> None:
        """Take an uploaded or recorded voice.

        Raises:
            ValueError: no sound file.
        """
        self._touch(draft)
        draft.voice = None
        if path is None:
            return
        _, ending = require_kind(Path(path), (SOUND, FILM), wanted="a voice")
        draft.keep(Path(path), f"voice.{ending}")
        draft.voice = f"voice.{ending}"

    def speak(self, draft: Draft, text: str) -> Path:
        """Let the synthesiser say a text; returns the file, for the page to show.

        Raises:
            ValueError: no text, or too long.
            TaskError: the synthesiser failed.
        """
        words = " ".join(text.split())
        if not words or len(words) > _MOST_WORDS:
            raise ValueError(f"type what is to be said, up to {_MOST_WORDS} letters")
        name = f"spoken-{time.time_ns()}.wav"
        self.bench.do("speak", folder=str(draft.folder), text=words, name=name)
        return draft.folder / name

    def example_face(self, draft: Draft) -> Path:
        """Return a drawn face to try with.

        Raises:
            TaskError: it cannot be drawn.
        """
        face = self.swatches.face(_EXAMPLE_FACE)
        target = draft.folder / "example.png"
        if not target.exists():
            linked_or_copied(face, target)
        return target

    def preview(self, draft: Draft, time_s: float) -> dict[str, str]:
        """Draw a frame with all edits; returns the paths of its pictures by name.

        Raises:
            ValueError: there is no face yet.
            TaskError: it cannot be drawn; the message tells why.
        """
        self._touch(draft)
        if draft.face is None:
            raise ValueError("choose a film or photo of a face first")
        draft.write_edits()
        limits = {"seconds": self.limits.seconds, "megapixels": self.limits.megapixels}
        before = draft.shown.get("pictures", {})
        draft.shown = self.bench.do(
            "still",
            folder=str(draft.folder),
            sitting=draft.sitting(self._model(draft), self._device),
            limits=limits,
            time_s=time_s,
            stem=str(time.time_ns()),
        )
        for name in before.values():
            (draft.folder / name).unlink(missing_ok=True)
        return {key: str(draft.folder / name) for key, name in draft.shown["pictures"].items()}

    def timeline(self, draft: Draft, now_s: float) -> str:
        """Draw the timeline of blinks; returns its path."""
        for old in draft.folder.glob("timeline-*.png"):
            old.unlink()
        path = draft.folder / f"timeline-{time.time_ns()}.png"
        draw_timeline(
            path,
            loudness=draft.shown.get("loudness", []),
            blinks=draft.plan().schedule(draft.duration_s),
            duration_s=draft.duration_s,
            now_s=now_s,
        )
        return str(path)

    def region_at(self, draft: Draft, column: int, row: int) -> str | None:
        """Return the region below a pixel of the preview, if one is there."""
        import numpy as np
        from PIL import Image

        from segkit.regions import SCHEME_12

        name = draft.shown.get("pictures", {}).get("labels")
        if name is None:
            return None
        labels = np.asarray(Image.open(draft.folder / name))
        zoom = int(draft.shown["zoom"])
        column, row = column // zoom, row // zoom
        if not (0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]):
            return None
        label = int(labels[row, column])
        return SCHEME_12.regions[label] if 0 < label < len(SCHEME_12) else None

    def submit(self, draft: Draft, kind: str, **extra: Any) -> Job:
        """Put a video or a fit into the queue.

        Raises:
            ValueError: something is missing.
            QueueFullError: too many wait.
        """
        self._touch(draft)
        if draft.face is None:
            raise ValueError("choose a film or photo of a face first")
        if kind == "talk" and draft.voice is None and not draft.is_film:
            raise ValueError("a photo has no voice; add one, or type what is to be said")
        if kind == "fit" and not draft.is_film:
            raise ValueError("a model is fitted to a film of a talking person, not to a photo")
        self.queue.require_room()
        model = self._model(draft)
        id, folder = self.queue.new_folder()
        try:
            options = draft.fill_job(folder, model, self._device) | extra
            job = self.queue.submit(id, owner=draft.owner, kind=kind, options=options)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        # A fitted model stays for the next video; of a video only the last one is kept.
        if kind == "talk" and kind in draft.jobs:
            self._drop_job(draft.jobs[kind], draft.owner)
        draft.jobs[kind] = id
        return job

    def job(self, draft: Draft, kind: str) -> Job | None:
        """Return the last job of a kind, if there is one."""
        try:
            return self.queue.store.get(draft.jobs[kind], owner=draft.owner)
        except KeyError:
            return None

    def cancel(self, draft: Draft, kind: str) -> None:
        """Stop the last job of a kind."""
        job = self.job(draft, kind)
        if job is not None:
            self.queue.cancel(job)

    def latest_s(self, draft: Draft) -> float:
        """Return the last moment that a preview can show."""
        film_s = float(draft.shown.get("film_s", 0.0))
        end_s = min(draft.duration_s, film_s) if draft.is_film and film_s else draft.duration_s
        return round(max(end_s - 1 / FPS, 0.0), 2)

    def _touch(self, draft: Draft) -> None:
        """Note that a draft is in use.

        Raises:
            ValueError: it was not for so long that it is gone.
        """
        if not draft.folder.is_dir():
            raise ValueError(EXPIRED)
        draft.used_s = time.monotonic()

    def _sweep(self) -> None:
        """Remove what nobody has used for long, though a page may still be open."""
        while not self._closing.wait(_SWEEP_S):
            latest_s = time.monotonic() - 60 * self.limits.keep_minutes
            with self._lock:
                drafts = [draft for drafts in self._open.values() for draft in drafts]
            for draft in drafts:
                job = self.job(draft, "talk") or self.job(draft, "fit")
                if draft.used_s < latest_s and (job is None or job.ended):
                    self.close_draft(draft)

    def _model(self, draft: Draft) -> str | None:
        return self.models.path_of(draft.model, owner=draft.owner)

    def _drop_job(self, id: str, owner: str) -> None:
        with contextlib.suppress(KeyError):  # swept away already
            self.queue.delete(self.queue.store.get(id, owner=owner))


def problem(do: Callable[[], Any]) -> str:
    """Do something; returns what the user should be told about it, or nothing."""
    try:
        do()
    except QueueFullError:
        return "The queue is full; try again in a minute."
    except (ValueError, KeyError, TaskError, OSError) as error:
        text = str(error.args[0] if error.args else error)
        return text[:1].upper() + text[1:]
    return ""
