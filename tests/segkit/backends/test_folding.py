"""Norms folded into convolutions: the same masks, by fewer passes, and nothing else is touched."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segkit.backends import with_backend, with_folded_norms
from segkit.export.parts import random_masks
from segkit.talk.bundle import load_bundle
from segkit_models.mask_decoders import UNetMaskDecoder


def norms(module):
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


@pytest.fixture(scope="module")
def bundle():
    return load_bundle()


@torch.no_grad()
def test_a_talks_mask_decoder_has_no_norms_and_the_same_logits(bundle):
    plain, folded = (each.modules["mask_decoder"] for each in (bundle, with_backend(bundle)))
    assert norms(plain) == 36
    assert norms(folded) == 0
    torch.manual_seed(0)
    pose, reference = random_masks(2, 128, 12, blocks=8), random_masks(2, 128, 12, blocks=4, seed=1)
    audio = torch.rand(2, 128)
    wanted = plain(pose, reference, audio)
    scale = wanted.max() - wanted.min()
    prepared = folded.prepare(pose, reference)
    for first_row in (0, 63):
        for found in (
            folded(pose, reference, audio, first_row=first_row),
            folded.decode_prepared(prepared, audio, first_row=first_row),
        ):
            assert found[:, :, :first_row].abs().sum() == 0
            difference = (found - wanted)[:, :, first_row:].abs().max() / scale
            assert difference < 1e-5


def test_maps_stay_channels_last(bundle):
    folded = with_folded_norms(bundle.modules["mask_decoder"])
    for part in folded.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            assert part.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("transpose", [False, True])
def test_convolution_and_norm_become_one(transpose):
    torch.manual_seed(0)
    kind = nn.ConvTranspose2d if transpose else nn.Conv2d
    norm = nn.BatchNorm2d(5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 3)
    both = nn.Sequential(kind(3, 5, 3, stride=2), norm).eval()
    x = torch.randn(2, 3, 9, 9)
    folded = with_folded_norms(both)
    assert isinstance(folded[1], nn.Identity)
    torch.testing.assert_close(folded(x), both(x), atol=1e-5, rtol=1e-5)


def test_what_has_nothing_to_fold_is_returned():
    grouped = UNetMaskDecoder(size=32, width=0.0625, norm="group").eval()
    assert with_folded_norms(grouped) is grouped
    loose = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3))
    assert with_folded_norms(loose) is loose
    lively = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)).eval()
    assert with_folded_norms(lively) is lively  # its statistics are those of each batch
    once = with_folded_norms(UNetMaskDecoder(size=32, width=0.0625).eval())
    assert with_folded_norms(once) is once
