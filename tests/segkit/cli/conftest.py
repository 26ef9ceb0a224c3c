"""A command line to call, and the smallest model that it accepts."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner


@pytest.fixture
def command_line(monkeypatch):
    """Call `segkit` with words; returns exit_code, stdout, stderr."""
    from segkit.cli.app import app

    monkeypatch.delenv("SEGKIT_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture(scope="session")
def portrait(tmp_path_factory):
    """A photograph with one face."""
    import skimage.data
    from PIL import Image

    path = tmp_path_factory.mktemp("portrait") / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()[:300, 75:375]).save(path)
    return path


@pytest.fixture(scope="session")
def voice(tmp_path_factory):
    """Nearly half a second of sound."""
    import soundfile

    path = tmp_path_factory.mktemp("voice") / "hum.wav"
    times_s = np.arange(int(0.4 * 16_000)) / 16_000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 140 * times_s), 16_000)
    return path
