"""A photograph with one face, what finds faces, and the smallest model that talks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """The astronaut's head and shoulders, 300 pixels."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[0:300, 70:370])


@pytest.fixture(scope="session")
def face_models() -> dict[str, object]:
    """The detector and the mesh, as arguments of `track_face`."""
    from segkit.faces import FaceDetector, FaceMesh

    return {"detector": FaceDetector(), "mesh": FaceMesh()}


@pytest.fixture(scope="session")
def smallest_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights that draws 32 px."""
    from segkit.talk.bundle import new_bundle, save_bundle

    with torch.random.fork_rng():
        torch.manual_seed(0)
        bundle = new_bundle(
            {
                "audio_encoder": {"type": "MelCNN", "out_dim": 8, "widths": [4, 4, 8, 8, 8]},
                "mask_decoder": {
                    "type": "UNetMaskDecoder", "size": 32, "audio_dim": 8, "width": 0.125,
                },
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
    path = tmp_path_factory.mktemp("smallest") / "tiny.safetensors"
    save_bundle(path, bundle)
    return path
