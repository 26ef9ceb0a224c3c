"""The kernels of Triton, run as Python. Collected by test_region_triton.py alone, in a process of
its own: triton must be told to interpret before it is first imported.
"""

import logging
import os

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional
from triton.runtime import interpreter

from segkit_models.generators import RegionStyleGAN2
from segkit_models.layers import modulation, region_choice, region_triton
from segkit_models.layers.modulation import RegionModulatedConv2d
from segkit_models.layers.region_hybrid import find_amends
from segkit_models.layers.region_triton import list_borders

assert os.environ["TRITON_INTERPRET"] == "1"
CPU = torch.device("cpu")
ROWS, COLUMNS = ({0, 1, 2}, {3, 4, 5}, {6, 7, 8}), ({0, 3, 6}, {1, 4, 7}, {2, 5, 8})
LINES = {
    0: ROWS[0], 1: ROWS[2], 2: COLUMNS[0], 3: COLUMNS[2],
    4: ROWS[0] | ROWS[1], 5: ROWS[1] | ROWS[2], 6: COLUMNS[0] | COLUMNS[1],
    7: COLUMNS[1] | COLUMNS[2], 8: set(range(9)),
}  # fmt: skip
"""Places of the window that are multiplied, by the kind of the list."""
patch_tensor = interpreter._patch_lang_tensor


def _patch_tensor(tensor, *scope):
    """Numbers are arrays of one element there, which numpy from 2.4 on does not call numbers."""
    patch_tensor(tensor, *scope)
    tensor.__index__ = lambda self: self.handle.data.item()


interpreter._patch_lang_tensor = _patch_tensor


def one_hot(labels, num_regions):
    return functional.one_hot(labels, num_regions).movedim(-1, 1).float()


def pair(*, inputs=6, outputs=5, up=False, forms=("triton", "loop")):
    """Layers of two forms with the same weights."""
    for form in forms:
        torch.manual_seed(0)
        yield RegionModulatedConv2d(inputs, outputs, style_dim=4, up=up, region_conv=form)


