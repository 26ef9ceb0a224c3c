"""Laws of the mask-guided generator: which code reaches which pixel, and what growing keeps."""

import pytest
import torch
from torch.nn import functional

from segkit_models.generators import RegionStyleGAN2
from segkit_models.generators.resizing import grown

NUM_REGIONS, STYLE_DIM, NUM_LAYERS = 4, 8, 6


def make(**changes):
    torch.manual_seed(0)
    settings = dict(
        size=16,
        num_regions=NUM_REGIONS,
        style_dim=STYLE_DIM,
        channels=(8, 8, 8),
        num_masked_layers=17,
    )
    generator = RegionStyleGAN2(**(settings | changes))
    with torch.no_grad():
        for layer in generator.convs:
            layer.noise_strength.fill_(0.1)
            layer.bias.normal_()
    return generator.eval()


def labels(seed=0, side=16, batch=2, num_regions=NUM_REGIONS):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(num_regions, (batch, side, side), generator=random)


def one_hot(labels, num_regions=NUM_REGIONS):
    return functional.one_hot(labels, num_regions).movedim(-1, 1).float()


def styles(batch=2, num_layers=NUM_LAYERS, num_regions=NUM_REGIONS):
    return torch.randn(batch, num_regions, num_layers, STYLE_DIM)


@pytest.mark.parametrize("form", ["spatial", "exact", "bbox", "loop"])
def test_equal_codes_for_all_regions_are_plain_stylegan2(form):
    generator = make(region_conv=form)
    plain = make(num_regions=1)
    plain.load_state_dict(generator.state_dict())
    codes = styles(num_regions=1)
    image = generator(codes.expand(-1, NUM_REGIONS, -1, -1), one_hot(labels()))
    expected = plain(codes, torch.ones(2, 1, 16, 16))
    torch.testing.assert_close(image, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("form", "mode"), [("spatial", "nearest"), ("spatial", "area"), ("loop", "nearest")]
)
def test_renaming_the_regions_changes_nothing(form, mode):
    generator = make(region_conv=form, mask_mode=mode)
    codes, mask = styles(), one_hot(labels())
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        generator(codes[:, order], mask[:, order]), generator(codes, mask), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("form", ["spatial", "exact", "bbox", "loop"])
def test_code_of_an_absent_region_has_no_effect(form):
    generator = make(region_conv=form)
    codes, mask = styles().requires_grad_(), one_hot(labels(num_regions=3))
    generator(codes, mask).square().sum().backward()
    assert (codes.grad[:, 3] == 0).all()
    assert (codes.grad[:, :3] != 0).any(-1).all()


@pytest.mark.parametrize("masked", [3, 17])
@pytest.mark.parametrize("form", ["exact", "hybrid", "taps", "bbox"])
def test_exact_forms_draw_the_image_of_the_loop(masked, form):
    exact, loop = (make(region_conv=each, num_masked_layers=masked) for each in (form, "loop"))
    codes, mask = styles(), one_hot(labels(side=32))
    torch.testing.assert_close(exact(codes, mask), loop(codes, mask), atol=1e-5, rtol=1e-4)


def test_gradients_of_the_hybrid_are_those_of_the_loop():
    mask, found = one_hot(labels(side=32)).double(), []
    codes = styles().double().requires_grad_()
    for form in ("hybrid", "loop"):
        generator = make(region_conv=form).double()
        image = generator(codes, mask)
        wanted = [codes, *(layer.conv.weight for layer in generator.convs)]
        found.append(torch.autograd.grad(image.square().sum(), wanted))
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-9, rtol=1e-9)


def test_spatial_is_the_loop_for_a_single_region():
    spatial, loop = make(), make(region_conv="loop")
    loop.load_state_dict(spatial.state_dict())
    codes, mask = styles(), one_hot(torch.full((2, 16, 16), 2))
    torch.testing.assert_close(spatial(codes, mask), loop(codes, mask), atol=1e-5, rtol=1e-4)


def test_layers_from_the_bound_on_take_the_code_of_region_zero():
    generator = make(num_masked_layers=3)
    codes, mask = styles().requires_grad_(), one_hot(labels())
    generator(codes, mask).square().sum().backward()
    used = (codes.grad != 0).any(-1)[0]
    assert used[:, :3].all()
    assert used[0, 3:].all()
    assert not used[1:, 3:].any()


def test_one_identity_is_prepared_once_for_many_masks():
    generator = make()
    codes, mask = styles(batch=1), one_hot(labels(batch=3))
    tables = generator.prepare(codes)
    torch.testing.assert_close(
        generator.render(tables, mask), generator(codes.expand(3, -1, -1, -1), mask)
    )


def test_noise_stands_still_unless_asked_for():
    generator = make(random_noise=True)
    codes, mask = styles(), one_hot(labels())
    assert torch.equal(generator(codes, mask), generator(codes, mask))
    generator.train()
    assert not torch.equal(generator(codes, mask), generator(codes, mask))


def test_grown_generator_begins_as_the_old_one_enlarged():
    generator = make()
    larger = grown(generator, 64)
    codes = styles(num_layers=10)
    mask = one_hot(labels(side=64))
    old = generator(codes[:, :, :NUM_LAYERS], mask)
    new = larger(codes, mask)
    expected = functional.interpolate(old, scale_factor=4, mode="bilinear")
    assert new.shape == (2, 3, 64, 64)
    # The border differs a little: the skip's filter sees zeros outside, and runs twice.
    assert (new - expected).abs()[..., 4:-4, 4:-4].mean() < 0.1 * old.std()
    torch.testing.assert_close(
        functional.avg_pool2d(new, 4).mean(), old.mean(), atol=0.05, rtol=0.05
    )
    kept = generator.state_dict()
    assert all(torch.equal(larger.state_dict()[key], value) for key, value in kept.items())


def test_new_blocks_of_a_grown_generator_learn():
    larger = grown(make(), 32)
    larger(styles(num_layers=8), one_hot(labels(side=32))).square().sum().backward()
    assert larger.to_rgbs[-1].conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(size=48), "size: expected a power of two"),
        (dict(channels=(8, 8)), r"channels: expected 3 widths for 4..16 px, got 2"),
        (dict(num_masked_layers=4), "num_masked_layers: expected an odd number, got 4"),
        (
            dict(region_conv="loop", mask_mode="area"),
            "'area' has no meaning with region_conv='loop'",
        ),
        (dict(mask_mode="cubic"), "mask_mode: expected one of nearest, area, smooth, got 'cubic'"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_codes_and_masks_of_another_shape_are_refused():
    generator = make()
    with pytest.raises(ValueError, match=r"styles: expected shape \(B, R=4, L=6, D=8\)"):
        generator(styles(num_layers=5), one_hot(labels()))
    with pytest.raises(ValueError, match=r"mask: expected shape \(B, R=4, H, H\)"):
        generator(styles(), torch.zeros(2, 5, 16, 16))
