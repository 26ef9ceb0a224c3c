"""Painting: strokes in the colours of regions on the mask of the face."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr
import numpy as np

from segkit.edits import Painting
from segkit.edits.paintings import UNTOUCHED, save_painting, strokes_of_pixels
from segkit.regions import SCHEME_12
from segkit.serve.tasks import CANVAS
from segkit.web import notes
from segkit.web.draft import Draft
from segkit.web.stage import Stage
from segkit.web.studio import EXPIRED, Studio, problem


class PaintTab:
    """The canvas.

    Args:
        studio: does the work.
        stage: shows it.
    """

    def __init__(self, studio: Studio, stage: Stage) -> None:
        self._studio, self._stage = studio, stage
        gr.HTML(
            notes.hint(
                "Choose the colour of a region at the brush and paint: the face is drawn by this "
                "mask. An open mouth stays open."
            )
        )
        self._canvas = gr.ImageEditor(
            label="Mask",
            type="numpy",
            image_mode="RGBA",
            format="png",
            sources=[],
            transforms=[],
            layers=False,
            buttons=[],
            canvas_size=(CANVAS, CANVAS),
            fixed_canvas=True,
            height=520,
            brush=gr.Brush(
                colors=["#{:02x}{:02x}{:02x}".format(*colour) for colour in SCHEME_12.colours],
                default_color="#{:02x}{:02x}{:02x}".format(*SCHEME_12.colours[4]),
                default_size=18,
                color_mode="fixed",
            ),
            elem_id="canvas",
        )
        gr.HTML(notes.legend())
        with gr.Row():
            self._use = gr.Button("Use this painting", variant="primary", elem_id="use-painting")
            self._drop = gr.Button("Remove the painting", elem_id="drop-painting")
        self._note = gr.HTML(elem_id="paint-note")

    def wire(self, tab: gr.Tab) -> None:
        """Connect the canvas."""
        draft = self._stage.draft
        tab.select(self._opened, draft, self._canvas, show_progress="hidden")
        self._stage.refresh_after(self._use.click(self._used, [draft, self._canvas], self._note))
        self._stage.refresh_after(
            self._drop.click(self._dropped, draft, [self._note, self._canvas])
        )

    def _opened(self, draft: Draft | None) -> Any:
        """Lay the present mask on the canvas; what is painted already is part of it."""
        name = None if draft is None else draft.shown.get("pictures", {}).get("crop")
        if draft is None or name is None:
            return None
        # A file of its own: the preview's are replaced while somebody paints.
        path = draft.folder / f"canvas-{time.time_ns()}.png"
        for old in draft.folder.glob("canvas-*.png"):
            old.unlink()
        path.write_bytes((draft.folder / name).read_bytes())
        return {"background": str(path), "layers": [], "composite": None}

    def _used(self, draft: Draft | None, canvas: dict[str, Any] | None) -> str:
        if draft is None:
            return notes.error(EXPIRED)
        if draft.face is None:
            return notes.error("Choose a film or photo of a face first.")
        wrong = problem(lambda: self._take(draft, canvas))
        return notes.error(wrong) if wrong else notes.hint("In use; see the preview.")

    def _take(self, draft: Draft, canvas: dict[str, Any] | None) -> None:
        strokes = np.full((CANVAS, CANVAS), UNTOUCHED, np.uint8)
        for layer in (canvas or {}).get("layers") or []:
            if layer.ndim != 3 or layer.shape[-1] != 4 or max(layer.shape) > 4 * CANVAS:
                raise ValueError("the canvas sent something that is no painting; reload the page")
            new = strokes_of_pixels(_fitted(layer))
            strokes = np.where(new == UNTOUCHED, strokes, new)
        if (strokes == UNTOUCHED).all():
            raise ValueError("nothing is painted yet; paint on the mask first")
        if draft.painting is not None:
            from segkit.edits import read_painting

            before = read_painting(draft.painting.picture)
            strokes = np.where(strokes == UNTOUCHED, before, strokes)
        number = 1 + len(list(draft.edit_folder.glob("painted-*.png")))
        path = draft.edit_folder / f"painted-{number}.png"
        save_painting(path, strokes)
        draft.painting = Painting(path)

    def _dropped(self, draft: Draft | None) -> tuple[str, Any]:
        if draft is None:
            return notes.error(EXPIRED), gr.update()
        draft.painting = None
        return notes.hint("Removed."), None


def _fitted(layer: np.ndarray) -> np.ndarray:
    """Bring a layer to the size of the canvas; the nearest pixel keeps its colour pure."""
    rows = np.arange(CANVAS) * layer.shape[0] // CANVAS
    columns = np.arange(CANVAS) * layer.shape[1] // CANVAS
    return layer[rows[:, None], columns].astype(np.uint8)
