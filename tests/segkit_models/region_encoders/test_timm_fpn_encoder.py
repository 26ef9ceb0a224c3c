"""The pyramid region encoder on timm's backbones: torchvision's maps, other layouts, refusals."""

import pytest
import torch
from torch.nn import functional

from segkit.contracts import RegionEncoder
from segkit.registry import REGION_ENCODERS
from segkit_models.region_encoders import FPNRegionEncoder, TimmFPNRegionEncoder
from segkit_models.region_encoders.timm_fpn import grown


def make(backbone="resnet18", **changes):
    torch.manual_seed(0)
    settings = dict(num_regions=3, num_layers=6, style_dim=8, input_size=64, fpn_dim=16)
    return TimmFPNRegionEncoder(backbone, **(settings | changes)).eval()


@pytest.fixture(scope="module")
def encoder():
    return make()


@pytest.fixture(scope="module")
def halves():
    labels = torch.zeros(2, 32, 32, dtype=torch.long)
    labels[:, 16:] = 1
    return functional.one_hot(labels, 3).movedim(-1, 1).float()


def test_is_the_contract_and_registered(encoder, halves):
    assert REGION_ENCODERS.get("TimmFPNRegionEncoder") is TimmFPNRegionEncoder
    assert isinstance(encoder, RegionEncoder)
    image = torch.rand(2, 3, 80, 48) * 2 - 1
    vectors, presence = encoder.encode(image, halves)
    codes = encoder(image, halves)
    assert presence.tolist() == [[True, True, False]] * 2
    assert (vectors[:, 2] == 0).all()
    assert codes.shape == (2, 3, 6, 8)
    torch.testing.assert_close(codes, encoder.to_codes(vectors))
    torch.testing.assert_close(codes[0, 2], codes[1, 2])
    assert not torch.allclose(codes[0, 0], codes[1, 0])


def test_maps_are_those_of_torchvisions_network(encoder):
    from torchvision.models import resnet18

    theirs = resnet18().eval()
    theirs.load_state_dict(encoder.backbone.state_dict(), strict=False)
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    mean, std = (
        torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(((image + 1) / 2 - mean) / std))))
    wanted = []
    for stage in (theirs.layer1, theirs.layer2, theirs.layer3):
        x = stage(x)
        wanted.append(x)
    for found, expected in zip(encoder.backbone_maps(image), wanted, strict=True):
        torch.testing.assert_close(found, expected)
    assert [x.shape[-1] for x in encoder.features(image)] == [16, 8, 4]
    # Nothing behind the map at 1/16 is kept.
    assert not any(name.startswith("layer4") for name in encoder.backbone.state_dict())


def test_head_is_the_fpn_encoders(encoder):
    plain = FPNRegionEncoder(
        num_regions=3, num_layers=6, style_dim=8, width=(4, 8, 64, 128, 256), units=(1, 1, 1, 1),
        fpn_dim=16,
    )  # fmt: skip
    shapes = [
        {k: tuple(v.shape) for k, v in e.state_dict().items() if k.startswith(("mlp", "lat"))}
        for e in (encoder, plain)
    ]
    assert shapes[0] == shapes[1]


def test_gradients_reach_image_and_backbone(halves):
    encoder = make()
    image = torch.rand(2, 3, 64, 64).requires_grad_()
    encoder(image, halves)[:, :2].square().sum().backward()
    assert (image.grad.abs().flatten(1).sum(1) > 0).all()
    assert all(p.grad is not None for p in encoder.backbone.parameters())


@pytest.mark.parametrize(
    "backbone", ["test_convnext", "mambaout_femto", "regnety_002", "hrnet_w18_small"]
)
def test_other_backbones_give_maps_at_the_same_strides(backbone, halves):
    encoder = make(backbone)
    assert [x.shape[1:] for x in encoder.features(torch.zeros(2, 3, 64, 64))] == [
        (16, 16, 16), (16, 8, 8), (16, 4, 4)
    ]  # fmt: skip
    assert encoder(torch.zeros(2, 3, 64, 64), halves).isfinite().all()


def test_grown_encoder_repeats_the_last_code(encoder, halves):
    image = torch.rand(2, 3, 64, 64)
    larger = grown(encoder, 8)
    assert type(larger) is TimmFPNRegionEncoder
    torch.testing.assert_close(larger(image, halves)[:, :, :6], encoder(image, halves))


def test_backbones_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match=r"timm has no model 'resnet5'; did you mean"):
        make("resnet5")
    with pytest.raises(
        ValueError, match=r"expected maps at strides \(4, 8, 16\), vit_tiny_patch16"
    ):
        make("vit_tiny_patch16_224")
    with pytest.raises(ValueError, match=r"num_coded_layers: expected 1\.\.6, got 7"):
        make(num_coded_layers=7)
