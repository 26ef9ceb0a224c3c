"""A server in this process, the material to send it, and the smallest model that draws."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest

fastapi = pytest.importorskip("fastapi", reason="needs the extra `web`")

from segkit.serve.app import Server, Settings  # noqa: E402
from segkit.serve.limits import Limits  # noqa: E402

VOICE_S = 0.4


@pytest.fixture(scope="session")
def portrait_png():
    """A photograph with one face, as a file's bytes."""
    import skimage.data
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()[:300, 75:375]).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def voice_wav():
    """Ten frames of sound, as a file's bytes."""
    import soundfile

    buffer = io.BytesIO()
    times_s = np.arange(int(VOICE_S * 16_000)) / 16_000
    soundfile.write(buffer, 0.3 * np.sin(2 * np.pi * 140 * times_s), 16_000, format="WAV")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def models(smallest_bundle):
    """A folder with a bundle of random weights."""
    return smallest_bundle.parent


@pytest.fixture
def make_server(tmp_path, models):
    """Make servers, closed at the end."""
    servers = []

    def make(folder=None, *, run_jobs=False, token=None, hosts=("testserver",), **limits):
        home = tmp_path / "server" if folder is None else folder
        home.mkdir(mode=0o700, exist_ok=True)
        server = Server(
            Settings(
                folder=home, models=models, limits=Limits(**limits), token=token, hosts=hosts,
                page=False, device="cpu", run_jobs=run_jobs,
            )
        )  # fmt: skip
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def submit(portrait_png, voice_wav):
    """Send a job to a client; returns the answer."""

    def send(client, *, face=None, files=(), **form):
        parts = [
            ("face", ("me.png", face or portrait_png, "image/png")),
            ("voice", ("say.wav", voice_wav, "audio/wav")),
            *files,
        ]
        return client.post("/api/jobs", files=parts, data={"model": "tiny", **form})

    return send


@pytest.fixture
def finished():
    """Wait for a job; returns what it says at the end."""

    def wait(client, id, *, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = client.get(f"/api/jobs/{id}").json()
            if job["state"] in ("done", "failed", "cancelled"):
                return job
            time.sleep(0.1)
        raise AssertionError(f"job {id} has not ended: {job}")

    return wait
