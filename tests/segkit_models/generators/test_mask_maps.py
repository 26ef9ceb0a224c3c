"""A mask at every size that a generator works in."""

import pytest
import torch
from torch.nn import functional

from segkit_models.generators.boxes import Box
from segkit_models.generators.mask_maps import MaskMaps
from segkit_models.layers.region_pooling import smooth_mask

NUM_REGIONS = 5


def random_mask(side):
    labels = torch.randint(NUM_REGIONS, (2, side, side), generator=torch.Generator().manual_seed(0))
    return functional.one_hot(labels, NUM_REGIONS).movedim(-1, 1).float()


@pytest.mark.parametrize("box", [Box.whole(16), Box(5, 9, 0, 11)])
def test_borders_are_smooth_where_no_averages_made_them_soft(box):
    mask = random_mask(16)
    part = (..., slice(box.top, box.bottom), slice(box.left, box.right))
    maps = MaskMaps(mask, (8, 16, 32), mode="smooth")
    torch.testing.assert_close(maps.at(16, box).mask, smooth_mask(mask)[part])
    enlarged = functional.interpolate(mask, scale_factor=2)
    torch.testing.assert_close(maps.at(32, box).mask, smooth_mask(enlarged)[part])
    averages = functional.avg_pool2d(mask, 2)
    torch.testing.assert_close(maps.at(8, Box.whole(8)).mask, averages)
    assert maps.at(16, box).labels is None
    # All averages, where the mask is finer than every layer.
    coarse = MaskMaps(mask, (4, 8), mode="smooth")
    torch.testing.assert_close(coarse.at(8, Box.whole(8)).mask, averages)


def test_hard_and_averaged_masks_stay_as_they_are_at_their_own_size():
    mask = random_mask(16)
    for mode in ("nearest", "area"):
        maps = MaskMaps(mask, (8, 16), mode=mode)
        assert torch.equal(maps.at(16, Box.whole(16)).mask, mask)
        assert (maps.at(8, Box.whole(8)).labels is not None) == (mode == "nearest")
