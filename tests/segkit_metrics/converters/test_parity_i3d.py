"""I3D against a functional second route, in both published layouts, and with the real weights."""

from pathlib import Path

import pytest
import torch

from segkit.weights import convert_file, convert_state_dict, read_foreign
from segkit_metrics.i3d import I3D, MIXED, STEM
from tests.reference import i3d as route

# Every width another, so that no two can be mistaken.
TINY = [(3, 2, 4), *[(2, 3, 4, 1, 2, 3)] * 4, *[(3, 1, 2, 2, 4, 1)] * 5]


def built(state):
    conversion = convert_state_dict("i3d", state)
    assert conversion.ignored == []
    config, tensors = conversion["i3d"]
    config = dict(config)
    assert config.pop("type") is I3D
    module = I3D(**config)
    module.load_state_dict(tensors)
    return module


def video(frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, frames, 224, 224, generator=generator, dtype=torch.float64) * 2 - 1


def test_the_published_size():
    with torch.device("meta"):
        network = I3D()
    assert sum(p.numel() for p in network.parameters()) == 12_697_264
    assert not network.training


# 9 frames: the fewest; odd sizes meet the uneven side of the padding.
@pytest.mark.parametrize("frames", [9, 16])
def test_a_small_one_is_the_functional_route(frames):
    state = route.seeded(TINY)
    network = built({f"module.{key}": value for key, value in state.items()}).double()
    network.load_state_dict(convert_in_double(state))
    given = video(frames)
    ours, theirs = network(given), route.logits(state, given)
    assert ours.std() > 1e-2
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-9)


def convert_in_double(state):
    """What `segkit.weights` gives, before it makes floats of it."""
    from segkit.weights.checkpoint import Checkpoint
    from segkit_metrics.converters.i3d import convert_i3d

    return convert_i3d(Checkpoint("i3d", state))["i3d"][1]


def test_flax_and_torch_layouts_give_one_network():
    state = route.seeded(TINY, gains=False)
    one, other = built(state), built(route.as_flax(state))
    given = video(9).float()
    assert torch.equal(one(given), other(given))
    again = route.from_flax(route.as_flax(state))
    assert all(torch.equal(again[key], state[key]) for key in again)


def test_widths_are_told_from_the_shapes():
    network = built(route.as_flax(route.seeded(TINY, num_classes=11)))
    assert network.logits.out_channels == 11
    widths = [network.stem_1a, network.stem_2b, network.stem_2c]
    assert tuple(unit.conv.out_channels for unit in widths) == TINY[0]
    assert network.mixed["5c"].branch_2[1].conv.out_channels == 4


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    path = shared / "weights" / "i3d-kinetics-400.ckpt"
    if not path.is_file():
        pytest.skip(f"no I3D weights at {path}")
    return path


def test_the_real_weights_are_the_functional_route(published, tmp_path):
    out = tmp_path / "i3d.safetensors"
    conversion = convert_file("i3d", published, out)
    assert conversion["i3d"][0] | {"type": None} == {
        "type": None,
        "num_classes": 400,
        "stem": list(STEM),
        "mixed": [list(row) for row in MIXED.values()],
    }
    network, given = I3D(weights=out), video(9).float()
    with torch.no_grad():
        ours = network(given)
        theirs = route.logits(route.from_flax(read_foreign(published)), given)
    assert ours.shape == (1, 400)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_wrong_inputs_and_files_are_told():
    with pytest.raises(ValueError, match="expected at least 9 frames, got 8"):
        I3D(stem=TINY[0], mixed=TINY[1:])(video(8).float())
    with pytest.raises(ValueError, match=r"video: expected shape .*; resize frames to 224 px"):
        I3D(stem=TINY[0], mixed=TINY[1:])(torch.zeros(1, 3, 16, 112, 112))
    with pytest.raises(ValueError, match=r"expected 3 of the stem and 9 rows of 6, got 3"):
        I3D(mixed=TINY[1:4])
    with pytest.raises(ValueError, match="i3d: not such a checkpoint"):
        convert_state_dict("i3d", {"conv1.weight": torch.zeros(1)})
    state = route.seeded(TINY)
    del state["Mixed_4d.b2a.bn.running_var"]
    with pytest.raises(ValueError, match=r"keys are missing: Mixed_4d\.b2a\.bn\.running_var"):
        convert_state_dict("i3d", state)
