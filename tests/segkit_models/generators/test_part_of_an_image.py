"""Drawing a part: the same pixels as of the whole, for the work of the part."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from segkit_models.generators import RegionStyleGAN2
from segkit_models.generators.boxes import Box

SIZE, NUM_REGIONS = 32, 4


@st.composite
def boxes(draw):
    top, left = (draw(st.integers(0, SIZE - 1)) for _ in range(2))
    return Box(top, draw(st.integers(top + 1, SIZE)), left, draw(st.integers(left + 1, SIZE)))


def make(form, mode, num_masked_layers):
    torch.manual_seed(0)
    generator = RegionStyleGAN2(
        size=SIZE, num_regions=NUM_REGIONS, style_dim=8, channels=(8, 8, 8, 8),
        num_masked_layers=num_masked_layers, region_conv=form, mask_mode=mode,
    )  # fmt: skip
    for layer in generator.convs:
        torch.nn.init.constant_(layer.noise_strength, 0.5)
    return generator.eval()


@given(
    box=boxes(),
    form=st.sampled_from(["spatial", "exact", "bbox", "taps"]),
    mode=st.sampled_from(["nearest", "area", "smooth"]),
    num_masked_layers=st.sampled_from([3, 17]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_a_part_is_cut_from_the_whole(box, form, mode, num_masked_layers, seed):
    generator = make(form, mode if form == "spatial" else "nearest", num_masked_layers)
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(NUM_REGIONS, (2, 8, 8), generator=random)
    mask = functional.one_hot(labels, NUM_REGIONS).movedim(-1, 1).float()
    mask = functional.interpolate(mask, size=(SIZE, SIZE))
    styles = torch.randn(1, NUM_REGIONS, generator.num_layers, 8, generator=random)
    with torch.no_grad():
        tables = generator.prepare(styles)
        whole = generator.render(tables, mask)
        part = generator.render(tables, mask, box=box)
    expected = whole[..., box.top : box.bottom, box.left : box.right]
    spread = float(whole.max() - whole.min())
    torch.testing.assert_close(part, expected, atol=1e-6 * spread, rtol=0)


@pytest.mark.parametrize(
    ("box", "saving"), [((256, 512, 0, 512), 1.85), ((256, 512, 102, 410), 2.7)]
)
def test_the_lower_face_of_the_papers_generator_costs_its_share(box, saving):
    with torch.device("meta"):
        generator = RegionStyleGAN2(size=512).eval()
        mask = torch.zeros(1, 12, 512, 512)
        tables = generator.prepare(torch.zeros(1, 12, 16, 512))

    def work(box):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            generator.render(tables, mask, box=box)
        return counter.get_total_flops()

    assert work(None) > saving * work(box)


@pytest.mark.parametrize("box", [(0, 33, 0, 32), (-1, 8, 0, 8), (8, 8, 0, 8), (0, 8, 9, 8)])
def test_a_box_that_leaves_the_image_or_is_empty(box):
    generator = make("spatial", "nearest", 3)
    mask = torch.zeros(1, NUM_REGIONS, SIZE, SIZE)
    tables = generator.prepare(torch.zeros(1, NUM_REGIONS, generator.num_layers, 8))
    with pytest.raises(ValueError, match="box: expected a part of 32 x 32 px"):
        generator.render(tables, mask, box=box)
