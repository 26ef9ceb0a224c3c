"""A command line to call, and the smallest model that it accepts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
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
def tiny_bundle(tmp_path_factory):
    """A bundle of random weights at 32 px."""
    from segkit.talk.bundle import new_bundle, save_bundle

    torch.manual_seed(0)
    bundle = new_bundle(
        {
            "audio_encoder": {"type": "MelCNN", "out_dim": 8, "widths": [4, 4, 8, 8, 8]},
            "mask_decoder": {"type": "UNetMaskDecoder", "size": 32, "audio_dim": 8, "width": 0.125},
            "region_encoder": {
                "type": "FPNRegionEncoder", "num_layers": 8, "style_dim": 8, "input_size": 32,
                "width": [4, 4, 8, 8, 8], "units": [1, 1, 1, 1], "fpn_dim": 8, "norm": "group",
            },
            "generator": {
                "type": "RegionStyleGAN2", "size": 32, "style_dim": 8, "channels": [8, 8, 8, 8],
                "num_masked_layers": 17,
            },
        },
        size=32,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("bundle") / "tiny.safetensors"
    save_bundle(path, bundle)
    return path


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
