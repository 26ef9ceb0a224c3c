"""A short film, and certificates of every kind."""

import numpy as np
import pytest
import torch

from segkit.provenance import Statement, local_certificate
from segkit.video_writer import VideoWriter


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A second of moving noise with sound."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    sound = torch.sin(torch.arange(16_000) / 9)
    with VideoWriter(path, width=64, height=64, fps=25, waveform=sound) as writer:
        for shift in range(25):
            writer.write(np.roll(noise, shift, 0))
    return path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A local certificate, in a folder of its own."""
    return local_certificate(tmp_path_factory.mktemp("config") / "credentials")


@pytest.fixture
def statement():
    """What is said of the film."""
    return Statement(
        title="out.mp4",
        kind="film",
        source="me.mp4",
        sound="speech.wav",
        regions=("skin", "lip"),
        edits=(
            {"kind": "swap", "region": "lip", "picture": "ref.jpg"},
            {"kind": "blink", "amount": 0.8, "at_s": 2.0},
        ),
        model="some_model",
        model_sha256="ab" * 32,
        passed_through=((0.5, 0.75), (1.0, 1.25)),
    )
