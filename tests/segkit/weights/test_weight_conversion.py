"""The machinery of conversion: what is renamed, reported, refused, written and loaded."""

import json
import logging

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from segkit.weights import ConversionError, convert_file, convert_state_dict, kinds, load_component
from segkit.weights.converted import head_of, load_extra, load_weights, with_classes, with_names
from segkit.weights.kinds import CONVERTERS, converter
from segkit_models.layers.equalised import EqualisedLinear


@pytest.fixture
def toy():
    """A kind ``toy``: one linear layer, transposed in the file."""
    kinds()
    known = dict(CONVERTERS)

    @converter("toy", fingerprint=("fc.kernel", "fc.offset"))
    def convert(checkpoint):
        state = checkpoint.state(containers=("state_dict",), prefixes=("module.", "net."))
        state.ignore("head.*", why="training head")
        in_dim, out_dim = state.shape("fc.kernel")
        checkpoint.extra("average", torch.arange(3))
        weights = state.rename({"weight": ("fc.kernel", torch.t), "bias": "fc.offset"})
        return {"toy": (dict(type=EqualisedLinear, in_dim=in_dim, out_dim=out_dim), weights)}

    yield {"fc.kernel": torch.randn(3, 2), "fc.offset": torch.randn(2)}
    CONVERTERS.clear()
    CONVERTERS.update(known)


def test_parts_build_and_load_strictly(toy):
    config, state = convert_state_dict("toy", toy)["toy"]
    arguments = dict(config)
    module = arguments.pop("type")(**arguments)
    module.load_state_dict(state, strict=True)
    x = torch.randn(4, 3)
    expected = x @ toy["fc.kernel"] / 3**0.5 + toy["fc.offset"]
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("prefix", ["", "module.", "net.", "module.net."])
@pytest.mark.parametrize("container", [None, "state_dict"])
def test_containers_and_prefixes_are_taken_off(toy, prefix, container):
    state = {prefix + key: value for key, value in toy.items()}
    top = {"state_dict": state, "epoch": 3} if container else state
    _, found = convert_state_dict("toy", top)["toy"]
    assert torch.equal(found["bias"], toy["fc.offset"])


