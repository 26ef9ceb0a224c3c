"""Wav2Lip-style blocks against the same steps written with torch functions."""

import pytest
import torch
from torch.nn import functional

from segkit.halves import lower_half, pose_of, with_upper_half_of
from segkit_models.layers.convolution import ConvBlock, UpBlock, make_norm, scale_width
from segkit_models.layers.mel_tower import make_mel_tower


def test_the_residual_is_added_before_the_relu():
    torch.manual_seed(0)
    block = ConvBlock(8, 8, residual=True, norm="group")
    x = torch.randn(2, 8, 5, 6)
    convolution, norm = block.conv_block
    expected = functional.relu(
        functional.group_norm(
            functional.conv2d(x, convolution.weight, convolution.bias, padding=1),
            norm.num_groups, norm.weight, norm.bias,
        )
        + x
    )  # fmt: skip
    torch.testing.assert_close(block(x), expected)


def test_up_blocks_double_or_open():
    assert UpBlock(8, 16)(torch.zeros(2, 8, 4, 6)).shape == (2, 16, 8, 12)
    assert UpBlock(8, 16, open_to=4)(torch.zeros(2, 8, 1, 1)).shape == (2, 16, 4, 4)


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [(16, 0.25, 8), (64, 0.25, 16), (512, 0.375, 192), (32, 1.0, 32), (32, 0.01, 8)],
)
def test_widths_are_multiples_of_eight(channels, width, expected):
    assert scale_width(channels, width) == expected


@pytest.mark.parametrize("channels", [4, 8, 12, 24, 40, 96, 512])
def test_groups_always_divide(channels):
    norm = make_norm("group", channels)
    assert channels % norm.num_groups == 0
    assert channels // norm.num_groups >= 4  # a group of one would erase a 1 x 1 map


def test_unknown_norm_and_wrong_number_of_stages_are_told():
    with pytest.raises(ValueError, match="expected 'batch' or 'group', got 'layer'"):
        make_norm("layer", 8)
    with pytest.raises(ValueError, match="channels of 5 stages"):
        make_mel_tower((8, 8))


def test_the_pose_is_the_mask_above_and_nothing_below():
    mask = torch.rand(2, 3, 6, 4)
    before = mask.clone()
    pose = pose_of(mask)
    assert torch.equal(pose[..., :3, :], mask[..., :3, :])
    assert not pose[..., 3:, :].any()
    assert torch.equal(mask, before), "the input was changed"


def test_composition_takes_each_half_from_its_owner():
    predicted, pose = torch.full((2, 5, 4), 1, dtype=torch.uint8), torch.zeros(2, 5, 4).byte()
    composed = with_upper_half_of(predicted, pose)
    assert not composed[:, :2].any()
    assert composed[:, 2:].all()
    assert lower_half(composed).shape == (2, 3, 4)
