"""The stage: one frame with all edits, drawn at once, and the button that renders the video."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from segkit.serve.store import DONE
from segkit.web import notes
from segkit.web.draft import Draft
from segkit.web.studio import EXPIRED, Studio, problem

VIEWS = {"Result": "frame", "Mask": "mask", "Original": "source"}
_POLL_S = 0.4
BEGIN = "Choose a face and a voice; every change shows here at once."


class Stage:
    """The preview and the render button.

    Args:
        studio: does the work.
        draft: what has been chosen, one for each page.
    """

    def __init__(self, studio: Studio, draft: gr.State) -> None:
        self._studio, self.draft = studio, draft
        self.picture = gr.Image(
            label="Preview",
            show_label=False,
            interactive=False,
            type="filepath",
            buttons=["fullscreen"],
            elem_id="stage-picture",
            placeholder="Your face appears here",
        )
        with gr.Row(elem_id="stage-controls"):
            self.view = gr.Radio(
                list(VIEWS), value="Result", show_label=False, container=False, elem_id="view"
            )
        self.moment = gr.Slider(
            0, 1, value=0, step=0.04, label="Moment (seconds)", elem_id="moment", visible=False
        )
        self.note = gr.HTML(notes.hint(BEGIN), elem_id="stage-note")
        with gr.Row():
            self._render = gr.Button("Render the video", variant="primary", elem_id="render")
            self._stop = gr.Button("Stop", visible=False, elem_id="stop", scale=0, min_width=90)
        self._bar = gr.HTML(elem_id="render-progress")
        self._made = gr.HTML(elem_id="result")

    def wire(self) -> None:
        """Connect what belongs to the stage alone."""
        self.moment.release(self._shown, [self.draft, self.moment, self.view], self._outputs)
        self.view.change(
            self._viewed, [self.draft, self.view], self.picture, show_progress="hidden"
        )
        self._render.click(
            self._rendered,
            self.draft,
            [self._bar, self._made, self._render, self._stop],
            show_progress="hidden",
            concurrency_limit=None,
        )
        self._stop.click(self._stopped, self.draft, None, show_progress="hidden")

    def refresh_after(self, event: Any) -> Any:
        """Draw the preview anew once something has happened; returns the event after that."""
        return event.then(
            self._shown,
            [self.draft, self.moment, self.view],
            self._outputs,
            show_progress="minimal",
            show_progress_on=[self.picture],
        )

    @property
    def _outputs(self) -> list[Any]:
        return [self.picture, self.moment, self.note]

    def _shown(self, draft: Draft | None, moment: float, view: str) -> tuple[Any, Any, str]:
        if draft is None:
            return None, gr.update(), notes.error(EXPIRED)
        if draft.face is None:
            return None, gr.update(visible=False), notes.hint(BEGIN)
        pictures: dict[str, str] = {}
        wrong = problem(lambda: pictures.update(self._studio.preview(draft, moment)))
        if wrong:
            return gr.update(), gr.update(), notes.error(wrong)
        latest = self._studio.latest_s(draft)
        slider = gr.update(visible=latest > 0, maximum=max(latest, 0.04), value=min(moment, latest))
        return pictures[VIEWS[view]], slider, ""

    def _viewed(self, draft: Draft | None, view: str) -> Any:
        names = {} if draft is None else draft.shown.get("pictures", {})
        return str(draft.folder / names[VIEWS[view]]) if draft and names else None

    def _rendered(self, draft: Draft | None) -> Iterator[tuple[Any, Any, Any, Any]]:
        busy = (gr.update(interactive=False), gr.update(visible=True))
        ready = (gr.update(interactive=True), gr.update(visible=False))
        if draft is None:
            yield notes.error(EXPIRED), "", *ready
            return
        wrong = problem(lambda: self._studio.submit(draft, "talk"))
        if wrong:
            yield notes.error(wrong), gr.update(), *ready
            return
        for bar in follow(self._studio, draft, "talk"):
            yield bar, "", *busy
        job = self._studio.job(draft, "talk")
        done = job is not None and job.state == DONE
        yield gr.update(), notes.result(job) if job and done else "", *ready

    def _stopped(self, draft: Draft | None) -> None:
        if draft is not None:
            self._studio.cancel(draft, "talk")


def follow(studio: Studio, draft: Draft, kind: str) -> Iterator[str]:
    """Yield the progress of a job until it has ended."""
    last = ""
    while True:
        job = studio.job(draft, kind)
        if job is None:
            return
        bar = notes.progress(job, ahead=studio.queue.store.ahead_of(job))
        if bar != last:
            yield bar
            last = bar
        if job.ended:
            return
        time.sleep(_POLL_S)
