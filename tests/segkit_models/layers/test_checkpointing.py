"""Activation checkpointing: the same numbers as without, from fewer kept maps."""

import copy

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from segkit.regions import one_hot
from segkit_models.generators import RegionStyleGAN2
from segkit_models.layers.checkpointing import run_part
from segkit_models.mask_decoders import UNetMaskDecoder
from segkit_models.region_encoders import FPNRegionEncoder

REGIONS = 4


def masks(batch=2, side=64):
    labels = torch.randint(REGIONS, (batch, side // 4, side // 4), dtype=torch.uint8)
    return one_hot(labels.repeat_interleave(4, 1).repeat_interleave(4, 2), REGIONS)


def decoder(norm):
    return UNetMaskDecoder(num_regions=REGIONS, size=64, audio_dim=8, width=0.1, norm=norm), (
        masks(), masks(), torch.randn(2, 8),
    )  # fmt: skip


def generator(region_conv):
    network = RegionStyleGAN2(
        size=32, num_regions=REGIONS, style_dim=8, channels=(8, 8, 8, 8), region_conv=region_conv,
        num_masked_layers=5, random_noise=True,
    )  # fmt: skip
    for layer in network.convs:
        torch.nn.init.constant_(layer.noise_strength, 0.1)
    return network, (torch.randn(2, REGIONS, 8, 8), masks(side=32))


def encoder(norm):
    network = FPNRegionEncoder(
        num_regions=REGIONS, num_layers=4, style_dim=8, input_size=32, width=(8, 8, 8, 8, 8),
        units=(1, 2, 2, 1), fpn_dim=8, norm=norm,
    )  # fmt: skip
    return network, (torch.randn(2, 3, 32, 32), masks(side=32))


CASES = {
    "mask decoder, batch norm": lambda: decoder("batch"),
    "mask decoder, group norm": lambda: decoder("group"),
    "generator, spatial": lambda: generator("spatial"),
    "generator, exact": lambda: generator("exact"),
    "region encoder, batch norm": lambda: encoder("batch"),
}


def learn(network, inputs, *, steps=2):
    """Run forward and backward; return outputs, gradients and state, and bytes kept at first."""
    torch.manual_seed(1)
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    outputs = []
    for step in range(steps):
        with saved_tensors_hooks(keep if step == 0 else lambda tensor: tensor, lambda x: x):
            out = network(*inputs)
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        outputs.append(out.detach())
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return outputs, gradients, network.state_dict(), sum(kept.values())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_gradients_and_statistics_are_those_without_it(case, dtype):
    torch.manual_seed(0)
    plain, inputs = CASES[case]()
    forgetful = copy.deepcopy(plain)
    forgetful.checkpoint_activations = True
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        expected, found = learn(plain, inputs), learn(forgetful, inputs)
    for one, two in zip(expected[0], found[0], strict=True):
        assert torch.equal(one, two)
    for index in (1, 2):
        assert expected[index].keys() == found[index].keys()
        for name, value in expected[index].items():
            assert (value is None) == (found[index][name] is None), name
            assert value is None or torch.equal(found[index][name], value), name
    assert found[3] < 0.5 * expected[3]


def test_nothing_changes_where_nothing_is_learnt():
    network, inputs = decoder("batch")
    expected = network.eval()(*inputs)
    network.checkpoint_activations = True
    assert torch.equal(network(*inputs), expected)
    calls = []
    with torch.no_grad():
        run_part(network, lambda x: calls.append(x), 3, forget=True)
    assert calls == [3]


def test_an_error_inside_leaves_the_statistics_of_the_norms_in_place():
    norm = torch.nn.BatchNorm1d(3)
    own, calls = norm.running_mean, []

    def run(x):
        calls.append(x)
        if len(calls) == 2:
            raise KeyError("in the second pass")
        return norm(x)

    out = run_part(norm, run, torch.randn(4, 3, requires_grad=True), forget=True)
    with pytest.raises(KeyError, match="second pass"):
        out.sum().backward()
    assert norm.running_mean is own
    assert int(norm.num_batches_tracked) == 1
