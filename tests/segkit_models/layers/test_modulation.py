"""Region-modulated convolution against per-sample weights made by hand."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from segkit_models.layers import modulation
from segkit_models.layers.fir import blur
from segkit_models.layers.modulation import REGION_CONVS, RegionModulatedConv2d, paint
from segkit_models.layers.region_forms import region_boxes, window_kernels

ANYWHERE = [form for form in REGION_CONVS if form != "triton"]  # which has tests of its own


def one_hot(labels, num_regions):
    return functional.one_hot(labels, num_regions).movedim(-1, 1).float()


def by_weights(layer, x, style):
    """Modulate and demodulate the weights of one sample, as the paper of StyleGAN2 writes it."""
    weight = layer.weight * layer.scale * style.view(1, -1, 1, 1)
    if layer.demodulate:
        weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
    if layer.up:
        x = functional.conv_transpose2d(x[None], weight.transpose(0, 1), stride=2)
        return blur(x, pad=(1, 1), gain=4.0)[0]
    return functional.conv2d(x[None], weight, padding=weight.shape[-1] // 2)[0]


def make(*, up=False, form="spatial", kernel_size=3, demodulate=True):
    torch.manual_seed(0)
    return RegionModulatedConv2d(
        6, 5, style_dim=4, up=up, region_conv=form, kernel_size=kernel_size, demodulate=demodulate
    )


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("form", ANYWHERE)
def test_one_region_is_plain_stylegan2(up, form):
    layer = make(up=up, form=form)
    x, codes = torch.randn(2, 6, 8, 8), torch.randn(2, 1, 4)
    side = 16 if up else 8
    found = layer(
        x,
        layer.table(codes),
        torch.ones(2, 1, 8, 8),
        torch.ones(2, 1, side, side),
    )
    for index in range(2):
        expected = by_weights(layer, x[index], layer.modulation(codes[index, 0]))
        torch.testing.assert_close(found[index], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("form", [form for form in ANYWHERE if form != "spatial"])
def test_loop_takes_every_pixel_from_the_convolution_of_its_own_region(up, form):
    layer = make(up=up, form=form)
    side = 16 if up else 8
    labels = torch.randint(3, (1, side, side))
    x, codes = torch.randn(1, 6, 8, 8), torch.randn(1, 3, 4)
    mask = one_hot(labels, 3)
    found = layer(x, layer.table(codes), mask[..., ::2, ::2] if up else mask, mask)
    whole = torch.stack([by_weights(layer, x[0], layer.modulation(codes[0, r])) for r in range(3)])
    expected = (whole * mask[0][:, None]).sum(0)
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    up=st.booleans(),
    soft=st.booleans(),
    shared=st.booleans(),
)
def test_boxes_are_the_loop_for_any_mask(seed, height, width, up, soft, shared):
    boxes, loop = make(up=up, form="bbox"), make(up=up, form="loop")
    torch.manual_seed(seed)
    size = (height * 2, width * 2) if up else (height, width)
    # Five regions of which some are likely to be absent, or everywhere a little.
    mask = one_hot(torch.randint(5, (2, *size)) * (torch.rand(2, *size) < 0.3), 5)
    mask = torch.rand(2, 5, *size).softmax(1) * mask.amax((2, 3), keepdim=True) if soft else mask
    x = torch.randn(2, 6, height, width, requires_grad=True)
    codes = torch.randn(1 if shared else 2, 5, 4, requires_grad=True)
    mask_in = mask[..., ::2, ::2] if up else mask
    weights = torch.randn(2, 5, *size)
    found = []
    for layer in (boxes, loop):
        y = layer(x, layer.table(codes), mask_in, mask, bias=torch.ones(5))
        gradients = torch.autograd.grad(
            (y * weights).sum(), (x, codes, layer.weight), allow_unused=False
        )
        found.append((y, *gradients))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    form=st.sampled_from(["exact", "hybrid", "taps"]),
    up=st.booleans(),
    shared=st.booleans(),
    blobs=st.booleans(),
    last=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_forms_for_one_hot_masks_are_the_loop(
    seed, height, width, form, up, shared, blobs, last, dtype
):
    one, loop = (make(up=up, form=each).to(dtype) for each in (form, "loop"))
    torch.manual_seed(seed)
    size = (height * 2, width * 2) if up else (height, width)
    labels = torch.randint(5, (2, *size))
    if blobs:  # large regions, so that most windows see one only
        labels = torch.zeros_like(labels)
        labels[:, size[0] // 2 :, size[1] // 3 :] = 3
    mask = one_hot(labels, 5).to(dtype)
    x = torch.randn(2, 6, height, width, dtype=dtype)
    x = x.to(memory_format=torch.channels_last if last else torch.contiguous_format)
    x.requires_grad_()
    codes = torch.randn(1 if shared else 2, 5, 4, dtype=dtype, requires_grad=True)
    mask_in = mask[..., ::2, ::2] if up else mask
    weights = torch.randn(2, 5, *size, dtype=dtype)
    found = []
    for layer in (one, loop):
        y = layer(x, layer.table(codes), mask_in, mask, bias=torch.ones(5))
        with torch.no_grad():  # by what was made of the weight once
            again = layer(x, layer.table(codes), mask_in, mask, bias=torch.ones(5))
        torch.testing.assert_close(y, again)
        found.append((y, *torch.autograd.grad((y * weights).sum(), (x, codes, layer.weight))))
    for ours, expected in zip(*found, strict=True):
        scale = max(float(expected.detach().abs().max()), 1.0)
        torch.testing.assert_close(
            ours / scale, expected / scale, atol=1e-5 if dtype == torch.float32 else 1e-13, rtol=0
        )


def test_what_is_made_of_the_weight_is_made_once_and_again_when_the_weight_changes(monkeypatch):
    layer, made = make(up=True, form="hybrid"), []
    monkeypatch.setattr(
        modulation,
        "window_kernels",
        lambda weight, *, up: made.append(1) or window_kernels(weight, up=up),
    )
    mask = one_hot(torch.randint(3, (1, 8, 8)), 3)
    x, codes = torch.randn(1, 6, 4, 4), torch.randn(1, 3, 4)

    def run(each):
        return each(x, each.table(codes), mask[..., ::2, ::2], mask)

    with torch.no_grad():
        first = run(layer)
        assert torch.equal(run(layer), first)
        assert len(made) == 1
        layer.weight.neg_()
        torch.testing.assert_close(run(layer), -first)
        twin = copy.deepcopy(layer)
        twin.weight.neg_()
        torch.testing.assert_close(run(twin), first)
    assert len(made) == 3


def test_training_keeps_a_quarter_of_what_the_loop_keeps():
    kept = {}
    for form in ("loop", "hybrid"):
        torch.manual_seed(0)
        layer = RegionModulatedConv2d(16, 16, style_dim=4, region_conv=form)
        labels = torch.zeros(1, 32, 32, dtype=torch.long)
        labels[:, 9:, 12:], labels[:, 20:, 3:18] = 1, 2
        mask = one_hot(labels, 12)
        x, codes = torch.randn(1, 16, 32, 32, requires_grad=True), torch.randn(1, 12, 4)
        found = {}

        def keep(tensor, found=found):
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = layer(x, layer.table(codes), mask, mask)
        kept[form] = sum(found.values())
        del y
    assert kept["loop"] / kept["hybrid"] > 4


def test_soft_masks_are_refused_by_forms_that_need_hard_ones_and_taken_by_exact():
    x, codes, soft = (
        torch.randn(1, 6, 4, 4),
        torch.randn(1, 3, 4),
        torch.rand(1, 3, 4, 4).softmax(1),
    )
    found = {}
    for form in ("exact", "loop"):
        layer = make(form=form)
        found[form] = layer(x, layer.table(codes), soft, soft)
    torch.testing.assert_close(found["exact"], found["loop"], atol=1e-5, rtol=1e-5)
    for form in ("hybrid", "taps"):
        layer = make(form=form)
        with pytest.raises(ValueError, match=r"one-hot mask.*use region_conv="):
            layer(x, layer.table(codes), soft, soft)


def test_boxes_are_the_smallest_rectangles_of_the_regions_that_are_there():
    labels = torch.tensor([[[0, 0, 0], [0, 2, 0]], [[3, 3, 3], [3, 3, 3]]])
    assert region_boxes(one_hot(labels, 4)) == [
        [0, 0, 0, 2, 0, 3],
        [0, 2, 1, 2, 1, 2],
        [1, 3, 0, 2, 0, 3],
    ]


def test_spatial_is_the_loop_where_the_whole_window_has_one_label():
    spatial, loop = make(), make(form="loop")
    labels = torch.zeros(1, 12, 12, dtype=torch.long)
    labels[:, 3:, 5:] = 1
    labels[:, 8:, :4] = 2
    mask = one_hot(labels, 3)
    x, codes = torch.randn(1, 6, 12, 12), torch.randn(1, 3, 4)
    table = spatial.table(codes)
    a = spatial(x, table, mask, mask)
    b = loop(x, table, mask, mask)
    windows = functional.pad(labels.float()[:, None], (1, 1, 1, 1), mode="replicate")
    windows = windows.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)
    inside = (windows == labels[:, None, :, :, None]).all(-1).expand_as(a)
    torch.testing.assert_close(a[inside], b[inside], atol=1e-5, rtol=1e-4)
    # The predicate is sharp: nearly every other pixel differs.
    assert ((a - b).abs()[~inside] > 1e-4).float().mean() > 0.9


def test_one_pixel_kernel_is_exact_for_soft_masks():
    layer = make(kernel_size=1, demodulate=False)
    mask = torch.rand(2, 3, 8, 8).softmax(1)
    x, codes = torch.randn(2, 6, 8, 8), torch.randn(2, 3, 4)
    found = layer(x, layer.table(codes), mask, mask)
    for index in range(2):
        parts = [by_weights(layer, x[index], layer.modulation(codes[index, r])) for r in range(3)]
        expected = (torch.stack(parts) * mask[index][:, None]).sum(0)
        torch.testing.assert_close(found[index], expected, atol=1e-5, rtol=1e-4)


def test_a_known_label_is_picked_as_the_one_hot_mask_mixes():
    torch.manual_seed(0)
    layer = RegionModulatedConv2d(40, 3, style_dim=4, kernel_size=1, demodulate=False)
    labels = torch.randint(3, (2, 8, 8))
    x, codes, mask = torch.randn(2, 40, 8, 8), torch.randn(2, 3, 4), one_hot(labels, 3)
    results = []
    for known in (None, (labels, labels)):
        table = layer.table(codes.requires_grad_())
        y = layer(x, table, mask, mask, labels=known)
        results.append((y, *torch.autograd.grad(y.square().sum(), (codes, layer.weight))))
    assert torch.equal(results[0][0], results[1][0])
    for mixed, picked in zip(*results, strict=True):
        torch.testing.assert_close(mixed, picked, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("samples", [1, 3])
def test_one_style_for_all_is_multiplied_into_the_weights(up, samples, monkeypatch):
    layer, x = make(up=up), torch.randn(samples, 6, 32, 32)
    codes, by_pixel = torch.randn(1, 1, 4), []
    monkeypatch.setattr(
        modulation, "scaled", lambda *a, scaled=modulation.scaled: by_pixel.append(1) or scaled(*a)
    )
    table, side = layer.table(codes), 64 if up else 32
    bias, noise = torch.randn(5), torch.randn(samples, 1, side, side)
    # With gradients it is pixel by pixel.
    expected = layer(x, table, None, None) + bias[:, None, None] + noise
    assert len(by_pixel) == 2
    with torch.no_grad():
        found = layer(x, table, None, None, bias=bias, noise=noise)
        assert len(by_pixel) == 2
        # Each sample has a style of its own, or the map is smaller than the weights.
        many = type(table)(*(each.expand(samples + 1, -1, -1) for each in table))
        layer(x[:1].expand(samples + 1, -1, -1, -1), many, None, None)
        layer(x[:1, :, :4, :4], table, None, None)
        assert len(by_pixel) == 6
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_demodulated_output_has_unit_variance_for_any_style():
    torch.manual_seed(1)
    layer = RegionModulatedConv2d(64, 64, style_dim=8)
    x, codes = torch.randn(4, 64, 16, 16), 3 * torch.randn(4, 1, 8)
    y = layer(x, layer.table(codes), None, None)[..., 1:-1, 1:-1]
    assert abs(y.std().item() - 1) < 0.05


def test_one_identity_serves_a_batch_of_masks():
    layer = make()
    labels = torch.randint(3, (4, 8, 8))
    x, codes, mask = torch.randn(4, 6, 8, 8), torch.randn(1, 3, 4), one_hot(labels, 3)
    one = layer(x, layer.table(codes), mask, mask)
    many = layer(x, layer.table(codes.expand(4, -1, -1)), mask, mask)
    torch.testing.assert_close(one, many)


def test_paint_gives_every_pixel_its_region():
    values = torch.tensor([[[1.0, 10.0], [2.0, 20.0]]])
    mask = one_hot(torch.tensor([[[0, 1], [1, 0]]]), 2)
    expected = torch.tensor([[[[1.0, 2], [2, 1]], [[10, 20], [20, 10]]]])
    torch.testing.assert_close(paint(values, mask), expected)


def test_autocast_keeps_the_half_precision():
    layer = make()
    mask = one_hot(torch.randint(3, (1, 8, 8)), 3)
    with torch.autocast("cpu", torch.bfloat16):
        table = layer.table(torch.randn(1, 3, 4))
        y = layer(torch.randn(1, 6, 8, 8), table, mask, mask)
    assert y.dtype == torch.bfloat16


def test_scale_is_the_fan_in_and_unknown_form_is_refused():
    assert make().scale == pytest.approx(1 / math.sqrt(6 * 9))
    message = f"expected one of {', '.join(REGION_CONVS)}, got 'best'"
    with pytest.raises(ValueError, match=message):
        RegionModulatedConv2d(4, 4, style_dim=2, region_conv="best")
