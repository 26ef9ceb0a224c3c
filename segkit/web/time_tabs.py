"""Blinks on a timeline, and what stands behind the person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from segkit.edits import AutomaticBlinks, Background, parse_colour
from segkit.serve.sniff import FILM, PICTURE, require_kind
from segkit.web import notes
from segkit.web.draft import Draft
from segkit.web.pictures import time_at
from segkit.web.stage import Stage
from segkit.web.studio import EXPIRED, Studio, problem

_NO, _AUTO, _HAND = "None", "By themselves", "By hand"
_KEEP, _BLUR, _COLOUR, _FILE = "As it is", "Blurred", "A colour", "A picture or film"


class BlinkTab:
    """The timeline of blinks.

    Args:
        studio: does the work.
        stage: shows it.
    """

    def __init__(self, studio: Studio, stage: Stage) -> None:
        self._studio, self._stage = studio, stage
        self._how = gr.Radio([_NO, _AUTO, _HAND], value=_NO, label="Blinks", elem_id="blinks")
        self._seed = gr.Number(0, label="Other times (seed)", precision=0, minimum=0, visible=False)
        gr.HTML(notes.title("Timeline: closed eyes above, the voice below"))
        self._line = gr.Image(
            label="Timeline", show_label=False, interactive=False, type="filepath", buttons=[],
            elem_id="timeline",
        )  # fmt: skip
        with gr.Column(visible=False) as self._hand:
            gr.HTML(notes.hint("Click on the timeline, or give a time."))
            with gr.Row():
                self._at = gr.Number(0, label="At (s)", minimum=0, min_width=90, elem_id="blink-at")
                self._amount = gr.Slider(
                    0, 1, value=1, step=0.05, label="How far (1 = closed)", min_width=120
                )
                self._add = gr.Button("Add", min_width=80, elem_id="add-blink")
            self._list = gr.Dropdown(
                [], value=[], multiselect=True, label="Blinks (remove one to undo it)",
                interactive=True, elem_id="blink-list",
            )  # fmt: skip
        self._note = gr.HTML(elem_id="blink-note")

    def wire(self, tab: gr.Tab) -> None:
        """Connect the timeline."""
        stage, draft, line = self._stage, self._stage.draft, self._line
        shown = [draft, stage.moment]
        tab.select(self._drawn, shown, line, show_progress="hidden")
        settings = [draft, self._how, self._seed, self._list]
        told = [self._note, self._seed, self._hand]
        added = [self._note, self._list, self._how, self._hand]
        events = [
            self._how.input(self._set, settings, told, show_progress="hidden"),
            self._seed.input(self._set, settings, told, show_progress="hidden"),
            self._list.input(self._set, settings, told, show_progress="hidden"),
            self._add.click(self._added, [draft, self._at, self._amount], added),
            line.select(self._clicked, [draft, self._amount], added, show_progress="hidden"),
        ]
        for event in events:
            stage.refresh_after(event).then(self._drawn, shown, line, show_progress="hidden")

    def _drawn(self, draft: Draft | None, moment: float) -> str | None:
        if draft is None or draft.duration_s <= 0:
            return None
        return self._studio.timeline(draft, moment)

    def _set(
        self, draft: Draft | None, how: str, seed: float | None, names: list[str]
    ) -> tuple[str, Any, Any]:
        if draft is None:
            return notes.error(EXPIRED), gr.update(), gr.update()
        draft.automatic = AutomaticBlinks(seed=max(0, int(seed or 0))) if how == _AUTO else None
        kept = [blink for blink in draft.blinks if _name(blink) in names]
        draft.blinks = kept if how == _HAND else []
        return "", gr.update(visible=how == _AUTO), gr.update(visible=how == _HAND)

    def _clicked(
        self, draft: Draft | None, amount: float, event: gr.SelectData
    ) -> tuple[str, Any, Any, Any]:
        at = 0.0 if draft is None else time_at(float(event.index[0]), draft.duration_s)
        return self._added(draft, at, amount)

    def _added(
        self, draft: Draft | None, at: float | None, amount: float
    ) -> tuple[str, Any, Any, Any]:
        if draft is None:
            return notes.error(EXPIRED), gr.update(), gr.update(), gr.update()
        time_s = round(max(0.0, float(at or 0)), 2)
        draft.automatic = None
        draft.blinks = sorted(
            [*(b for b in draft.blinks if b[1] != time_s), (float(amount), time_s)],
            key=lambda blink: blink[1],
        )
        names = [_name(blink) for blink in draft.blinks]
        note = ""
        if draft.duration_s and time_s > draft.duration_s:
            note = notes.hint(f"The talk ends at {draft.duration_s:.2f} s; this blink comes later.")
        return note, gr.update(choices=names, value=names), _HAND, gr.update(visible=True)


class BackgroundTab:
    """What stands behind the person.

    Args:
        studio: does the work.
        stage: shows it.
    """

    def __init__(self, studio: Studio, stage: Stage) -> None:
        self._studio, self._stage = studio, stage
        self._how = gr.Radio(
            [_KEEP, _BLUR, _COLOUR, _FILE], value=_KEEP, label="Background", elem_id="background"
        )
        self._blur = gr.Slider(
            0, 40, value=0, step=1, label="Width of the blur (pixels; 0 fits it to the picture)",
            visible=False,
        )  # fmt: skip
        self._colour = gr.ColorPicker("#204060", label="Colour", visible=False, elem_id="colour")
        self._file = gr.File(
            label="Picture or film (played in a loop)", file_types=["image", "video"],
            visible=False, height=140, elem_id="background-file",
        )  # fmt: skip
        self._note = gr.HTML(elem_id="background-note")

    def wire(self) -> None:
        """Connect the choices."""
        draft = self._stage.draft
        inputs = [draft, self._how, self._blur, self._colour, self._file]
        outputs = [self._note, self._blur, self._colour, self._file]
        for event in (
            self._how.input, self._blur.release, self._colour.input, self._file.change
        ):  # fmt: skip
            self._stage.refresh_after(event(self._set, inputs, outputs, show_progress="hidden"))

    def _set(
        self, draft: Draft | None, how: str, blur: float, colour: str, path: str | None
    ) -> tuple[str, Any, Any, Any]:
        wrong = EXPIRED
        if draft is not None:
            wrong = problem(lambda: self._choose(draft, how, blur, colour, path))
        kinds = (_BLUR, _COLOUR, _FILE)
        blurred, coloured, filed = (gr.update(visible=how == kind) for kind in kinds)
        return notes.error(wrong), blurred, coloured, filed

    def _choose(self, draft: Draft, how: str, blur: float, colour: str, path: str | None) -> None:
        if how == _BLUR:
            draft.background = Background(blur=float(blur))
        elif how == _COLOUR:
            draft.background = Background(colour=parse_colour(_hex(colour)))
        elif how == _FILE and path is not None:
            kind, ending = require_kind(Path(path), (PICTURE, FILM), wanted="a picture or film")
            kept = draft.add_reference(Path(path), "background", ending)
            draft.background = Background(video=kept) if kind == FILM else Background(image=kept)
        else:
            draft.background = None


def _name(blink: tuple[float, float]) -> str:
    return f"{blink[1]:g} s, {blink[0]:.0%}"


def _hex(colour: str) -> str:
    """Read the colour of a picker, which writes ``rgba(32.5, 64, 96, 1)`` once it was moved."""
    if not colour.startswith("rgb"):
        return colour
    values = colour[colour.index("(") + 1 : colour.rindex(")")].split(",")[:3]
    return "#{:02x}{:02x}{:02x}".format(*(min(255, max(0, round(float(v)))) for v in values))
