"""Region encoders without a pyramid: what each region's code may depend on."""

import pytest
import torch

from segkit.contracts import RegionEncoder
from segkit.regions import one_hot
from segkit_models.region_encoders import E4SRegionEncoder, SEANRegionEncoder

CASES = {
    "E4S": (
        E4SRegionEncoder,
        dict(num_layers=6, num_coded_layers=4, width=(4, 4, 8, 8, 8), units=(1, 1, 1, 1)),
    ),
    "SEAN": (SEANRegionEncoder, dict(width=4)),
    "SEAN with codes": (SEANRegionEncoder, dict(width=4, mlp=True, num_layers=6)),
}
ALL = pytest.mark.parametrize("case", CASES)


def make(case):
    torch.manual_seed(0)
    kind, settings = CASES[case]
    return kind(num_regions=3, style_dim=8, input_size=64, **settings).eval()


def halves(side=128):
    labels = torch.zeros(2, side, side, dtype=torch.long)
    labels[:, side // 2 :] = 1
    return one_hot(labels, 3)


@ALL
def test_images_and_masks_of_any_size_become_codes(case):
    encoder = make(case)
    assert isinstance(encoder, RegionEncoder)
    codes = encoder(torch.rand(2, 3, 80, 80), halves())
    assert codes.shape == (2, 3, encoder.num_layers, encoder.style_dim)
    assert codes.isfinite().all()


@ALL
def test_absent_regions_get_one_code_for_everybody_and_no_gradient(case):
    encoder = make(case)
    image = torch.rand(2, 3, 64, 64)
    vectors, presence = encoder.encode(image, halves())
    codes = encoder.to_codes(vectors)
    assert vectors.shape == (2, 3, encoder.vector_dim)
    assert presence.tolist() == [[True, True, False]] * 2
    assert (vectors[:, 2] == 0).all()
    torch.testing.assert_close(codes[0, 2], codes[1, 2])
    assert not torch.allclose(codes[0, 0], codes[1, 0])
    codes.square().sum().backward()
    if encoder.mlp is not None:
        first = encoder.mlp.hidden.weight.grad
        assert (first[2] == 0).all()
        assert (first[:2] != 0).any()


@ALL
def test_average_latent_is_added_to_every_code_and_fills_the_uncoded(case):
    encoder = make(case)
    image, mask = torch.rand(2, 3, 64, 64), halves()
    before = encoder(image, mask)
    encoder.latent_average.normal_()
    after = encoder(image, mask)
    torch.testing.assert_close(after, before + encoder.latent_average)
    if case == "E4S":
        expected = encoder.latent_average[4:].expand(2, 3, -1, -1)
        torch.testing.assert_close(after[:, :, 4:], expected)


def test_means_of_sean_lie_in_the_range_of_its_map():
    encoder = make("SEAN")
    image, mask = torch.rand(2, 3, 64, 64), halves(32)
    (feature,) = encoder.features(image)
    assert feature.shape == (2, 8, 32, 32)
    torch.testing.assert_close(
        encoder(image, mask)[:, 0, 0], feature[..., :16, :].mean((2, 3)), atol=1e-5, rtol=1e-4
    )


def test_impossible_settings_and_shapes_are_told():
    with pytest.raises(ValueError, match=r"num_coded_layers: expected 1\.\.6, got 7"):
        E4SRegionEncoder(num_layers=6, num_coded_layers=7)
    with pytest.raises(ValueError, match="set mlp=True for a code per layer"):
        SEANRegionEncoder(num_layers=6)
    for case in CASES:
        with pytest.raises(ValueError, match=r"mask: expected shape \(B=2, R=3, H, W\)"):
            make(case)(torch.zeros(2, 3, 64, 64), torch.zeros(2, 5, 8, 8))
    with pytest.raises(ValueError, match=r"vectors: expected shape \(B, R=3, V=24\)"):
        make("E4S").to_codes(torch.zeros(1, 3, 8))
