"""Servers with a page, in this process."""

import asyncio

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("gradio", reason="needs the extra `web`")

from segkit.serve.app import Server, Settings


@pytest.fixture(scope="session")
def make_page(tmp_path_factory):
    """Make servers with a page, closed at the end."""
    servers = []

    async def build(settings):
        return Server(settings)

    def make(**settings):
        folder = tmp_path_factory.mktemp("page") / "private"
        settings = Settings(
            folder=folder, **({"hosts": ("testserver",), "run_jobs": False} | settings)
        )
        # Inside a loop: without a running one the page's library makes some, and leaves them open.
        servers.append(asyncio.run(build(settings)))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def server(make_page):
    """One of them."""
    return make_page()
