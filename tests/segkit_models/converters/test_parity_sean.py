"""SEAN: converted weights encode and draw as plain functions do, and every tensor has its place."""

import math

import pytest
import torch
from torch.nn import functional

from segkit.weights import convert_state_dict
from segkit_models.generators import SEANGenerator
from segkit_models.region_encoders import SEANRegionEncoder
from tests.reference import sean as reference
from tests.reference.seeded import relative_error, seeded_state

SIZES = dict(encoder_width=4, num_regions=5, style_dim=6, hidden=8)


def tiny():
    state = seeded_state(reference.shapes(2, **SIZES))
    for key in [key for key in state if key.endswith("weight_orig")]:
        # Singular vectors, as training leaves them.
        u, _, v = torch.linalg.svd(state[key].flatten(1), full_matrices=False)
        place = key.removesuffix("orig")
        state[f"{place}u"], state[f"{place}v"] = u[:, 0].contiguous(), v[0].contiguous()
    return state


def build(conversion, part):
    config, tensors = conversion[part]
    arguments = dict(config)
    network = arguments.pop("type")(**arguments).eval()
    network.load_state_dict(tensors)
    return network


def test_small_networks_agree_with_plain_functions():
    state = tiny()
    found = convert_state_dict("sean", state)
    encoder, generator = (build(found, part).double() for part in ("encoder", "generator"))
    wide = {key: value.float().double() for key, value in state.items()}
    labels = torch.randint(4, (2, 1, 16, 16)).double()
    labels = functional.interpolate(labels, (256, 256))[:, 0].long()
    mask = functional.one_hot(labels, 5).movedim(-1, 1).double()
    image = torch.rand(2, 3, 256, 256, dtype=torch.float64).mul(2).sub(1).requires_grad_()

    def noise(name):
        block, norm = name.split(".")
        ours = {"ace_0": "norm1", "ace_1": "norm2", "ace_s": "norm_skip"}[norm]
        return getattr(generator.decoder.blocks[reference.BLOCKS.index(block)], ours).noise

    codes = encoder(image, mask)
    wanted = reference.encode(wide, image, mask)
    assert relative_error(codes[:, :, 0], wanted) < 1e-10
    assert (codes[:, 4] == 0).all()
    drawn = generator(codes, mask)
    picture = reference.draw(wide, wanted, mask, noise)
    assert drawn.std() > 0.05
    assert relative_error(drawn, picture) < 1e-9
    weights = torch.randn_like(drawn)
    gradients = [torch.autograd.grad((x * weights).sum(), image)[0] for x in (drawn, picture)]
    assert relative_error(*gradients) < 1e-8


def test_every_published_tensor_has_its_place(fill_sgi):
    spec = fill_sgi.read_spec("sean_netG_celebamaskhq.txt")
    shapes = reference.shapes(64, encoder_width=32, num_regions=19, style_dim=512)
    assert shapes == dict(spec)
    found = convert_state_dict("sean", {k: torch.empty(s, device="meta") for k, s in spec})
    assert found.unknown == []
    unread = {key.split(".", 2)[-1].rpartition(".")[0] for key in found.ignored}
    assert unread == {"", "Spade.param_free_norm"}
    blends = [key for key in found.ignored if "blending" in key]
    assert len(blends) == 6
    assert all(key.startswith("up_3.") for key in blends)
    with torch.device("meta"):
        networks = SEANGenerator(num_regions=19), SEANRegionEncoder(num_regions=19)
    ours = sum(x.numel() for network in networks for x in network.parameters())
    state = ("running_mean", "running_var", "num_batches_tracked", "weight_u", "weight_v")
    theirs = sum(math.prod(shape) for key, shape in spec if not key.endswith(state))
    # The six blends of the last block, which blends nothing.
    assert ours == theirs - 6 == 266_907_361


def test_other_files_are_told():
    state = tiny()
    del state["up_1.ace_0.fc_mu3.bias"]
    with pytest.raises(ValueError, match=r"missing: up_1\.ace_0\.fc_mu3\.bias"):
        convert_state_dict("sean", state)
    with pytest.raises(ValueError, match="sean: not such a checkpoint"):
        convert_state_dict("sean", {"a": torch.zeros(1)})