def test_unused_keys_are_reported_by_name(toy, caplog):
    caplog.set_level(logging.WARNING, "segkit.weights")
    logging.getLogger("segkit").propagate = True
    found = convert_state_dict("toy", toy | {"head.w": torch.ones(1), "strange": torch.ones(1)})
    assert found.ignored == ["head.w", "strange"]
    assert found.unknown == ["strange"]
    assert "1 keys are unknown and left out: strange" in caplog.text
    assert found.extras["average"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(toy, dtype):
    given = {key: value.to(dtype) for key, value in toy.items()}
    found = convert_state_dict("toy", given)
    assert {value.dtype for value in found["toy"][1].values()} == {torch.float32}
    assert f"stored as {str(dtype).removeprefix('torch.')} became float32" in found.notes[0]
    torch.testing.assert_close(found["toy"][1]["bias"], given["fc.offset"].float())


def test_wrong_files_are_told(toy):
    with pytest.raises(KeyError, match=r"no kind of checkpoint 'toi'. Did you mean 'toy'"):
        convert_state_dict("toi", toy)
    with pytest.raises(ConversionError, match=r"toy: 1 of 2 keys are missing: fc.offset; got 1"):
        convert_state_dict("toy", {"fc.kernel": torch.ones(3, 2)})
    with pytest.raises(ConversionError, match=r"expected keys such as fc.kernel, fc.offset, got 1"):
        convert_state_dict("toy", {"a": torch.ones(1)})
    with pytest.raises(ConversionError, match="got no tensors"):
        convert_state_dict("toy", {})
    with pytest.raises(ConversionError, match="expected a dict of tensors, got list"):
        convert_state_dict("toy", [torch.ones(1)])
    with pytest.raises(ConversionError, match=r"bias: expected \(2,\), got \(5,\)"):
        convert_state_dict("toy", toy | {"fc.offset": torch.ones(5)})


def test_another_kind_is_recognised(toy):
    @converter("other", fingerprint=("deep.layer",))
    def convert(checkpoint):
        return {"other": ({}, checkpoint.state().rename({"w": "deep.layer"}))}

    with pytest.raises(ConversionError, match="this is a 'toy' checkpoint"):
        convert_state_dict("other", {f"module.{key}": value for key, value in toy.items()})


def test_files_are_written_whole_or_not_at_all(toy, tmp_path):
    source, out = tmp_path / "toy.pt", tmp_path / "toy.safetensors"
    torch.save({"state_dict": toy}, source)
    convert_file("toy", source, None)
    assert not out.exists()
    convert_file("toy", source, out)
    head = head_of(out)
    assert head["kind"] == "toy"
    assert head["source"]["name"] == "toy.pt"
    assert len(head["source"]["sha256"]) == 64
    module = load_component(out)
    assert torch.equal(module.bias, toy["fc.offset"])
    assert load_extra(out, "average").tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(FileExistsError, match="--force"):
        convert_file("toy", source, out)
    torch.save({"state_dict": {"fc.kernel": torch.ones(3, 2)}}, source)
    before = out.read_bytes()
    with pytest.raises(ConversionError):
        convert_file("toy", source, out, force=True)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.pt", "toy.safetensors"]


def test_targets_are_checked_before_the_work(toy, tmp_path):
    source = tmp_path / "toy.pt"
    torch.save(toy, source)
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        convert_file("toy", source, tmp_path / "toy.bin")
    with pytest.raises(FileNotFoundError, match="make it first"):
        convert_file("toy", source, tmp_path / "none" / "toy.safetensors")
    convert_file("toy", source, tmp_path / "toy.safetensors")
    with pytest.raises(ValueError, match="already converted"):
        convert_file("toy", tmp_path / "toy.safetensors", tmp_path / "again.safetensors")


def test_a_component_takes_only_weights_that_fit(toy, tmp_path):
    source, out = tmp_path / "toy.pt", tmp_path / "toy.safetensors"
    torch.save(toy, source)
    convert_file("toy", source, out)
    layer = EqualisedLinear(3, 2)
    load_weights(layer, out)
    assert torch.equal(layer.bias, toy["fc.offset"])
    with pytest.raises(ValueError, match=r"made for EqualisedLinear\(in_dim=3, out_dim=2\)"):
        load_weights(EqualisedLinear(3, 4), out)
    with pytest.raises(ValueError, match="part 'encoder', got parts toy"):
        load_weights(layer, out, part="encoder")
    with pytest.raises(ValueError, match="holds no 'mean'; there is average"):
        load_extra(out, "mean")
    save_file({"a": torch.ones(1)}, tmp_path / "plain.safetensors")
    for name in ("plain.safetensors", "toy.pt"):
        with pytest.raises(ValueError, match="run `segkit convert KIND"):
            load_weights(layer, tmp_path / name)


@pytest.mark.parametrize(
    "name",
    ["os.system", "torch.nn.modules.linear.Linear", "segkit_models.nothing.Net",
     "segkit_models.layers.equalised.scaled_leaky_relu", "segkit_models.layers.equalised.math", ""],
)  # fmt: skip
def test_files_name_only_our_networks(name):
    with pytest.raises(ValueError, match="no component of this segkit"):
        with_classes({"type": name})


def test_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "new.safetensors"
    save_file({"a": torch.ones(1)}, path, metadata={"segkit_weights": json.dumps({"format": 99})})
    with pytest.raises(ValueError, match="format 99, this version reads 1"):
        head_of(path)


def test_classes_inside_arguments_survive():
    config = {"type": EqualisedLinear, "inner": [{"type": EqualisedLinear, "in_dim": 2}]}
    names = with_names(config)
    assert json.loads(json.dumps(names)) == names
    assert with_classes(names) == config


def test_components_of_files_are_modules(toy, tmp_path):
    source = tmp_path / "toy.pt"
    torch.save(toy, source)
    convert_file("toy", source, tmp_path / "toy.safetensors")
    module = load_component(tmp_path / "toy.safetensors", "toy")
    assert isinstance(module, nn.Module)
    assert not module.training


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_network_inside_another_is_not_taken_for_it(prefix):
    # E4S holds a whole StyleGAN2 under "G.".
    inner = ("conv1.conv.modulation.weight", "to_rgb1.conv.modulation.weight")
    keys = ["MLPs.0.mlp.0.weight", *(f"G.{key}" for key in inner)]
    state = {f"{prefix}{key}": torch.ones(1) for key in keys}
    with pytest.raises(ConversionError, match="this is a 'e4s' checkpoint"):
        convert_state_dict("bisenet", {"state_dict": state})
    state = {f"{prefix}{key}": torch.ones(1) for key in inner}
    with pytest.raises(ConversionError, match="this is a 'stylegan2' checkpoint"):
        convert_state_dict("bisenet", {"g_ema": state} if prefix else state)
