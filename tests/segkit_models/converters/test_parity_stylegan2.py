"""StyleGAN2: converted weights draw and judge as the reference code does, in every file layout."""

import re

import pytest
import torch
from torch.nn import functional

from segkit.weights import convert_file, convert_state_dict
from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.experts.discriminator import truncated as truncated_critic
from segkit_models.generators import RegionStyleGAN2
from segkit_models.generators.mapping import MappingNetwork
from segkit_models.generators.resizing import truncated
from segkit_models.region_encoders import FPNRegionEncoder
from tests.reference import stylegan2 as reference
from tests.reference.seeded import relative_error

CHANNELS, STYLE_DIM = (10, 8, 6, 4), 12
CLOSE = dict(atol=1e-4, rtol=1e-4)


def build(conversion, part, **changes):
    config, tensors = conversion[part]
    arguments = {**config, **changes}
    network = arguments.pop("type")(**arguments).eval()
    network.load_state_dict(tensors)
    return network


def tiny_generator(seed=0):
    return reference.state_of(reference.generator_shapes(CHANNELS, STYLE_DIM), seed=seed)


def tiny_critic():
    return reference.state_of(reference.discriminator_shapes(CHANNELS), seed=5)


def to_nvlabs(state):
    """Rename a generator by the published table, read backwards."""
    found = {}
    for key, value in state.items():
        if key.endswith(".kernel"):
            name = re.sub(r"conv\.blur\.kernel|upsample\.kernel", "kernel", key)
            found[f"buffers.{name}.resample_filter"] = value / value.sum()
            continue
        family, *rest = key.split(".")
        field = ".".join(rest)
        if family == "style":
            found[f"mapping.fc{int(rest[0]) - 1}.{rest[1]}"] = value
        elif family == "input":
            found["synthesis.b4.const"] = value[0]
        elif family == "noises":
            index = int(rest[0].removeprefix("noise_"))
            layer = f"b{4 * 2 ** ((index + 1) // 2)}.conv{1 - index % 2}"
            found[f"synthesis.{layer}.noise_const"] = value[0, 0]
        else:
            if family in ("conv1", "to_rgb1"):
                layer = "b4.conv1" if family == "conv1" else "b4.torgb"
            elif family == "convs":
                layer, field = f"b{8 * 2 ** (int(rest[0]) // 2)}.conv{int(rest[0]) % 2}", field[2:]
            else:
                layer, field = f"b{8 * 2 ** int(rest[0])}.torgb", field[2:]
            fields = {
                "conv.weight": ("weight", lambda t: t[0]),
                "conv.modulation.weight": ("affine.weight", lambda t: t),
                "conv.modulation.bias": ("affine.bias", lambda t: t),
                "activate.bias": ("bias", lambda t: t),
                "bias": ("bias", lambda t: t[0, :, 0, 0]),
                "noise.weight": ("noise_strength", lambda t: t[0]),
            }
            name, change = fields[field]
            found[f"synthesis.{layer}.{name}"] = change(value)
    return found


def to_nvlabs_critic(state, size):
    """Rename a discriminator by the published table, read backwards."""
    ends = {
        "convs.0.0.weight": f"b{size}.fromrgb.weight",
        "convs.0.1.bias": f"b{size}.fromrgb.bias",
        "final_conv.0.weight": "b4.conv.weight",
        "final_conv.1.bias": "b4.conv.bias",
        "final_linear.0.weight": "b4.fc.weight",
        "final_linear.0.bias": "b4.fc.bias",
        "final_linear.1.weight": "b4.out.weight",
        "final_linear.1.bias": "b4.out.bias",
    }
    fields = {
        "conv1.0.weight": "conv0.weight",
        "conv1.1.bias": "conv0.bias",
        "conv2.0.kernel": "conv1.resample_filter",
        "conv2.1.weight": "conv1.weight",
        "conv2.2.bias": "conv1.bias",
        "skip.0.kernel": "skip.resample_filter",
        "skip.1.weight": "skip.weight",
    }
    found = {}
    for key, value in state.items():
        block, _, field = key.removeprefix("convs.").partition(".")
        found[ends.get(key) or f"b{size // 2 ** (int(block) - 1)}.{fields[field]}"] = value
    return found


def mapping_of(found, *, dim):
    network = MappingNetwork(dim=dim, style_dim=dim)
    prefix = f"{MappingNetwork.EXTRA}."
    network.load_state_dict(
        {k.removeprefix(prefix): v for k, v in found.extras.items() if k.startswith(prefix)}
    )
    return network


