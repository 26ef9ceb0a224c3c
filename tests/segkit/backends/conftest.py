"""A face and a voice for short talks."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def picture(tmp_path):
    import skimage.data
    from PIL import Image

    path = tmp_path / "face.png"
    Image.fromarray(skimage.data.astronaut()[:300, 75:375]).save(path)
    return path


@pytest.fixture
def hum(tmp_path):
    import soundfile

    times_s = np.arange(3200) / 16_000
    soundfile.write(tmp_path / "hum.wav", 0.3 * np.sin(900 * times_s), 16_000)
    return tmp_path / "hum.wav"