def masks(kind, size, up):
    labels = torch.randint(5, (2, *size))
    if kind != "noise":  # large regions, of which two are absent; or one region alone
        labels = torch.full_like(labels, 3)
    if kind == "blobs":
        labels[:, size[0] // 2 :, size[1] // 3 :] = 1
        labels[0, : size[0] // 3] = 0
    mask = one_hot(labels, 5)
    return mask[..., ::2, ::2] if up else mask, mask


@settings(max_examples=3)
@example(height=9, width=8, channels=(33, 33), up=False, small=256, shared=True, kind="blobs")
@example(height=9, width=8, channels=(3, 5), up=True, small=256, shared=False, kind="noise")
@example(height=4, width=7, channels=(33, 5), up=True, small=0, shared=True, kind="blobs")
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    # Of one channel the norm divides the style out, and its gradient is what rounding leaves.
    channels=st.tuples(st.sampled_from([2, 3, 16, 17]), st.sampled_from([1, 5, 18])),
    up=st.booleans(),
    small=st.sampled_from([0, 256]),
    shared=st.booleans(),
    kind=st.sampled_from(["noise", "blobs", "one"]),
)
def test_outputs_and_gradients_are_the_loops(height, width, channels, up, small, shared, kind):
    torch.manual_seed(height * 10 + width)
    mask_in, mask = masks(kind, (height * 2, width * 2) if up else (height, width), up)
    x = torch.randn(2, channels[0], height, width, requires_grad=True)
    codes = torch.randn(1 if shared else 2, 5, 4, requires_grad=True)
    weights = torch.randn(2, channels[1], *mask.shape[2:])
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(region_triton, "_SMALL_PLANE", small)
        for layer in pair(inputs=channels[0], outputs=channels[1], up=up):
            y = layer(x, layer.table(codes), mask_in, mask, bias=torch.ones(channels[1]))
            wanted = (x, codes, layer.weight)
            found.append((y, *torch.autograd.grad((y * weights).sum(), wanted)))
    for ours, expected in zip(*found, strict=True):
        scale = max(float(expected.detach().abs().max()), 1.0)
        torch.testing.assert_close(ours / scale, expected / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("up", [False, True])
def test_listed_are_the_pixels_whose_window_sees_another_region_and_no_others(up):
    mask_in, mask = masks("blobs", (18, 14), up)
    labels_in, labels = mask_in.argmax(1), mask.argmax(1)
    width, step = labels_in.shape[2], 2 if up else 1
    places = {}
    for amends in find_amends(labels_in, labels, 5, up=up):
        for pixel in amends.output.tolist():
            places.setdefault(pixel, set()).add(amends.kernel % 9)
    found = {}
    for phase, (lists, lengths) in enumerate(zip(*list_borders(labels_in, labels), strict=True)):
        for kind, (row, length) in enumerate(zip(lists, lengths, strict=True)):
            down, across = row[:length].long() // width, row[:length].long() % width
            output = (step * down + phase // step) * step * width + step * across + phase % step
            assert not found.keys() & set(output.tolist())
            found |= dict.fromkeys(output.tolist(), LINES[kind])
    assert found.keys() == places.keys()
    assert 0 < len(found) < labels.numel() / 2
    narrower = [lines for lines in LINES.values() if len(lines) < 9]
    for pixel, lines in found.items():
        assert places[pixel] <= lines
        assert len(lines) == min([len(each) for each in narrower if places[pixel] <= each] + [9])


def test_a_generator_draws_a_part_as_it_draws_the_whole(monkeypatch):
    monkeypatch.setattr(region_triton, "_SMALL_PLANE", 16)
    images = {}
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[:, 5:, 3:11], labels[:, 10:14, 6:9] = 1, 2
    for form in ("triton", "loop"):
        torch.manual_seed(0)
        generator = RegionStyleGAN2(
            size=16, num_regions=4, style_dim=4, channels=(6, 6, 6), region_conv=form
        ).eval()
        with torch.no_grad():
            tables = generator.prepare(torch.randn(1, 4, 6, 4))
            images[form] = generator.render(tables, one_hot(labels, 4))
            if form == "triton":
                part = generator.render(tables, one_hot(labels, 4), box=(9, 16, 4, 15))
    scale = images["loop"].abs().max()
    torch.testing.assert_close(images["triton"] / scale, images["loop"] / scale, atol=1e-5, rtol=0)
    cut = images["triton"][..., 9:16, 4:15]
    torch.testing.assert_close(part / scale, cut / scale, atol=1e-5, rtol=0)


def test_autocast_multiplies_in_half_and_gives_gradients_in_full():
    mask, _ = masks("noise", (4, 4), False)
    x, codes = torch.randn(2, 6, 4, 4, requires_grad=True), torch.randn(2, 5, 4)
    layer, loop = pair()
    expected = loop(x, loop.table(codes), mask, mask)
    expected.square().sum().backward()
    wanted, x.grad = x.grad, None
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x, layer.table(codes), mask, mask)
    y.float().square().sum().backward()
    assert (y.dtype, x.grad.dtype, layer.weight.grad.dtype) == (
        torch.bfloat16, torch.float32, torch.float32
    )  # fmt: skip
    for ours, exact in ((y.float(), expected), (x.grad, wanted)):
        assert (ours - exact).abs().max() < 0.03 * exact.abs().max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_small_example_shows_whether_the_kernels_are_right(dtype, monkeypatch, caplog):
    region_choice.are_right.cache_clear()
    monkeypatch.setattr(region_choice, "_EXAMPLES", ((True, 4),))
    monkeypatch.setattr(region_triton, "_SMALL_PLANE", 0)
    with caplog.at_level(logging.WARNING):
        assert region_choice.are_right(CPU, dtype, "tf32x3")
    assert not caplog.records


def _leave_out(x, y, *others):
    y.zero_()


def _fail(*everything):
    raise RuntimeError("no C compiler")


@pytest.mark.parametrize(
    ("kernel", "reason"), [(_leave_out, "differ from torch"), (_fail, "no C compiler")]
)
def test_kernels_that_are_wrong_or_do_not_run_are_left_and_the_reason_told(
    kernel, reason, monkeypatch, caplog
):
    region_choice.are_right.cache_clear()
    for name in ("_multiply", "_amend"):
        monkeypatch.setattr(region_triton, name, kernel)
    with caplog.at_level(logging.WARNING):
        assert not region_choice.are_right(CPU, torch.float32, "tf32x3")
        assert not region_choice.are_right(CPU, torch.float32, "tf32x3")
    assert [reason in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("kind", ["noise", "soft"])
def test_exact_takes_the_kernels_where_it_may_and_boxes_for_soft_masks(kind, monkeypatch):
    calls = []
    monkeypatch.setattr(modulation, "takes_kernels", lambda x, *, outputs: True)

    def counted(*arguments, up):
        calls.append(1)
        return region_triton.by_triton(*arguments, up=up)

    monkeypatch.setitem(modulation._OF_MATRICES, "triton", (counted, region_triton.output_rows))
    mask = torch.rand(2, 5, 3, 3).softmax(1) if kind == "soft" else masks(kind, (3, 3), False)[0]
    x, codes, found = torch.randn(2, 6, 3, 3), torch.randn(2, 5, 4), []
    for layer in pair(forms=("exact", "loop")):
        with torch.no_grad():
            found.append(layer(x, layer.table(codes), mask, mask))
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
    assert len(calls) == (kind == "noise")
