"""Parsers of segmentation-models-pytorch: any size, the library's own numbers, helpful errors."""

import pytest
import torch

from segkit.contracts import Parser
from segkit.registry import PARSERS
from segkit_models.parsers import SmpParser


def make(**changes):
    torch.manual_seed(0)
    return SmpParser(**(dict(num_regions=5, encoder="mobilenet_v2") | changes)).eval()


@pytest.mark.parametrize("architecture", ["Unet", "FPN", "DeepLabV3Plus", "Segformer"])
@pytest.mark.parametrize("size", [(64, 64), (50, 70)])
def test_logits_have_the_size_of_the_picture(architecture, size):
    with torch.no_grad():
        logits = make(architecture=architecture)(torch.rand(2, 3, *size) * 2 - 1)
    assert logits.shape == (2, 5, *size)
    assert logits.std() > 0


def test_it_is_the_librarys_network_on_imagenets_colours():
    from torchvision.transforms.functional import normalize

    parser, image = make(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        found = parser(image * 2 - 1)
        wanted = parser.network(normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_nothing_is_fetched_and_the_contract_holds(monkeypatch):
    import urllib.request

    def refuse(*arguments, **named):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert isinstance(make(), Parser)
    assert PARSERS.get("SmpParser") is SmpParser


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match="did you mean 'Segformer'"):
        make(architecture="SegFormer")
    with pytest.raises(ValueError, match="did you mean 'mobilenet_v2'"):
        make(encoder="mobilenetv2")
    with pytest.raises(ValueError, match=r"image: expected shape \(B, 3, H, W\)"):
        make()(torch.zeros(1, 1, 32, 32))
