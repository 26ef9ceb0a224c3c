"""bfloat16 by torch: only where it is asked for, near float32, and refused where it is slow."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest
import torch
from torch import nn

from segkit.backends import check_backend, quantised, with_backend
from segkit.bfloat16 import InBfloat16, is_fast_on
from segkit.export.parts import random_masks
from segkit.talk.bundle import load_bundle
from segkit.talk.pipeline import talk
from segkit.video import VideoReader

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bundle():
    return load_bundle()


class Parts(nn.Module):
    """Tells the types that it computes in."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.seen = []

    def forward(self, x):
        y = self.convolution(x)
        self.seen.append(y.dtype)
        return self.norm(y)

    def render(self, x, *, box=None):
        return self(x)

    def prepare(self, x):
        return self.convolution.bias @ x[0, :, 0, 0], self(x)


def test_named_methods_multiply_bfloat16_and_return_float32():
    module, x = Parts().eval(), torch.randn(2, 8, 4, 4)
    halved = InBfloat16(module, methods=("render", "decode_prepared"), others=("share",))
    assert halved(x).dtype == halved.render(x).dtype == torch.float32
    assert halved.module.seen == [torch.bfloat16] * 2
    assert "box" in signature(halved.render).parameters
    assert not hasattr(halved, "decode_prepared")
    assert not hasattr(halved, "share")
    assert halved.module.convolution.weight.dtype == torch.bfloat16
    assert halved.module.norm.weight.dtype == halved.module.convolution.bias.dtype == torch.float32
    # The one that was given is as before.
    assert module(x).dtype == module.convolution.weight.dtype == torch.float32
    assert module.seen == [torch.float32]


def test_other_methods_stay_as_they_are():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def prepare(self, x):
            return self.linear(x)

    module, x = Table(), torch.randn(2, 8)
    assert torch.equal(InBfloat16(module, others=("prepare",)).prepare(x), module.prepare(x))
    halved = InBfloat16(module, methods=("prepare",)).prepare(x)
    assert not torch.equal(halved, module.prepare(x))
    torch.testing.assert_close(halved, module.prepare(x), atol=0.03, rtol=0)


@torch.no_grad()
def test_the_built_in_model_draws_nearly_the_same(bundle):
    halved = with_backend(bundle, precision="bf16")
    torch.manual_seed(0)
    mask = random_masks(2, 128, 12, blocks=8)
    inputs = {
        "mask_decoder": (mask, mask.flip(0), torch.rand(2, 128)),
        "generator": (torch.randn(2, 12, 12, 128), mask),
    }
    for name, given in inputs.items():
        wanted, found = bundle.modules[name](*given), halved.modules[name](*given)
        difference = (wanted - found).abs() / (wanted.max() - wanted.min())
        assert 0 < difference.max() < 2e-2, name
        assert difference.mean() < 2e-3, name
    assert halved.modules["audio_encoder"] is bundle.modules["audio_encoder"]
    styles = inputs["generator"][0]
    plain, kept = (each.modules["generator"].prepare(styles) for each in (bundle, halved))
    for one, other in zip(plain.convs, kept.convs, strict=True):
        assert torch.equal(one.modulation, other.modulation)
        assert torch.equal(one.demodulation, other.demodulation)


def test_masks_stay_within_what_int8_may_lose(bundle):
    halved = with_backend(bundle, precision="bf16").modules["mask_decoder"]
    lost = quantised.lost_points(bundle.modules["mask_decoder"], halved, bundle)
    assert 0 < lost < quantised.MOST_LOST_POINTS


@torch.no_grad()
def test_the_sum_of_a_picture_stays_float32(bundle):
    torch.manual_seed(0)
    mask, styles = random_masks(1, 128, 12, blocks=8), torch.randn(1, 12, 12, 128)
    with torch.autocast("cpu", torch.bfloat16):
        image = bundle.modules["generator"](styles, mask)
    assert image.dtype == torch.float32
    # A sum of what is rounded to 8 bits each, and not rounded to 8 bits itself.
    assert not torch.equal(image, image.bfloat16().float())


@torch.no_grad()
def test_a_halved_portrait_is_prepared_once(bundle):
    halved = with_backend(bundle, precision="bf16").modules["mask_decoder"]
    torch.manual_seed(0)
    mask, audio = random_masks(1, 128, 12, blocks=8), torch.rand(3, 128)
    prepared = halved.prepare(mask, mask)
    assert {each.dtype for each in (*prepared.kernels, *prepared.sums)} == {torch.bfloat16}
    found = halved.decode_prepared(prepared, audio, first_row=63)
    whole = halved(mask.expand(3, -1, -1, -1), mask.expand(3, -1, -1, -1), audio, first_row=63)
    assert found.dtype == torch.float32
    assert (found - whole).abs().max() < 2e-2 * (whole.max() - whole.min())


def test_a_device_without_units_is_told(monkeypatch):
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not is_fast_on(CPU)
    with pytest.raises(ValueError, match=r"no units for bf16 .*--precision fp32"):
        check_backend("torch", "bf16", CPU)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert is_fast_on(CPU)
    check_backend("torch", "bf16", CPU)
    assert not is_fast_on(torch.device("meta"))
    # A torch that no longer tells.
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name)
    assert not is_fast_on(CPU)


@pytest.mark.parametrize(("capability", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_graphics_processors_have_units_from_ampere_on(monkeypatch, capability, fast):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert is_fast_on(torch.device("cuda")) is fast


def test_a_talk_in_bfloat16_shows_nearly_the_same(monkeypatch, picture, hum, tmp_path):
    monkeypatch.setattr("segkit.backends.choice.is_fast_on", lambda device: True)
    shown = []
    for precision in ("fp32", "bf16"):
        out = tmp_path / f"{precision}.mp4"
        talk(image=picture, audio=hum, out=out, precision=precision, device="cpu", progress=False,
             crf=0, credentials=False)  # fmt: skip
        with VideoReader(out) as reader:
            shown.append(np.stack([frame.image for frame in reader]).astype(float))
    assert shown[0].shape == shown[1].shape
    error = np.square(shown[0] - shown[1]).mean()
    assert 0 < error < 255**2 / 10 ** (45 / 10)  # over 45 dB
