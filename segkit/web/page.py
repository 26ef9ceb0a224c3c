"""The page itself: the stage on one side, the steps on the other."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING

import gradio as gr
from fastapi import FastAPI

from segkit.serve.exchange import COOKIE
from segkit.web.draft import Draft
from segkit.web.face_tab import FaceTab
from segkit.web.look_tab import LookTab
from segkit.web.media import make_media_router
from segkit.web.paint_tab import PaintTab
from segkit.web.stage import Stage
from segkit.web.studio import Studio
from segkit.web.time_tabs import BackgroundTab, BlinkTab

if TYPE_CHECKING:
    from segkit.serve.app import Server

_TITLE = (
    '<header id="title"><h1>segkit</h1><p>Speech moves the mask of a face; '
    "the mask paints the face.</p></header>"
)


def mount_page(app: FastAPI, server: Server) -> tuple[FastAPI, Callable[[], None]]:
    """Put the page at the root of an application.

    Args:
        app: gets the page and the routes of its media.
        server: its queue, models and limits.

    Returns:
        The application, and what closes the page's part of it.
    """
    assert server.ownership is not None
    studio = Studio(
        server.folder / "page",
        queue=server.queue,
        models=server.models,
        ownership=server.ownership,
        device=server.settings.device,
    )
    app.include_router(make_media_router(server.queue))
    keep_s = int(60 * server.settings.limits.keep_minutes)
    mounted = gr.mount_gradio_app(
        app,
        build_page(studio, keep_s=keep_s),
        path="/",
        footer_links=[],
        max_file_size=server.settings.limits.upload_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        theme=_theme(),
        css=files("segkit.web").joinpath("page.css").read_text(encoding="utf-8"),
        show_error=True,
    )
    return mounted, studio.close


def build_page(studio: Studio, *, keep_s: int) -> gr.Blocks:
    """Build the page.

    Args:
        studio: does the work.
        keep_s: seconds after which the files of a page that nobody uses are removed.
    """
    with gr.Blocks(
        title="segkit", analytics_enabled=False, delete_cache=(600, keep_s), fill_width=True
    ) as page:
        # An hour after the page was left; before that, the studio sweeps up what is not used.
        draft = gr.State(delete_callback=studio.close_draft)
        gr.HTML(_TITLE)
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(scale=5, min_width=320, elem_id="stage"):
                stage = Stage(studio, draft)
            with gr.Column(scale=6, min_width=320, elem_id="steps"), gr.Tabs():
                with gr.Tab("Face"):
                    face = FaceTab(studio, stage)
                with gr.Tab("Looks") as look_step:
                    look = LookTab(studio, stage)
                with gr.Tab("Paint") as paint_step:
                    paint = PaintTab(studio, stage)
                with gr.Tab("Blinks") as blink_step:
                    blink = BlinkTab(studio, stage)
                with gr.Tab("Background"):
                    background = BackgroundTab(studio, stage)

        def opened(request: gr.Request) -> Draft:
            return studio.open(request.cookies.get(COOKIE, ""))

        page.load(opened, None, draft, show_progress="hidden")
        stage.wire()
        face.wire(page)
        look.wire(look_step)
        paint.wire(paint_step)
        blink.wire(blink_step)
        background.wire()
    return page


def _theme() -> gr.themes.Base:
    # Fonts of the reader's own machine: the page asks no other server for anything.
    theme = gr.themes.Default(
        primary_hue="rose",
        neutral_hue="slate",
        spacing_size="sm",
        font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return theme.set(
        block_label_background_fill="*background_fill_primary",
        block_label_text_color="*body_text_color_subdued",
        block_title_text_color="*body_text_color",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )
