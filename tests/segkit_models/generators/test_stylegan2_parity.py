"""The region loop, StyleGAN2 and its discriminator against outputs of the reference code."""

import importlib.util
import os
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.generators import RegionStyleGAN2

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).resolve().parents[4] / "shared"))
PARITY = SHARED / "parity"
pytestmark = pytest.mark.skipif(
    not (PARITY / "fill_sgi.py").exists(), reason=f"no parity fixtures in {PARITY}"
)


@pytest.fixture(scope="module")
def fill():
    spec = importlib.util.spec_from_file_location("fill_sgi", PARITY / "fill_sgi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def to_ours(state, prefix=""):
    """Rename a rosinality generator state."""
    ours = {}
    for key, value in state.items():
        if not key.startswith(prefix) or key.endswith(".kernel"):
            continue
        parts = key.removeprefix(prefix).split(".")
        if parts[0] in ("input", "style"):
            if parts[0] == "input":
                ours["constant"] = value
            continue
        if parts[0] == "noises":
            ours[f"convs.{parts[1].removeprefix('noise_')}.noise"] = value
            continue
        family, rest = parts[0], parts[1:]
        if family in ("conv1", "to_rgb1"):
            family, rest = family[:-1] + "s", ["0", *rest]
        else:
            rest = [str(int(rest[0]) + 1), *rest[1:]]
        name = ".".join([family, *rest]).replace(".activate.bias", ".bias")
        if name.endswith(".noise.weight"):
            name, value = name.replace(".noise.weight", ".noise_strength"), value.reshape(())
        elif name.endswith(".conv.weight"):
            value = value[0]
        elif family == "to_rgbs" and rest[1] == "bias":
            value = value.flatten()
        ours[name] = value
    return ours


def discriminator_to_ours(state, num_blocks):
    ours = {
        "from_rgb.weight": state["convs.0.0.weight"],
        "from_rgb.bias": state["convs.0.1.bias"],
        "final_conv.weight": state["final_conv.0.weight"],
        "final_conv.bias": state["final_conv.1.bias"],
    }
    for index in range(num_blocks):
        theirs = f"convs.{index + 1}"
        for ours_name, their_name in (
            ("conv1.weight", "conv1.0.weight"), ("conv1.bias", "conv1.1.bias"),
            ("conv2.weight", "conv2.1.weight"), ("conv2.bias", "conv2.2.bias"),
            ("skip.weight", "skip.1.weight"),
        ):  # fmt: skip
            ours[f"blocks.{index}.{ours_name}"] = state[f"{theirs}.{their_name}"]
    for ours_name, index in (("final_hidden", 0), ("final_logit", 1)):
        for kind in ("weight", "bias"):
            ours[f"{ours_name}.{kind}"] = state[f"final_linear.{index}.{kind}"]
    return ours


def test_plain_stylegan2_image_is_the_reference(fill):
    stored = torch.load(PARITY / "stylegan2_256.pt", weights_only=True)
    state = fill.seeded_state(
        fill.read_spec("rosinality_stylegan2_g_256.txt"), equalised=fill.EQUALISED["stylegan2"]
    )
    generator = RegionStyleGAN2(size=256, num_regions=1)
    generator.load_state_dict(to_ours(state))
    with torch.no_grad():
        image = generator(stored["w"][:, None], torch.ones(1, 1, 256, 256))
    torch.testing.assert_close(image, stored["image"], atol=1e-4, rtol=1e-4)


def test_region_loop_is_e4s_up_to_64_px(fill):
    # A smaller generator is the beginning of a larger one; the whole 256 px image takes minutes.
    stored = torch.load(PARITY / "e4s_256_K13.pt", weights_only=True)
    generator = RegionStyleGAN2(size=64, region_conv="loop")
    num_convs = len(generator.convs)
    spec = [
        (key, shape)
        for key, shape in fill.read_spec("e4s_net3_K13_1024.txt")
        if key.startswith("MLPs.") or (key.startswith("G.") and _place(key) < num_convs)
    ]
    state = fill.seeded_state(spec, equalised=fill.EQUALISED["e4s"])
    ours = to_ours(state, "G.")
    generator.load_state_dict({key: ours[key] for key in generator.state_dict()})
    styles = _codes(state, stored["style_vectors"][0]) + stored["latent_avg"]
    with torch.no_grad():
        image = generator(styles[None, :, :10], fill.one_hot(fill.face_labels(512)))
    shape, mean, spread, samples = stored["layers"]["to_rgbs.3"]
    assert image.shape == shape
    assert (image.mean().item(), image.std().item()) == pytest.approx((mean, spread), abs=1e-5)
    torch.testing.assert_close(
        image.flatten()[:: image.numel() // 64], samples, atol=1e-4, rtol=1e-4
    )


def _place(key):
    """Index of a layer or noise in its list; 0 for 4 px layers, 99 for the mapping network."""
    parts = key.split(".")
    number = parts[2] if parts[2].isdigit() else parts[2].removeprefix("noise_")
    return 99 if parts[1] == "style" else int(number) if number.isdigit() else 0


def _codes(state, vectors):
    """E4S' MLP per region: style vectors ``R 1280`` to codes ``R 13 512``."""
    codes = []
    for region, vector in enumerate(vectors):
        w0, b0, w1, b1 = (
            state[f"MLPs.{region}.mlp.{layer}.{kind}"]
            for layer in (0, 2)
            for kind in ("weight", "bias")
        )
        hidden = functional.leaky_relu(functional.linear(vector, w0 / 1280**0.5, b0))
        codes.append(functional.linear(hidden, w1 / 512**0.5, b1).view(13, 512))
    return torch.stack(codes)


def test_discriminator_logits_are_the_reference(fill):
    stored = torch.load(PARITY / "stylegan2_256.pt", weights_only=True)
    state = fill.seeded_state(
        fill.read_spec("rosinality_stylegan2_d_256.txt"), equalised=fill.EQUALISED["stylegan2"]
    )
    discriminator = StyleGAN2Discriminator(size=256)
    discriminator.load_state_dict(discriminator_to_ours(state, 6))
    images = torch.cat([fill.image(f"d{index}", (1, 3, 256, 256)) for index in range(4)])
    with torch.no_grad():
        logits = discriminator(images)
    torch.testing.assert_close(logits, stored["d_logits"], atol=1e-4, rtol=1e-4)
