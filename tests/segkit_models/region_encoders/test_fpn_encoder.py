"""The region encoder: sizes of the paper, what each region's code may depend on, and growing."""

import pytest
import torch
from torch.nn import functional

from segkit_models.region_encoders import FPNRegionEncoder
from segkit_models.region_encoders.fpn import grown


def make(**changes):
    torch.manual_seed(0)
    settings = dict(
        num_regions=3, num_layers=6, style_dim=8, input_size=32, width=(8, 8, 8, 16, 16),
        units=(1, 1, 1, 1), fpn_dim=16, norm="group",
    )  # fmt: skip
    return FPNRegionEncoder(**(settings | changes)).eval()


def one_hot(labels, num_regions=3):
    return functional.one_hot(labels, num_regions).movedim(-1, 1).float()


def halves():
    labels = torch.zeros(2, 32, 32, dtype=torch.long)
    labels[:, 16:] = 1
    return one_hot(labels)


def test_default_is_the_face_backbone_with_a_1536_wide_style_vector():
    encoder = FPNRegionEncoder(num_regions=1, num_layers=1)
    body = sum(p.numel() for p in (*encoder.stem.parameters(), *encoder.stages.parameters()))
    # ArcFace's IR-SE-50 has 43.82 M with its 512 x 25088 head, whose norms and bias add some.
    assert body == pytest.approx(43.82e6 - 512 * 25_088, rel=0.01)
    assert sum(map(len, encoder.stages)) == 24
    assert encoder.vector_dim == 1536
    assert encoder.mlp.hidden.weight.shape == (1, 512, 1536)
    assert encoder.mlp.out.weight.shape == (1, 512, 512)


@pytest.mark.parametrize("norm", ["batch", "group", "instance"])
def test_codes_of_absent_regions_are_finite_and_the_same_for_every_picture(norm):
    encoder = make(norm=norm)
    image = torch.randn(2, 3, 32, 32)
    vectors, presence = encoder.encode(image, halves())
    codes = encoder(image, halves())
    assert presence.tolist() == [[True, True, False]] * 2
    assert (vectors[:, 2] == 0).all()
    assert codes.shape == (2, 3, 6, 8)
    assert codes.isfinite().all()
    torch.testing.assert_close(codes[0, 2], codes[1, 2])
    assert not torch.allclose(codes[0, 0], codes[1, 0])


def test_mlp_of_an_absent_region_gets_no_weight_gradient():
    encoder = make()
    encoder(torch.randn(2, 3, 32, 32), halves()).square().sum().backward()
    first = encoder.mlp.hidden.weight.grad
    assert (first[2] == 0).all()
    assert (first[:2] != 0).any()


def test_style_vector_is_the_mean_of_the_three_maps():
    encoder = make()
    image = torch.randn(1, 3, 32, 32)
    vectors, _ = encoder.encode(image, one_hot(torch.zeros(1, 32, 32, dtype=torch.long)))
    maps = encoder.features(image)
    assert [x.shape[-1] for x in maps] == [8, 4, 2]
    expected = torch.cat([x.mean((2, 3)) for x in maps], 1)
    torch.testing.assert_close(vectors[:, 0], expected, atol=1e-5, rtol=1e-5)


def test_average_latent_is_added_to_every_code():
    encoder = make()
    image, mask = torch.randn(2, 3, 32, 32), halves()
    before = encoder(image, mask)
    average = torch.randn(6, 8)
    encoder.latent_average.copy_(average)
    torch.testing.assert_close(encoder(image, mask), before + average)


def test_uncoded_layers_are_the_average_latent():
    encoder = make(num_coded_layers=4)
    encoder.latent_average.normal_()
    codes = encoder(torch.randn(2, 3, 32, 32), halves())
    expected = encoder.latent_average[4:].expand(2, 3, -1, -1)
    torch.testing.assert_close(codes[:, :, 4:], expected)


def test_image_and_mask_of_any_size_are_taken():
    encoder = make()
    mask = functional.interpolate(halves(), scale_factor=4.0)
    codes = encoder(torch.randn(2, 3, 48, 48), mask)
    assert codes.shape == (2, 3, 6, 8)


def test_grown_encoder_repeats_the_last_code():
    encoder = make()
    image, mask = torch.randn(2, 3, 32, 32), halves()
    codes = encoder(image, mask)
    larger = grown(encoder, 8)(image, mask)
    torch.testing.assert_close(larger[:, :, :6], codes)
    torch.testing.assert_close(larger[:, :, 6:], codes[:, :, -1:].expand(-1, -1, 2, -1))


def test_mask_of_other_regions_is_refused():
    with pytest.raises(
        ValueError, match=r"mask: expected shape \(B=2, R=3, H, W\), got \(2, 5, 8, 8\)"
    ):
        make()(torch.zeros(2, 3, 32, 32), torch.zeros(2, 5, 8, 8))
    with pytest.raises(ValueError, match=r"num_coded_layers: expected 1\.\.6, got 7"):
        make(num_coded_layers=7)
