"""Looks: a region takes its texture from a swatch or a picture of one's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gradio as gr

from segkit.edits import Span, Swap
from segkit.regions import SCHEME_12
from segkit.serve.child import TaskError
from segkit.serve.sniff import PICTURE, require_kind
from segkit.web import notes
from segkit.web.draft import Draft, replaced
from segkit.web.stage import Stage
from segkit.web.studio import EXPIRED, Studio, problem

REGIONS = [name for name in SCHEME_12.regions if name != "background"]


class LookTab:
    """Region, swatch or picture, strength and time.

    Args:
        studio: does the work.
        stage: shows it; a click on its picture chooses the region.
    """

    def __init__(self, studio: Studio, stage: Stage) -> None:
        self._studio, self._stage = studio, stage
        gr.HTML(notes.hint("Click on the face in the preview, or choose a region here."))
        self._region = gr.Radio(REGIONS, value="lip", label="Region", elem_id="region")
        gr.HTML(notes.title("Swatches"))
        self._swatches = gr.Gallery(
            label="Swatches", show_label=False, columns=6, height="auto", allow_preview=False,
            buttons=[], elem_id="swatches", object_fit="cover", interactive=False,
        )  # fmt: skip
        self._picture = gr.File(
            label="Or a picture of another face", file_types=["image"], elem_id="reference",
            height=140,
        )  # fmt: skip
        self._strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="strength")
        with gr.Accordion("Only for a while", open=False), gr.Row():
            self._from = gr.Number(0, label="From (s)", minimum=0, min_width=80)
            self._to = gr.Number(None, label="To (s; empty: the end)", minimum=0, min_width=80)
            self._fade = gr.Number(0.2, label="Fade (s)", minimum=0, min_width=80)
        self._note = gr.HTML(elem_id="look-note")
        self._list = gr.Dropdown(
            [], value=[], multiselect=True, label="Looks in use (remove one to undo it)",
            elem_id="looks", interactive=True,
        )  # fmt: skip

    def wire(self, tab: gr.Tab) -> None:
        """Connect clicks, swatches and the list."""
        stage, draft = self._stage, self._stage.draft
        tiles = [draft, self._region]
        tab.select(self._tiles, tiles, self._swatches, show_progress="minimal")
        self._region.change(self._tiles, tiles, self._swatches, show_progress="hidden")
        stage.picture.select(self._clicked, draft, self._region, show_progress="hidden")
        how = [self._region, self._strength, self._from, self._to, self._fade]
        told = [self._note, self._list]
        stage.refresh_after(self._swatches.select(self._chose, [draft, *how], told))
        stage.refresh_after(self._picture.upload(self._sent, [draft, self._picture, *how], told))
        stage.refresh_after(self._list.input(self._kept, [draft, self._list], self._note))

    def _tiles(self, draft: Draft | None, region: str) -> list[tuple[str, str]]:
        try:
            return [] if draft is None else self._studio.swatches.tiles(region, draft)
        except TaskError:
            return []

    def _clicked(self, draft: Draft | None, event: gr.SelectData) -> Any:
        if draft is None or not isinstance(event.index, (list, tuple)):
            return gr.update()
        column, row = event.index
        region = self._studio.region_at(draft, int(column), int(row))
        return region if region in REGIONS else gr.update()

    def _chose(
        self, draft: Draft | None, region: str, strength: float,
        start_s: float | None, end_s: float | None, fade_s: float | None, event: gr.SelectData,
    ) -> tuple[str, Any]:  # fmt: skip
        if draft is None:
            return notes.error(EXPIRED), gr.update()
        names = self._studio.swatches.names(region)
        if not isinstance(event.index, int) or not 0 <= event.index < len(names):
            return notes.error("choose one of the swatches"), gr.update()
        face = self._studio.swatches.face(names[event.index])
        span = (start_s, end_s, fade_s)
        return self._use(draft, region, face, f"swatch-{names[event.index]}", "png", strength, span)

    def _sent(
        self, draft: Draft | None, path: str | None, region: str, strength: float,
        start_s: float | None, end_s: float | None, fade_s: float | None,
    ) -> tuple[str, Any]:  # fmt: skip
        if draft is None:
            return notes.error(EXPIRED), gr.update()
        if path is None:
            return "", gr.update()
        try:
            _, ending = require_kind(Path(path), (PICTURE,), wanted="a picture of a face")
        except ValueError as wrong:
            return notes.error(str(wrong)), gr.update()
        span = (start_s, end_s, fade_s)
        return self._use(draft, region, Path(path), "reference", ending, strength, span)

    def _use(
        self, draft: Draft, region: str, picture: Path, stem: str, ending: str, strength: float,
        span: tuple[float | None, float | None, float | None],
    ) -> tuple[str, Any]:  # fmt: skip
        """Try a swap in a preview, and keep it if that can be drawn."""
        before = list(draft.swaps)

        def use() -> None:
            kept = draft.add_reference(picture, stem, ending)
            swap = Swap(region, kept, float(strength), _span(*span))
            draft.swaps = replaced(draft.swaps, swap)
            if draft.face is not None:
                self._studio.preview(draft, 0.0)

        wrong = problem(use)
        if wrong:
            draft.swaps = before
        return notes.error(wrong), self._listed(draft)

    def _kept(self, draft: Draft | None, names: list[str]) -> str:
        if draft is None:
            return notes.error(EXPIRED)
        draft.swaps = [swap for swap in draft.swaps if _name(swap) in names]
        return ""

    def _listed(self, draft: Draft) -> Any:
        names = [_name(swap) for swap in draft.swaps]
        return gr.update(choices=names, value=names)


def _name(swap: Swap) -> str:
    when = ""
    if not swap.span.is_whole:
        end = "the end" if swap.span.end_s == math.inf else f"{swap.span.end_s:g} s"
        when = f", {swap.span.start_s:g} s to {end}"
    donor = swap.picture.stem.rpartition("-")[0].replace("swatch-", "swatch ").replace("-", " ")
    return f"{swap.region} of {donor}, {swap.strength:.0%}{when}"


def _span(start_s: float | None, end_s: float | None, fade_s: float | None) -> Span:
    start, end = float(start_s or 0), math.inf if end_s is None else float(end_s)
    if not 0 <= start < end:
        raise ValueError(f"the look ends at {end:g} s, before it begins at {start:g} s")
    fade = float(fade_s or 0) if (start > 0 or end < math.inf) else 0.0
    num_fades = (start > 0) + (end < math.inf)
    return Span(start, end, min(fade, (end - start) / num_fades) if num_fades else 0.0)
