"""E4S: converted weights give the stored vectors, codes, layers, images and gradients."""

import re

import pytest
import torch
from torch.nn import functional

from segkit.edits import swap
from segkit.regions import SCHEME_12
from segkit.weights import convert_file, convert_state_dict
from segkit_models.generators import RegionStyleGAN2
from segkit_models.generators.resizing import truncated
from segkit_models.layers.fir import upsample
from segkit_models.region_encoders import E4SRegionEncoder
from tests.reference import e4s as reference
from tests.reference import stylegan2 as reference_stylegan2
from tests.reference.seeded import relative_error

WIDTH, CHANNELS, STYLE_DIM, REGIONS = (4, 6, 8, 8, 8), (10, 8, 6), 12, 3
CLOSE = dict(atol=1e-4, rtol=1e-4)


def build(conversion, part, **changes):
    config, tensors = conversion[part]
    arguments = {**config, **changes}
    network = arguments.pop("type")(**arguments).eval()
    network.load_state_dict(tensors)
    return network


def tiny_file(coded=3, *, num_regions=REGIONS, channels=CHANNELS, average_rows=18):
    """The layout of iteration_300000.pt."""
    shapes = reference.shapes(WIDTH, channels, STYLE_DIM, num_regions=num_regions, coded=coded)
    state = reference_stylegan2.state_of(shapes)
    for key in state:
        if key.startswith("encoder.") and state[key].ndim == 4:
            state[key] /= state[key][0].numel() ** 0.5
    critic = reference_stylegan2.state_of(reference_stylegan2.discriminator_shapes(channels))
    random = torch.Generator().manual_seed(7)
    return {
        "state_dict": {f"module.{key}": value for key, value in state.items()},
        "latent_avg": torch.randn(average_rows, STYLE_DIM, generator=random),
        "D_state_dict": {f"module.{key}": value for key, value in critic.items()},
        "opts": {"K": coded},
    }


def flat(file, name="state_dict"):
    return {key.removeprefix("module."): value for key, value in file[name].items()}