def seeded(fill_sgi, name):
    return fill_sgi.seeded_state(fill_sgi.read_spec(name), equalised=lambda _: True)


def test_equal_codes_draw_the_stored_image_of_256_px(fill_sgi, stored):
    expected = stored("stylegan2_256.pt")
    state = seeded(fill_sgi, "rosinality_stylegan2_g_256.txt")
    assert fill_sgi.digest(state) == expected["g_digest"]
    found = convert_state_dict("stylegan2", {"g_ema": state, "latent_avg": torch.zeros(512)})
    assert list(found) == ["generator"]
    assert (found.notes, found.ignored) == ([], [])
    mask = fill_sgi.one_hot(fill_sgi.face_labels(512))
    with torch.no_grad():
        mapped = mapping_of(found, dim=512)(expected["z"])
        image = build(found, "generator")(expected["w"][:, None].expand(-1, 12, -1, -1), mask)
    torch.testing.assert_close(mapped, expected["mapped"], **CLOSE)
    torch.testing.assert_close(image, expected["image"], **CLOSE)
    torch.testing.assert_close(reference.mapping(state, expected["z"]), expected["mapped"], **CLOSE)


@pytest.mark.slow
def test_critic_gives_the_stored_logits_of_256_px(fill_sgi, stored):
    expected = stored("stylegan2_256.pt")
    state = seeded(fill_sgi, "rosinality_stylegan2_d_256.txt")
    assert fill_sgi.digest(state) == expected["d_digest"]
    critic = build(convert_state_dict("stylegan2", {"d": state}), "discriminator")
    images = torch.cat([fill_sgi.image(f"d{index}", (1, 3, 256, 256)) for index in range(4)])
    with torch.no_grad():
        logits = critic(images)
    torch.testing.assert_close(logits, expected["d_logits"], **CLOSE)


def test_names_and_shapes_are_the_published_ones(fill_sgi):
    for size, blocks in ((256, 7), (512, 8), (1024, 9)):
        channels = (512, 512, 512, 512, 512, 256, 128, 64, 32)[:blocks]
        generator = reference.generator_shapes(channels, 512)
        spec = dict(fill_sgi.read_spec(f"rosinality_stylegan2_g_{size}.txt"))
        assert generator == spec
        spec = dict(fill_sgi.read_spec(f"rosinality_stylegan2_d_{size}.txt"))
        assert reference.discriminator_shapes(channels) == spec


@pytest.mark.parametrize("kind", ["G", "D"])
def test_published_names_of_nvidia_are_all_known(fill_sgi, kind):
    state = {
        key: torch.empty(shape, device="meta") if not key.endswith("resample_filter")
        else reference.FIR
        for key, shape in fill_sgi.read_spec(f"nvlabs_ada_{kind}_1024.txt")
    }  # fmt: skip
    found = convert_state_dict("stylegan2", {kind: state})
    assert (found.unknown, found.ignored) == ([], [])
    part = {"G": "generator", "D": "discriminator"}[kind]
    assert list(found) == [part]
    assert found[part][0]["size"] == 1024


def test_a_small_generator_agrees_with_plain_functions():
    state = tiny_generator()
    found = convert_state_dict("stylegan2", {"g_ema": state, "latent_avg": torch.zeros(12)})
    generator = build(found, "generator", num_regions=1).double()
    codes = torch.randn(2, 1, 8, STYLE_DIM, dtype=torch.float64, requires_grad=True)
    image = generator(codes, torch.ones(2, 1, 32, 32))
    wide = {key: value.double() for key, value in state.items()}
    wanted = torch.cat([reference.generate(wide, sample)[0] for sample in codes])
    assert relative_error(image, wanted) < 1e-10
    weights = torch.randn_like(image)
    gradients = [torch.autograd.grad((x * weights).sum(), codes)[0] for x in (image, wanted)]
    assert relative_error(*gradients) < 1e-10
    z = torch.randn(3, STYLE_DIM, dtype=torch.float64)
    mapping = mapping_of(found, dim=STYLE_DIM).double()
    assert relative_error(mapping(z), reference.mapping(wide, z)) < 1e-10


