"""The face recognition network: real weights tell people apart, and gradients reach the image."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from segkit.weights import convert_file
from segkit_models.experts.identity import FaceResNet


def test_layout_is_dlibs():
    net = FaceResNet()
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    # 29 convolutions and one fully connected layer, 5.6 million weights.
    assert len(convolutions) == 29
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(5.6e6, rel=0.01)
    maps = net.eval().features(torch.rand(1, 3, 64, 64) * 2 - 1)
    assert [tuple(x.shape[1:]) for x in maps] == [
        (32, 35, 35), (64, 17, 17), (128, 8, 8), (256, 4, 4), (256, 2, 2), (128,)
    ]  # fmt: skip


def test_a_face_stays_itself_under_small_changes(shared, tmp_path):
    from skimage.data import astronaut

    manifest = shared / "weights" / "face_recognition_model-weights_manifest.json"
    if not manifest.exists():
        pytest.skip(f"no face recognition weights in {shared}")
    convert_file("identity", manifest, tmp_path / "dlib.safetensors")
    net = FaceResNet(tmp_path / "dlib.safetensors").eval()
    # dlib's chip of this portrait, about: eyes at 0.31, mouth at 0.73 of the height.
    chip = torch.from_numpy(np.array(astronaut()[62:212, 150:300])).permute(2, 0, 1)[None]
    face = (chip.float() / 127.5 - 1).requires_grad_()
    embedding = net(face)
    assert 0.9 < embedding.norm().item() < 1.6
    changed = torch.cat([face * 0.8, face.flip(3), face.roll(3, 2)])
    with torch.no_grad():
        near = (net(changed) - embedding).norm(dim=1)
        far = (net(functional.interpolate(face.flip(2), 150)) - embedding).norm(dim=1)
    # dlib calls two faces one person below 0.6; upside down is no such face.
    assert (near < 0.4).all()
    assert (far > 0.6).all()
    embedding.square().sum().backward()
    assert face.grad.abs().sum() > 0