def masks(num_regions=REGIONS, side=32, absent=1):
    labels = torch.zeros(side, side, dtype=torch.long)
    labels[side // 3 :, 5:20] = num_regions - 1
    labels[:4, 9:11] = 0 if absent == 1 else 1
    return functional.one_hot(labels, num_regions).permute(2, 0, 1)[None].float()


def spec_of(fill_sgi, size, *, coded=13):
    """Names and shapes of the published network at another size of image, or with more codes."""
    num_blocks = size.bit_length() - 2
    limits = {"convs": 2 * num_blocks - 2, "to_rgbs": num_blocks - 1, "noises": 2 * num_blocks - 1}
    spec = {}
    for key, shape in fill_sgi.read_spec("e4s_net3_K13_1024.txt"):
        place = re.match(r"G\.(convs|to_rgbs|noises)\.(?:noise_)?(\d+)", key)
        if place is None or int(place[2]) < limits[place[1]]:
            spec[key] = (coded * 512, *shape[1:]) if ".mlp.2." in key else shape
    return spec


def check_layers(generator, styles, mask, stored, upto):
    """Compare every layer's mean, spread and samples; return the image."""
    found, images = {}, []
    for index, layer in enumerate(generator.convs):
        name = f"convs.{index - 1}" if index else "conv1"
        layer.register_forward_hook(
            lambda _, __, out, name=name: found.update({name: out.detach().clone()})
        )
    for layer in generator.to_rgbs:
        layer.register_forward_hook(
            lambda _, __, rgb: images.append(rgb.detach() + (upsample(images[-1]) if images else 0))
        )
    image = generator(styles, mask)
    found |= {f"to_rgbs.{k - 1}" if k else "to_rgb1": x for k, x in enumerate(images)}
    assert len(found) == upto
    for name, x in found.items():
        shape, mean, spread, samples = stored[name]
        assert tuple(x.shape) == tuple(shape)
        assert (x.mean().item(), x.std().item()) == pytest.approx((mean, spread), abs=1e-4)
        picked = x.flatten()[:: max(1, x.numel() // 64)][: len(samples)]
        torch.testing.assert_close(picked, samples, **CLOSE)
    return image


@pytest.mark.slow
def test_vectors_codes_layers_image_and_gradients_are_the_stored_ones(fill_sgi, stored):
    expected, slopes = stored("e4s_256_K13.pt"), stored("e4s_256_K13_grads.pt")
    spec = spec_of(fill_sgi, 256)
    state = fill_sgi.seeded_state(spec.items(), equalised=fill_sgi.EQUALISED["e4s"])
    found = convert_state_dict("e4s", {"state_dict": state, "latent_avg": fill_sgi.latent_avg(18)})
    assert (found.notes, found.unknown) == ([], [])
    encoder, generator = build(found, "encoder"), build(found, "generator")
    image = fill_sgi.image("e4s", (1, 3, 256, 256))
    mask = fill_sgi.one_hot(fill_sgi.face_labels(512))
    vectors, presence = encoder.encode(image, mask)
    styles = encoder.to_codes(vectors)
    assert presence.tolist() == [[region != 10 for region in range(12)]]
    torch.testing.assert_close(vectors, expected["style_vectors"], **CLOSE)
    torch.testing.assert_close(styles[..., ::8], expected["codes_s"], **CLOSE)
    drawn = check_layers(generator, styles, mask, expected["layers"], upto=20)
    torch.testing.assert_close(drawn, expected["image"], **CLOSE)
    loss = (drawn - image).square().mean()
    assert loss.item() == pytest.approx(slopes["loss"], rel=1e-5)
    loss.backward()
    named = {
        "encoder.input_layer.0.weight": encoder.stem[0].weight.grad,
        "encoder.body.20.res_layer.1.weight": encoder.stages[2][13].conv1.weight.grad,
        "MLPs.6.mlp.0.weight": encoder.mlp.hidden.weight.grad[6],
        "MLPs.6.mlp.2.bias": encoder.mlp.out.bias.grad[6],
        "MLPs.10.mlp.0.weight": encoder.mlp.hidden.weight.grad[10],
        "G.input.input": generator.constant.grad,
        "G.conv1.conv.weight": generator.convs[0].conv.weight.grad,
        "G.convs.6.conv.weight": generator.convs[7].conv.weight.grad,
        "G.convs.7.conv.modulation.weight": generator.convs[8].conv.modulation.weight.grad,
        "G.to_rgbs.2.conv.weight": generator.to_rgbs[3].conv.weight.grad,
        "G.convs.4.noise.weight": generator.convs[5].noise_strength.grad,
    }
    assert named.keys() == slopes["grads"].keys()
    assert (named["MLPs.10.mlp.0.weight"] == 0).all()
    for name, (norm, samples) in slopes["grads"].items():
        slope = named[name].flatten()
        # Single precision, summed in another order than by one convolution per region; with boxes
        # the slopes agree to 1e-4, and in double precision all forms do to 1e-13.
        assert slope.norm().item() == pytest.approx(norm, rel=5e-4)
        picked = slope[:: max(1, len(slope) // 256)][: len(samples)]
        assert (picked - samples).norm() <= 3e-3 * samples.norm()


def test_a_code_for_every_layer_gives_the_stored_layers_up_to_64_px(fill_sgi, stored):
    # The whole 256 px image was compared once by hand: see the commit.
    expected = stored("e4s_256_K17.pt")
    spec = spec_of(fill_sgi, 256, coded=18)
    # From the stored vectors on, so the encoder's weights do not matter.
    body = {key: torch.zeros(s) for key, s in spec.items() if key.startswith("encoder.")}
    rest = [(key, shape) for key, shape in spec.items() if key not in body]
    state = body | fill_sgi.seeded_state(rest, equalised=fill_sgi.EQUALISED["e4s"])
    average = fill_sgi.latent_avg(18)
    found = convert_state_dict("e4s", {"state_dict": state, "latent_avg": average})
    encoder = build(found, "encoder")
    assert (encoder.num_layers, encoder.mlp.num_coded_layers) == (14, 14)
    mask = fill_sgi.one_hot(fill_sgi.face_labels(512))
    with torch.no_grad():
        styles = encoder.to_codes(expected["style_vectors"])
        torch.testing.assert_close(styles[..., ::8], expected["codes_s"][:, :, :14], **CLOSE)
        generator = build(found, "generator")
        assert generator.num_masked_layers == 17
        small = truncated(generator, 64)
        check_layers(small, styles[:, :, :10], mask, expected["layers"], upto=14)
        # The plain functions of this suite, against the same numbers.
        codes = reference.codes(state, expected["style_vectors"][0], average, 6)
        torch.testing.assert_close(codes, styles[0, :, :6], **CLOSE)
        _, layers = reference_stylegan2.generate(state, codes, mask[0], 17, prefix="G.")
    for name in ("convs.1", "convs.2", "to_rgbs.1"):
        shape, _, _, samples = expected["layers"][name]
        assert tuple(layers[name].shape) == tuple(shape)
        picked = layers[name].flatten()[:: max(1, layers[name].numel() // 64)][: len(samples)]
        torch.testing.assert_close(picked, samples, **CLOSE)


def test_names_shapes_and_numbers_are_the_published_ones(fill_sgi):
    width, channels = (64, 128, 256, 512, 512), (512, 512, 512, 512, 512, 256, 128, 64, 32)
    shapes = reference.shapes(width, channels, 512, num_regions=12, coded=13)
    assert shapes == dict(fill_sgi.read_spec("e4s_net3_K13_1024.txt"))
    with torch.device("meta"):
        encoder = E4SRegionEncoder(num_layers=18)
    body = sum(x.numel() for name, x in encoder.named_parameters() if not name.startswith("mlp."))
    assert body == 85_051_008
    assert sum(x.numel() for x in encoder.mlp.parameters()) == pytest.approx(48.84e6, rel=1e-3)


@pytest.mark.parametrize("coded", [3, 5, 18])
def test_a_small_network_agrees_with_plain_functions(coded):
    file = tiny_file(coded)
    found = convert_state_dict("e4s", file)
    state = {key: value.double() for key, value in flat(file).items()}
    average = file["latent_avg"].double()
    image = torch.randn(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    mask = masks().double()
    encoder = build(found, "encoder").double()
    generator = build(found, "generator").double()
    vectors, presence = encoder.encode(image, mask)
    drawn = generator(encoder.to_codes(vectors), mask)
    wanted = reference.style_vectors(state, image, mask[0])
    masked = 17 if coded == 18 else coded
    codes = reference.codes(state, wanted, average, 6)
    picture, _ = reference_stylegan2.generate(state, codes, mask[0], masked, prefix="G.")
    assert presence.tolist() == [[True, False, True]]
    assert relative_error(vectors[0], wanted) < 1e-9
    assert relative_error(drawn, picture) < 1e-8
    weights = torch.randn_like(drawn)
    gradients = [torch.autograd.grad((x * weights).sum(), image)[0] for x in (drawn, picture)]
    assert relative_error(*gradients) < 1e-6


def test_critic_and_extra_regions_come_along():
    file = tiny_file(num_regions=5)
    found = convert_state_dict("e4s", file)
    assert list(found) == ["encoder", "generator", "discriminator"]
    assert found["generator"][0]["num_regions"] == 5
    assert all(key.startswith("G.style.") for key in found.ignored)
    images = torch.randn(4, 3, 16, 16)
    wanted = reference_stylegan2.discriminate(flat(file, "D_state_dict"), images)
    torch.testing.assert_close(build(found, "discriminator")(images), wanted, **CLOSE)


def test_raw_weights_are_taken_unless_only_the_average_is_there():
    file = tiny_file()
    average = {key: value + 1 for key, value in flat(file).items() if "kernel" not in key}
    both = convert_state_dict("e4s", file | {"state_dict_ema": average})
    assert "not the running average 'state_dict_ema'" in both.notes[0]
    alone = {key: value for key, value in file.items() if key != "state_dict"}
    found = convert_state_dict("e4s", alone | {"state_dict_ema": average})
    for key, raw in both["encoder"][1].items():
        shift = 0 if key == "latent_average" else 1
        torch.testing.assert_close(found["encoder"][1][key], raw + shift)


def test_missing_buffers_and_average_are_made_and_said():
    file = tiny_file()
    bare = {
        key: value
        for key, value in file["state_dict"].items()
        if "kernel" not in key and "noises" not in key
    }
    found = convert_state_dict("e4s", {"state_dict": bare})
    assert found.notes == [
        "the file stores no noise: drawn once with seed 0",
        "no average code in the file: estimated from 100000 samples with seed 0",
    ]
    whole = convert_state_dict("e4s", file)
    kept = {key for key in whole["generator"][1] if not key.endswith(".noise")}
    assert all(torch.equal(whole["generator"][1][key], found["generator"][1][key]) for key in kept)


def test_other_networks_are_told():
    with pytest.raises(ValueError, match=r"codes for 4 layers \(K = 4\).*odd K"):
        convert_state_dict("e4s", tiny_file(coded=4))
    file = tiny_file()
    del file["state_dict"]["module.encoder.body.9.res_layer.3.weight"]
    with pytest.raises(ValueError, match=r"missing: encoder\.body\.9\.res_layer\.3\.weight"):
        convert_state_dict("e4s", file)
    with pytest.raises(ValueError, match="e4s: not such a checkpoint"):
        convert_state_dict("e4s", {"state_dict": {"a": torch.zeros(1)}})
    with pytest.raises(ValueError, match="expected 1 row or at least 6"):
        convert_state_dict("e4s", tiny_file(average_rows=4))


def test_vectors_are_swapped_between_people_region_by_region():
    encoder = build(convert_state_dict("e4s", tiny_file(num_regions=12)), "encoder")
    first, second = torch.randn(2, 1, 3, 256, 256)
    whole, partial = masks(12, absent=None), masks(12)
    (mine, _), (theirs, shown) = encoder.encode(first, whole), encoder.encode(second, partial)
    names = [SCHEME_12.regions[index] for index in (1, 11)]
    mixed = swap(mine, theirs, names, presence=shown, strength=0.5)
    # The donor shows region 11 but not region 1.
    assert torch.equal(mixed[:, :11], mine[:, :11])
    torch.testing.assert_close(mixed[:, 11], (mine[:, 11] + theirs[:, 11]) / 2)
    assert encoder.to_codes(mixed).shape == (1, 12, 6, STYLE_DIM)


@pytest.mark.parametrize("coded", [3, 18])
def test_a_larger_file_starts_a_smaller_pair(tmp_path, coded):
    file = tiny_file(coded)
    torch.save(file, tmp_path / "e4s.pt")
    path = tmp_path / "e4s.safetensors"
    whole = convert_file("e4s", tmp_path / "e4s.pt", path)
    settings = dict(num_regions=REGIONS, style_dim=STYLE_DIM, width=WIDTH)
    encoder = E4SRegionEncoder(
        weights=path, num_layers=4, num_coded_layers=min(coded, 4), **settings
    ).eval()
    image, mask = torch.randn(1, 3, 256, 256), masks()
    styles = build(whole, "encoder")(image, mask)
    torch.testing.assert_close(encoder(image, mask), styles[:, :, :4])
    generator = RegionStyleGAN2(
        weights=path,
        size=8,
        num_regions=REGIONS,
        style_dim=STYLE_DIM,
        channels=CHANNELS[:2],
        num_masked_layers=17 if coded == 18 else coded,
        region_conv="exact",
    )
    masked = 17 if coded == 18 else coded
    _, layers = reference_stylegan2.generate(flat(file), styles[0], mask[0], masked, prefix="G.")
    drawn = generator(encoder(image, mask), mask)
    torch.testing.assert_close(drawn, layers["to_rgbs.0"], **CLOSE)
    with pytest.raises(
        ValueError, match="first 4 layers of the file's 6 differ from this encoder in 2"
    ):
        E4SRegionEncoder(weights=path, num_layers=4, num_coded_layers=2, **settings)
    same = E4SRegionEncoder(weights=path, num_layers=6, num_coded_layers=min(coded, 6), **settings)
    torch.testing.assert_close(same.eval()(image, mask), styles)
