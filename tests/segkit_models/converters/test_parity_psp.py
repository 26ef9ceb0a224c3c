"""pSp's encoder: converted weights give its codes and its pyramid, and start a region encoder."""

import pytest
import torch
from torch.nn import functional

from segkit.weights import convert_file, convert_state_dict
from segkit_models.region_encoders import FPNRegionEncoder
from segkit_models.region_encoders.psp import PSPEncoder
from tests.reference import psp as reference
from tests.reference.seeded import relative_error, seeded_state

TINY = dict(width=(8, 8, 12, 16, 24), units=(1, 2, 1, 1))
SIZES = dict(num_layers=8, style_dim=6, side=32)


def build(state):
    config, tensors = convert_state_dict("psp", state)["psp"]
    arguments = dict(config)
    network = arguments.pop("type")(**arguments).eval()
    network.load_state_dict(tensors)
    return network


def tiny():
    return seeded_state(reference.shapes(**TINY, **SIZES))


def published_file(state, **others):
    """The layout of psp_ffhq_encode.pt."""
    inner = {f"encoder.{name}": x for name, x in state.items()} | {
        "decoder.input.input": torch.ones(1)
    }
    return {"state_dict": inner, "latent_avg": torch.arange(10 * 6.0).view(10, 6), **others}


@pytest.mark.slow
def test_codes_and_pyramid_are_the_stored_ones(fill_sgi, stored):
    # Eight of the eighteen codes: three of the coarse map, four of the medium, one of the fine.
    spec = reference.shapes(num_layers=8).items()
    state = fill_sgi.seeded_state(spec, equalised=fill_sgi.EQUALISED["psp"])
    expected = stored("psp_encoder.pt")
    network = build(state)
    image = fill_sgi.image("irse", (2, 3, 512, 512))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # as the stored numbers were made
    try:
        with torch.no_grad():
            maps = network.pyramid(image)
            again = reference.pyramid(state, functional.adaptive_avg_pool2d(image, 256))
            # See test_parity_irse50: the seeded body amplifies the last bits.
            if relative_error(again[1][:, ::16, ::4, ::4], expected["fpn"]["p0"][1]) > 1e-4:
                pytest.skip("this machine adds in another order than the one that stored the maps")
            codes = network(image)
    finally:
        torch.set_num_threads(threads)
    for found, name in ((maps[1], "p0"), (maps[0], "p1")):
        shape, samples = expected["fpn"][name]
        assert tuple(found.shape) == tuple(shape)
        assert relative_error(found[:, ::16, ::4, ::4], samples) < 1e-4
    assert relative_error(codes[:, :, ::4], expected["w_s"][:, :8]) < 1e-4


def test_names_and_shapes_are_the_published_ones(fill_sgi):
    assert reference.shapes() == dict(fill_sgi.read_spec("psp_gradual_style_encoder_18.txt"))
    with torch.device("meta"):
        network = PSPEncoder()
    # All of the file, and the average latent.
    assert sum(x.numel() for x in network.state_dict().values()) == 267_161_076 + 18 * 512


def test_a_small_encoder_agrees_with_plain_functions():
    state = tiny()
    network = build(state).double()
    image = (torch.rand(2, 3, 32, 32, dtype=torch.float64) * 2 - 1).requires_grad_()
    rounded = {name: x.float().double() for name, x in state.items()}
    wanted = reference.forward(rounded, image, TINY["units"])
    found = network(image)
    assert found.shape == (2, 8, 6)
    assert relative_error(found, wanted) < 1e-10
    gradients = [torch.autograd.grad(x.square().sum(), image)[0] for x in (found, wanted)]
    assert relative_error(*gradients) < 1e-10


def test_codes_are_offsets_from_the_files_average_latent():
    state, image = tiny(), torch.rand(1, 3, 32, 32)
    bare = build(state)
    full = convert_state_dict("psp", published_file(state))
    assert full.ignored == ["decoder.input.input"]
    assert full.unknown == []
    assert any("segkit convert stylegan2" in note for note in full.notes)
    average = torch.arange(8 * 6.0).view(8, 6)
    torch.testing.assert_close(build(published_file(state))(image), bare(image) + average)
    off = published_file(state, opts={"start_from_latent_avg": False})
    torch.testing.assert_close(build(off)(image), bare(image))
    one_row = published_file(state) | {"latent_avg": torch.arange(6.0)}
    torch.testing.assert_close(build(one_row)(image), bare(image) + torch.arange(6.0))
    assert any("no latent_avg" in note for note in convert_state_dict("psp", state).notes)


def test_backbone_and_pyramid_start_a_region_encoder(tmp_path):
    torch.save(published_file({k: v.float() for k, v in tiny().items()}), tmp_path / "psp.pt")
    path = tmp_path / "psp.safetensors"
    convert_file("psp", tmp_path / "psp.pt", path)
    settings = dict(num_regions=2, num_layers=3, style_dim=4, input_size=32, fpn_dim=24) | TINY
    encoder = FPNRegionEncoder(**settings, backbone_weights=path).eval()
    network = PSPEncoder(path, num_layers=8, style_dim=6, input_size=32, **TINY).eval()
    # At half the size the two ways of shrinking an image are one.
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    for found, expected in zip(encoder.features(image), network.pyramid(image), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match=r"do not fit the backbone.*fpn_dim"):
        FPNRegionEncoder(**{**settings, "fpn_dim": 8}, backbone_weights=path)


def test_other_files_and_sizes_are_told():
    state = tiny()
    del state["styles.5.convs.2.weight"]
    with pytest.raises(ValueError, match=r"convs\.2|heads\.5"):
        convert_state_dict("psp", state)
    with pytest.raises(ValueError, match="not such a checkpoint"):
        convert_state_dict("psp", {"a": torch.zeros(1)})
    with pytest.raises(ValueError, match="expected a power of two from 32, got 100"):
        PSPEncoder(input_size=100)
    with pytest.raises(ValueError, match="expected at least 8, got 7"):
        PSPEncoder(num_layers=7)
