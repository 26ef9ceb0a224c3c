"""BiSeNet as a parser: the contract, merged logits, sizes, and its use on crops."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from segkit.contracts import Parser
from segkit.crop_labels import parse_crops
from segkit.regions import SCHEME_12
from segkit.registry import PARSERS
from segkit_models.parsers import BiSeNet


def make(**changes):
    torch.manual_seed(0)
    return BiSeNet(width=8, **changes).eval()


def image(*size):
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_keeps_the_parser_contract():
    assert PARSERS.get("BiSeNet") is BiSeNet
    assert isinstance(make(), Parser)
    assert make()(image(40, 64)).shape == (2, 19, 40, 64)
    assert make(merged=True)(image(40, 64)).shape == (2, 12, 40, 64)
    assert make(scheme="celeba14", merged=True)(image(40, 64)).shape == (2, 14, 40, 64)


def test_backbone_is_torchvisions_resnet18():
    from torchvision.models import resnet18

    theirs, ours = resnet18().eval(), BiSeNet().backbone.eval()
    names = [k for k in theirs.state_dict() if not k.startswith("fc.")]
    tensors = {
        k: torch.rand_like(v) if v.is_floating_point() else v for k, v in ours.state_dict().items()
    }
    ours.load_state_dict(tensors)
    # Both list their weights in the order of the layers.
    theirs.load_state_dict(dict(zip(names, tensors.values(), strict=True)), strict=False)
    x = torch.rand(1, 3, 64, 96)
    maps = ours(x)
    x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
    for stage in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
        x = stage(x)
    torch.testing.assert_close(maps[-1], x)
    assert [m.shape[-2:] for m in maps] == [(8, 12), (4, 6), (2, 3)]


def test_merged_logits_are_the_summed_probabilities():
    raw, merged = make(), make(merged=True)
    with torch.no_grad():
        classes, regions = (net(image(32, 32)).softmax(1) for net in (raw, merged))
    torch.testing.assert_close(regions[:, 3], classes[:, 4] + classes[:, 5])  # both eyes
    torch.testing.assert_close(regions[:, 1], classes[:, 12] + classes[:, 13])  # both lips
    torch.testing.assert_close(regions.sum(1), torch.ones(2, 32, 32))
    # The raw network tells how its labels merge.
    labels = torch.arange(19)
    assert raw.scheme is SCHEME_12
    assert raw.scheme.merge(labels, raw.labelling)[[12, 13, 16]].tolist() == [1, 1, 0]


def test_a_fixed_inner_size_gives_logits_of_the_pictures_own_size():
    net, fixed = make(), make(size=64)
    small = functional.interpolate(image(96, 128), (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        logits, inner = fixed(image(96, 128)), net(small)
    assert logits.shape == (2, 19, 96, 128)
    corners = (slice(None), slice(None), slice(None, None, 95), slice(None, None, 127))
    torch.testing.assert_close(logits[corners], inner[:, :, ::63, ::63])
    torch.testing.assert_close(fixed(image(64, 64)), net(image(64, 64)))


def test_crops_of_a_film_are_labelled_by_it():
    crops = [np.full((32, 32, 3), 20 * k, np.uint8) for k in range(3)]
    points = np.zeros((468, 2), np.float32)
    labels = list(parse_crops(make(merged=True), [(crop, points) for crop in crops]))
    assert [x.shape for x in labels] == [(32, 32)] * 3
    assert max(int(x.max()) for x in labels) < 12


def test_gradients_reach_the_image():
    picture = image(32, 32).requires_grad_()
    make(merged=True)(picture).square().mean().backward()
    assert (picture.grad.abs().flatten(1).sum(1) > 0).all()


def test_wrong_arguments_are_told(tmp_path):
    with pytest.raises(KeyError, match="no scheme 'celeba'; known: celeba12"):
        BiSeNet(scheme="celeba")
    with pytest.raises(ValueError, match="merges 19 classes, the network has 11"):
        BiSeNet(merged=True, num_classes=11)
    with pytest.raises(
        ValueError, match=r"image: expected shape \(B, 3, H, W\), got \(1, 4, 8, 8\)"
    ):
        make()(torch.zeros(1, 4, 8, 8))
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors not found"):
        BiSeNet(tmp_path / "none.safetensors")
