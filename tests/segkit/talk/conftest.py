"""A random bundle and a film of a carried photograph, small enough to talk in seconds."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from segkit.regions import SCHEME_12, one_hot
from segkit.talk.bundle import new_bundle, save_bundle
from segkit.video import VideoWriter

TINY = {
    "audio_encoder": {"type": "MelCNN", "out_dim": 16, "widths": [8, 8, 8, 8, 16], "norm": "group"},
    "mask_decoder": {
        "type": "UNetMaskDecoder",
        "size": 64,
        "audio_dim": 16,
        "width": 0.0625,
        "norm": "group",
    },
    "region_encoder": {
        "type": "FPNRegionEncoder",
        "num_layers": 10,
        "style_dim": 8,
        "input_size": 64,
        "width": [8, 8, 8, 8, 8],
        "units": [1, 1, 1, 1],
        "fpn_dim": 8,
        "norm": "group",
    },
    "generator": {
        "type": "RegionStyleGAN2",
        "size": 64,
        "style_dim": 8,
        "channels": [8, 8, 8, 8, 8],
        "num_masked_layers": 17,
    },
}


def make_tiny(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return new_bundle(TINY, size=64)


class FixedParser(torch.nn.Module):
    """Sees the template face in every crop."""

    def forward(self, image):
        size = image.shape[-1]
        rows, columns = ((np.mgrid[:size, :size] + 0.5) / size).astype(np.float32)
        labels = np.zeros((size, size), np.uint8)
        for name, x, y, width, height in (
            ("hair", 0.5, 0.38, 0.36, 0.36),
            ("neck", 0.5, 0.95, 0.15, 0.2),
            ("skin", 0.5, 0.54, 0.28, 0.36),
            ("nose", 0.5, 0.54, 0.05, 0.06),
            ("eyes", 0.37, 0.42, 0.06, 0.025),
            ("eyes", 0.63, 0.42, 0.06, 0.025),
            ("eyebrows", 0.37, 0.36, 0.07, 0.015),
            ("eyebrows", 0.63, 0.36, 0.07, 0.015),
            ("lip", 0.5, 0.66, 0.1, 0.04),
            ("mouth", 0.5, 0.66, 0.06, 0.012),
        ):
            inside = ((columns - x) / width) ** 2 + ((rows - y) / height) ** 2 <= 1
            labels[inside] = SCHEME_12.index(name)
        mask = one_hot(torch.from_numpy(labels), 12)
        return (20 * mask - 10).expand(len(image), -1, -1, -1)


class BrokenParser(FixedParser):
    """Fails, or is interrupted, in the middle of a film."""

    def __init__(self, error, after=8):
        super().__init__()
        self.error, self.calls, self.after = error, 0, after

    def forward(self, image):
        self.calls += 1
        if self.calls > self.after:
            raise self.error
        return super().forward(image)


@pytest.fixture(scope="session")
def tools():
    """What the tests of this folder share."""
    return SimpleNamespace(
        FixedParser=FixedParser,
        BrokenParser=BrokenParser,
        make_tiny=make_tiny,
        voice=voice,
        write_film=write_film,
    )


@pytest.fixture
def tiny_bundle():
    return make_tiny()


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "tiny.safetensors"
    save_bundle(path, make_tiny())
    return path


@pytest.fixture(scope="session")
def portrait():
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[0:256, 96:352])


@pytest.fixture(scope="session")
def portrait_path(tmp_path_factory, portrait):
    from PIL import Image

    path = tmp_path_factory.mktemp("portrait") / "astronaut.png"
    Image.fromarray(portrait).save(path)
    return path


def voice(seconds, seed=0):
    """Syllables of harmonics and noise, with a pause of 0.3 s in the middle."""
    time_s = np.arange(int(16000 * seconds)) / 16000
    tone = sum(np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 8))
    noise = np.random.default_rng(seed).normal(size=len(time_s))
    wave = 0.1 * (tone + 0.2 * noise) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time_s))
    wave[abs(time_s - seconds / 2) < 0.15] = 0
    return torch.from_numpy(wave.astype(np.float32))


def write_film(
    path, portrait, *, num_frames, fps, hidden=(), size=(256, 256), silent=False, copies=1
):
    """Let the photograph sway; frames in ``hidden`` show noise instead."""
    width, height = size
    sound = None if silent else voice(num_frames / float(fps))
    random = np.random.default_rng(0)
    with VideoWriter(path, width=width * copies, height=height, fps=fps, waveform=sound) as writer:
        for number in range(num_frames):
            angle = 3 * np.sin(number / 4)
            matrix = cv2.getRotationMatrix2D((128, 128), angle, min(width, height) / 256)
            matrix[:, 2] += (width / 2 - 128 + number % 5, height / 2 - 128)
            frame = cv2.warpAffine(portrait, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
            if number in hidden:
                frame = random.integers(0, 255, frame.shape, dtype=np.uint8)
            writer.write(np.concatenate([frame] * copies, 1))
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory, portrait):
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", portrait, num_frames=27, fps=25)