def test_a_small_critic_agrees_with_plain_functions_up_to_second_order():
    state = tiny_critic()
    critic = build(convert_state_dict("stylegan2", {"d": state}), "discriminator").double()
    wide = {key: value.double() for key, value in state.items()}
    image = torch.randn(8, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    results = []
    for judge in (critic, lambda x: reference.discriminate(wide, x)):
        logits = judge(image)
        slope = torch.autograd.grad(logits.sum(), image, create_graph=True)[0]
        penalty = slope.square().sum((1, 2, 3))  # R1
        results.append((logits, penalty, torch.autograd.grad(penalty.sum(), image)[0]))
    for found, wanted in zip(*results, strict=True):
        assert relative_error(found, wanted) < 1e-9


def test_equal_codes_for_all_regions_are_plain_stylegan2_with_the_stored_noise():
    state = tiny_generator()
    generator = build(convert_state_dict("stylegan2", {"g_ema": state}), "generator")
    codes = torch.randn(8, STYLE_DIM)
    labels = torch.randint(12, (1, 32, 32))
    mask = functional.one_hot(labels, 12).movedim(-1, 1).float()
    image = generator(codes.expand(1, 12, -1, -1), mask)
    wanted, _ = reference.generate(state, codes[None])
    torch.testing.assert_close(image, wanted, atol=1e-4, rtol=1e-4)


def test_every_layout_gives_the_same_weights():
    state, critic, average = tiny_generator(), tiny_critic(), torch.arange(12.0)
    wanted = convert_state_dict("stylegan2", {"g_ema": state, "d": critic, "latent_avg": average})
    nvidia, nvidia_critic = to_nvlabs(state), to_nvlabs_critic(critic, 32)
    nvidia["mapping.w_avg"] = average
    psp = {f"decoder.{key}": value for key, value in state.items()}
    psp["encoder.input_layer.0.weight"] = torch.zeros(1)
    wrapped = {f"module.{key}": value for key, value in state.items()}
    files = (
        {"g": tiny_generator(seed=9), "g_ema": state, "d": critic, "latent_avg": average},
        {"g": wrapped, "d": critic, "latent_avg": average[None]},
        {"G_ema": nvidia, "G": to_nvlabs(tiny_generator(seed=9)), "D": nvidia_critic},
        {"state_dict": psp, "latent_avg": average.expand(8, -1)},
        state | {"latent_avg": average},
        nvidia,
        critic,
        nvidia_critic,
    )
    parts = [2, 2, 2, 1, 1, 1, 1, 1]
    for file, num_parts in zip(files, parts, strict=True):
        found = convert_state_dict("stylegan2", file)
        assert found.unknown == []
        assert len(found) == num_parts
        for part, (config, tensors) in found.items():
            assert config == wanted[part][0]
            assert tensors.keys() == wanted[part][1].keys()
            assert all(torch.equal(tensors[key], wanted[part][1][key]) for key in tensors)
        if "generator" in found:
            assert torch.equal(found.extras["latent_average"], average.expand(8, -1))
            assert found.extras.keys() == wanted.extras.keys()
            assert all(torch.equal(x, wanted.extras[key]) for key, x in found.extras.items())
    assert convert_state_dict("stylegan2", files[0]).notes == [
        "took 'g_ema', the running average of 'g'"
    ]


def test_missing_average_code_is_estimated_and_missing_noise_drawn():
    state = tiny_generator()
    bare = {key: x for key, x in state.items() if not key.startswith("noises.")}
    first, second = (convert_state_dict("stylegan2", {"g_ema": bare}) for _ in range(2))
    assert first.notes == [
        "the file stores no noise: drawn once with seed 0",
        "no average code in the file: estimated from 100000 samples with seed 0",
    ]
    z = torch.randn(50_000, STYLE_DIM)
    codes = reference.mapping(state, z)
    error = (first.extras["latent_average"][0] - codes.mean(0)) / codes.std(0)
    assert error.abs().max() < 5 * (1 / 50_000 + 1 / 100_000) ** 0.5
    for key, value in first["generator"][1].items():
        assert torch.equal(value, second["generator"][1][key])
    without = {key: x for key, x in bare.items() if not key.startswith("style.")}
    found = convert_state_dict("stylegan2", without)
    assert found.extras == {}
    assert "no average code in the file, and no mapping network to estimate it" in found.notes


def test_a_larger_file_starts_a_smaller_generator_and_critic(tmp_path):
    state, critic = tiny_generator(), tiny_critic()
    source, path = tmp_path / "gan.pt", tmp_path / "gan.safetensors"
    torch.save({"g_ema": state, "d": critic, "latent_avg": torch.zeros(12)}, source)
    convert_file("stylegan2", source, path)
    settings = dict(size=16, num_regions=1, style_dim=STYLE_DIM)
    small = RegionStyleGAN2(weights=path, **settings, channels=CHANNELS[:3])
    codes = torch.randn(1, 8, STYLE_DIM)
    image = small(codes[None, :, :6], torch.ones(1, 1, 16, 16))
    _, layers = reference.generate(state, codes)
    torch.testing.assert_close(image, layers["to_rgbs.1"], atol=1e-4, rtol=1e-4)
    judge = StyleGAN2Discriminator(weights=path, size=16, channels=CHANNELS[:3])
    whole = StyleGAN2Discriminator(weights=path, size=32, channels=CHANNELS)
    kept = {key: value for key, value in judge.state_dict().items() if "from_rgb" not in key}
    for key, value in kept.items():
        theirs = key.replace("blocks.1", "blocks.2").replace("blocks.0", "blocks.1")
        assert torch.equal(value, whole.state_dict()[theirs])
    assert judge.from_rgb.weight.shape == (6, 3, 1, 1)
    with pytest.raises(ValueError, match="for 32 px, which has no part that draws 64 px"):
        RegionStyleGAN2(weights=path, size=64, style_dim=STYLE_DIM, channels=(*CHANNELS, 4))
    with pytest.raises(ValueError, match=r"the weights have \(10, 8, 6\) up to 16 px"):
        RegionStyleGAN2(weights=path, **settings, channels=(8, 8, 8))
    with pytest.raises(ValueError, match="which has no part that sees 64 px"):
        truncated_critic(whole, 64)
    assert truncated(small, 8).num_layers == 4


def test_other_files_are_told():
    state = tiny_generator()
    del state["convs.1.conv.weight"]
    with pytest.raises(ValueError, match=r"1 of \d+ keys are missing: convs\.1\.conv\.weight"):
        convert_state_dict("stylegan2", {"g_ema": state})
    with pytest.raises(ValueError, match="stylegan2: not such a checkpoint"):
        convert_state_dict("stylegan2", {"g_ema": {"a": torch.zeros(1)}})
    other = tiny_generator() | {"to_rgbs.0.upsample.kernel": torch.ones(4, 4)}
    with pytest.raises(ValueError, match=r"upsample\.kernel: expected the low-pass filter"):
        convert_state_dict("stylegan2", {"g_ema": other})
    with pytest.raises(ValueError, match="expected 1 row or at least 8"):
        convert_state_dict(
            "stylegan2", {"g_ema": tiny_generator(), "latent_avg": torch.zeros(4, 12)}
        )


def test_mapping_network_is_known_by_its_size():
    assert sum(x.numel() for x in MappingNetwork().parameters()) == 8 * (512 * 512 + 512)
    with pytest.raises(ValueError, match=r"z: expected shape \(B, Z=512\), got \(2, 4\)"):
        MappingNetwork()(torch.zeros(2, 4))


def test_a_converted_file_starts_mapping_and_encoder(tmp_path):
    average = torch.arange(float(STYLE_DIM))
    source, out = tmp_path / "ffhq.pt", tmp_path / "ffhq.safetensors"
    torch.save({"g_ema": tiny_generator(), "latent_avg": average}, source)
    found = convert_file("stylegan2", source, out)
    mapping = MappingNetwork(weights=out, dim=STYLE_DIM, style_dim=STYLE_DIM)
    z = torch.randn(2, STYLE_DIM)
    assert torch.equal(mapping(z), mapping_of(found, dim=STYLE_DIM)(z))
    with pytest.raises(ValueError, match="weights do not fit this MappingNetwork"):
        MappingNetwork(weights=out, dim=STYLE_DIM, style_dim=STYLE_DIM, num_layers=2)
    small = dict(style_dim=STYLE_DIM, width=(4, 4, 4, 4, 4), units=(1, 1, 1, 1), fpn_dim=4)
    encoder = FPNRegionEncoder(average_weights=out, num_layers=6, **small)
    assert torch.equal(encoder.latent_average, average.expand(6, -1))
    with pytest.raises(ValueError, match=r"wanted are 10 x 12, got 8 x 12"):
        FPNRegionEncoder(average_weights=out, num_layers=10, **small)
