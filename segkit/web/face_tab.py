"""The first step: whose face, which voice, and the model that draws."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import gradio as gr

from segkit.serve.store import DONE
from segkit.talk.sources import ON_SHORT_VIDEO
from segkit.web import notes
from segkit.web.draft import Draft
from segkit.web.stage import Stage, follow
from segkit.web.studio import EXAMPLE_WORDS, EXPIRED, Studio, problem


class FaceTab:
    """Inputs and model.

    Args:
        studio: does the work.
        stage: shows what comes of it.
    """

    def __init__(self, studio: Studio, stage: Stage) -> None:
        self._studio, self._stage = studio, stage
        self._can_speak = find_spec("espeakng_loader") is not None
        limits = studio.limits
        self._example = gr.Button(
            "Try it with a drawn face", elem_id="example", visible=self._can_speak
        )
        self._face = gr.File(
            label="Film or photo of a face", file_types=["video", "image"], elem_id="face",
            height=140,
        )  # fmt: skip
        self._face_note = gr.HTML(
            notes.hint(f"Up to {limits.seconds:g} s and {limits.upload_mb:g} MB."),
            elem_id="face-note",
        )
        self._voice = gr.Audio(
            label="Voice (a film can keep its own)", sources=["upload", "microphone"],
            type="filepath", elem_id="voice", buttons=[],
        )  # fmt: skip
        with gr.Row(visible=self._can_speak, elem_classes="line"):
            self._words = gr.Textbox(
                label="Or type what is to be said", placeholder=EXAMPLE_WORDS, max_lines=3,
                elem_id="words", scale=4,
            )  # fmt: skip
            self._speak = gr.Button("Speak", elem_id="speak", scale=1, min_width=90)
        self._voice_note = gr.HTML(elem_id="voice-note")
        self._build_model()
        with gr.Accordion("More", open=False):
            self._number = gr.Number(
                label="Which face, from the left (empty: the only one)", precision=0, minimum=1,
                value=None, elem_id="face-number",
            )  # fmt: skip
            self._short = gr.Radio(
                list(ON_SHORT_VIDEO), value=ON_SHORT_VIDEO[0],
                label="When the voice is longer than the film", elem_id="on-short",
            )  # fmt: skip
            self._credentials = gr.Checkbox(
                True, label="Say in the video how it was made (Content Credentials)"
            )

    def _build_model(self) -> None:
        limits = self._studio.limits
        with gr.Accordion("Model", open=False, elem_id="model-box"):
            self._model = gr.Dropdown(
                [("Built-in, for any face (128 px)", "builtin")], value="builtin",
                label="What draws the face", elem_id="model",
            )  # fmt: skip
            self._minutes = gr.Slider(
                0.5, limits.fit_minutes, value=min(5.0, limits.fit_minutes), step=0.5,
                label="Minutes to learn this person from the film", elem_id="fit-minutes",
            )  # fmt: skip
            with gr.Row():
                self._fit = gr.Button("Fit a model to this person", elem_id="fit")
                self._fit_stop = gr.Button("Stop", visible=False, scale=0, min_width=90)
            self._fit_note = gr.HTML(elem_id="fit-progress")

    def wire(self, page: gr.Blocks) -> None:
        """Connect buttons and inputs."""
        stage, draft = self._stage, self._stage.draft
        page.load(self._models, draft, self._model, show_progress="hidden")
        stage.refresh_after(
            self._face.change(self._took_face, [draft, self._face], self._face_note)
        )
        stage.refresh_after(
            self._voice.change(self._took_voice, [draft, self._voice], self._voice_note)
        )
        spoken = [self._voice, self._voice_note]
        self._speak.click(self._spoke, [draft, self._words], spoken)
        self._words.submit(self._spoke, [draft, self._words], spoken)
        self._example.click(
            self._tried, draft, [self._face, self._voice, self._words, self._face_note]
        )
        settings = [draft, self._model, self._number, self._short, self._credentials]
        for item in (self._model, self._number):
            stage.refresh_after(item.input(self._set, settings, None, show_progress="hidden"))
        for choice in (self._short, self._credentials):
            choice.input(self._set, settings, None, show_progress="hidden")
        fitting = self._fit.click(
            self._fitted, [draft, self._minutes],
            [self._fit_note, self._model, self._fit, self._fit_stop],
            show_progress="hidden", concurrency_limit=None,
        )  # fmt: skip
        stage.refresh_after(fitting)
        self._fit_stop.click(self._stopped, draft, None, show_progress="hidden")

    def _models(self, draft: Draft | None) -> Any:
        owner = "" if draft is None else draft.owner
        titles = self._studio.models.titles(owner=owner)
        return gr.update(choices=[(title, name) for name, title in titles.items()])

    def _took_face(self, draft: Draft | None, path: str | None) -> str:
        if draft is None:
            return notes.error(EXPIRED)
        return notes.error(problem(lambda: self._studio.take_face(draft, path)))

    def _took_voice(self, draft: Draft | None, path: str | None) -> str:
        if draft is None:
            return notes.error(EXPIRED)
        return notes.error(problem(lambda: self._studio.take_voice(draft, path)))

    def _spoke(self, draft: Draft | None, words: str) -> tuple[Any, str]:
        if draft is None:
            return gr.update(), notes.error(EXPIRED)
        made: list[str] = []
        wrong = problem(lambda: made.append(str(self._studio.speak(draft, words))))
        return (made[0] if made else gr.update()), notes.error(wrong)

    def _tried(self, draft: Draft | None) -> tuple[Any, Any, Any, str]:
        if draft is None:
            return gr.update(), gr.update(), gr.update(), notes.error(EXPIRED)
        made: list[str] = []

        def make() -> None:
            made.append(str(self._studio.example_face(draft)))
            made.append(str(self._studio.speak(draft, EXAMPLE_WORDS)))

        wrong = problem(make)
        if wrong:
            return gr.update(), gr.update(), gr.update(), notes.error(wrong)
        return made[0], made[1], EXAMPLE_WORDS, ""

    def _set(
        self,
        draft: Draft | None,
        model: str,
        number: float | None,
        on_short_video: str,
        credentials: bool,
    ) -> None:
        if draft is not None:
            draft.model, draft.on_short_video = model, on_short_video
            draft.face_number = int(number) - 1 if number else None
            draft.credentials = credentials

    def _fitted(self, draft: Draft | None, minutes: float) -> Iterator[tuple[Any, Any, Any, Any]]:
        busy = (gr.update(interactive=False), gr.update(visible=True))
        ready = (gr.update(interactive=True), gr.update(visible=False))
        if draft is None:
            yield notes.error(EXPIRED), gr.update(), *ready
            return
        minutes = min(minutes, self._studio.limits.fit_minutes)
        extra = {"minutes": minutes, "start_s": 0.0, "end_s": None, "steps": None}
        wrong = problem(lambda: self._studio.submit(draft, "fit", **extra))
        if wrong:
            yield notes.error(wrong), gr.update(), *ready
            return
        for bar in follow(self._studio, draft, "fit"):
            yield bar, gr.update(), *busy
        job = self._studio.job(draft, "fit")
        if job is None or job.state != DONE:
            yield gr.update(), gr.update(), *ready
            return
        draft.model = f"fit:{job.id}"
        chosen = self._models(draft) | {"value": draft.model}
        yield notes.measures(job), chosen, *ready

    def _stopped(self, draft: Draft | None) -> None:
        if draft is not None:
            self._studio.cancel(draft, "fit")
