"""A parser by name, by a converted file, by a checkpoint; anything else is told."""

import pytest
import torch
from torch import nn

from segkit.parser_choice import build_parser
from segkit.regions import SCHEME_12, SCHEME_14, SCHEME_19
from segkit.weights import convert_file
from segkit_models.parsers import BiSeNet, MeshParser
from tests.reference import bisenet
from tests.reference.seeded import seeded_state


@pytest.fixture
def converted(tmp_path):
    source = tmp_path / "79999_iter.pth"
    torch.save(seeded_state(bisenet.shapes(width=8)), source)
    convert_file("bisenet", source, tmp_path / "bisenet.safetensors")
    return tmp_path / "bisenet.safetensors"


def test_published_weights_become_the_toolkits_parser(converted):
    parser = build_parser(converted)
    with torch.no_grad():
        assert parser(torch.zeros(1, 3, 32, 32)).shape == (1, 12, 32, 32)
    assert not parser.training


def test_a_training_becomes_a_parser(tmp_path):
    torch.manual_seed(0)
    trained = BiSeNet(width=8, num_classes=12, aux_heads=False)
    config = (
        "model = dict(parser=dict(aux_heads=False, num_classes=12, width=8, weights='gone.pth',\n"
        "    type='segkit_models.parsers.bisenet.BiSeNet'), type='segkit_models.x.FaceParsing')"
    )
    state = {f"parser.{key}": value for key, value in trained.state_dict().items()}
    path = tmp_path / "iter_1.pth"
    torch.save({"state_dict": state, "meta": {"cfg": config}}, path)
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(build_parser(path)(picture), trained.eval()(picture))
    torch.save({"state_dict": state, "meta": {"cfg": "model = dict(type='a.TSG')"}}, path)
    with pytest.raises(ValueError, match="its config has no parser"):
        build_parser(path)


def test_names_configs_and_modules():
    assert isinstance(build_parser(), MeshParser)
    assert isinstance(build_parser("MeshParser"), MeshParser)
    own = nn.Conv2d(3, 12, 1)
    assert build_parser(own) is own
    assert build_parser({"type": BiSeNet, "width": 8}).head is not None


def test_what_is_no_parser_is_told(tmp_path):
    with pytest.raises(KeyError, match="Did you mean 'MeshParser'"):
        build_parser("MashParser")
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors not found"):
        build_parser(tmp_path / "none.safetensors")
    with pytest.raises(FileNotFoundError, match=r"none\.pth not found"):
        build_parser(tmp_path / "none.pth")


def test_a_parser_labels_the_regions_of_the_model_or_is_refused(converted):
    assert isinstance(build_parser(scheme=SCHEME_12), MeshParser)
    assert isinstance(build_parser(scheme=SCHEME_14), MeshParser)  # finds no clothes, no hats
    with pytest.raises(ValueError, match=r"MeshParser labels the regions of 'celeba12'.*'celeba_h"):
        build_parser(scheme=SCHEME_19)
    twelve = build_parser(converted)
    nineteen = build_parser(twelve, scheme=SCHEME_19)
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        wanted = twelve.scheme.merge(nineteen(picture).argmax(1), "celeba_hq")
        assert nineteen(picture).shape == (1, 19, 32, 32)
        assert twelve(picture).shape == (1, 12, 32, 32)
    assert wanted.shape == (1, 32, 32)
    own = nn.Conv2d(3, 19, 1)
    assert build_parser(own, scheme=SCHEME_19) is own
