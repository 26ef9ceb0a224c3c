import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from segkit.regions import SCHEME_12
from segkit.talk.bundle import (
    BundleError,
    builtin_bundle_path,
    load_bundle,
    new_bundle,
    save_bundle,
)
from segkit.talk.from_checkpoints import bundle_from_checkpoints
from segkit.talk.identity import encode_styles
from segkit_models.audio_encoders import Concat, MelCNN

PERSON = {
    "reference_labels": torch.full((64, 64), 6, dtype=torch.uint8),
    "reference_image": torch.zeros(3, 64, 64, dtype=torch.uint8),
    "styles": torch.randn(12, 10, 8),
    "presence": torch.ones(12, dtype=torch.bool),
}


def state_of(bundle):
    return {
        f"{part}.{key}": value
        for part, module in bundle.modules.items()
        for key, value in module.state_dict().items()
    }


def rewrite(path, *, head=None, tensors=None, drop=()):
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        described = json.loads(file.metadata()["segkit"])
    stored = {key: value for key, value in load_file(path).items() if key not in drop}
    save_file(
        stored | (tensors or {}), path, metadata={"segkit": json.dumps(described | (head or {}))}
    )


def test_a_bundle_comes_back_bit_for_bit(tmp_path, tiny_bundle):
    tiny_bundle.card = {"data": "made up", "seed": 3}
    tiny_bundle.person = dict(PERSON)
    path = tmp_path / "a.safetensors"
    save_bundle(path, tiny_bundle)
    loaded = load_bundle(path)
    assert loaded.configs == tiny_bundle.configs
    assert (loaded.size, loaded.mask_size, loaded.scheme.name) == (64, 64, "celeba12")
    assert loaded.card == tiny_bundle.card
    before, after = state_of(tiny_bundle), state_of(loaded)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(torch.equal(PERSON[key], loaded.person[key]) for key in PERSON)
    assert not loaded.modules["generator"].training


def test_half_precision_halves_the_file_and_computes_in_full(tmp_path, tiny_bundle):
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    save_bundle(full, tiny_bundle)
    save_bundle(half, tiny_bundle, half=True)
    assert half.stat().st_size < 0.75 * full.stat().st_size
    before, after = state_of(tiny_bundle), state_of(load_bundle(half))
    for key, value in before.items():
        assert after[key].dtype == value.dtype
        torch.testing.assert_close(after[key], value, rtol=1e-3, atol=1e-6)


def test_values_beyond_half_precision_stay_full(tmp_path, tiny_bundle):
    weight = tiny_bundle.modules["region_encoder"].mlp.out.weight
    with torch.no_grad():
        weight.view(-1)[0] = 1e6
    path = tmp_path / "a.safetensors"
    save_bundle(path, tiny_bundle, half=True)
    assert torch.equal(load_bundle(path).modules["region_encoder"].mlp.out.weight, weight)


def test_an_existing_file_is_kept_unless_forced(tmp_path, tiny_bundle):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="--force"):
        save_bundle(path, tiny_bundle)
    assert path.read_bytes() == b"mine"
    save_bundle(path, tiny_bundle, force=True)
    load_bundle(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_failing_write_leaves_nothing(tmp_path, tiny_bundle):
    tiny_bundle.card = {"bad": object()}
    with pytest.raises(TypeError):
        save_bundle(tmp_path / "a.safetensors", tiny_bundle)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_bundle_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="segkit fit"):
        load_bundle(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("not a bundle, but long enough to be read")
    with pytest.raises(BundleError, match="no readable safetensors file"):
        load_bundle(text)
    plain = tmp_path / "plain.safetensors"
    save_file({"x": torch.zeros(3)}, plain)
    with pytest.raises(BundleError, match="no segkit bundle"):
        load_bundle(plain)


def test_a_truncated_bundle_is_refused(tmp_path, tiny_bundle):
    path = tmp_path / "a.safetensors"
    save_bundle(path, tiny_bundle)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BundleError, match="damaged, truncated"):
        load_bundle(path)


def test_weights_that_do_not_fit_are_listed_with_both_shapes(tmp_path, tiny_bundle):
    path = tmp_path / "a.safetensors"
    save_bundle(path, tiny_bundle)
    rewrite(path, tensors={"generator.constant": torch.zeros(1, 4, 4, 4)})
    with pytest.raises(BundleError, match=r"constant: expected \(1, 8, 4, 4\), got \(1, 4, 4, 4\)"):
        load_bundle(path)
    save_bundle(path, tiny_bundle, force=True)
    rewrite(path, drop=("generator.constant",))
    with pytest.raises(BundleError, match=r"constant: expected \(1, 8, 4, 4\), got nothing"):
        load_bundle(path)


def test_unknown_components_schemes_and_formats_are_named(tmp_path, tiny_bundle):
    path = tmp_path / "a.safetensors"
    save_bundle(path, tiny_bundle)
    configs = {**tiny_bundle.configs, "generator": {"type": "RegionStyleGAN3"}}
    rewrite(path, head={"configs": configs})
    with pytest.raises(BundleError, match="Did you mean 'RegionStyleGAN2'"):
        load_bundle(path)
    rewrite(path, head={"configs": tiny_bundle.configs, "scheme": "celeba7"})
    with pytest.raises(BundleError, match="no region scheme 'celeba7'"):
        load_bundle(path)
    rewrite(path, head={"scheme": "celeba12", "format": 9})
    with pytest.raises(BundleError, match="bundle format 9"):
        load_bundle(path)


def test_a_person_must_be_complete_and_in_the_scheme(tmp_path, tiny_bundle):
    path = tmp_path / "a.safetensors"
    tiny_bundle.person = {key: PERSON[key] for key in ("styles", "presence")}
    save_bundle(path, tiny_bundle)
    with pytest.raises(BundleError, match=r"person\.reference_labels"):
        load_bundle(path)
    tiny_bundle.person = {**PERSON, "reference_labels": torch.full((64, 64), 12, dtype=torch.uint8)}
    save_bundle(path, tiny_bundle, force=True)
    with pytest.raises(BundleError, match=r"0\.\.11, got shape \(64, 64\) with a label 12"):
        load_bundle(path)


def test_a_missing_part_is_named():
    with pytest.raises(BundleError, match="expected the parts audio_encoder"):
        new_bundle({"generator": {"type": "RegionStyleGAN2"}}, size=64)


def test_without_a_built_in_model_the_way_out_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("segkit.talk.bundle.files", lambda package: tmp_path)
    with pytest.raises(FileNotFoundError, match="--model"):
        builtin_bundle_path()


def checkpoint(path, bundle, parts, *, average=False):
    """Write what the training engine writes: weights, and its config as text."""
    state = {}
    for part in parts:
        for key, value in bundle.modules[part].state_dict().items():
            state[f"{part}.{key}"] = torch.zeros_like(value) if average else value
            if average:
                state[f"average.{part}.{key}"] = value
    model = ", ".join(f"{part}=dict({_arguments(bundle.configs[part])})" for part in parts)
    text = (
        f"seed = 0\nmodel = dict({model}, type='segkit_models.talking.Some')\nx = dict(a=print)\n"
    )
    torch.save({"state_dict": state, "meta": {"cfg": text, "iter": 5}}, path)
    return path


def _arguments(config):
    config = _long_names(config)
    return ", ".join(f"{key}={value!r}" for key, value in config.items())


def _long_names(config):
    """Name classes as a config's text does, with their modules."""
    if isinstance(config, list):
        return [_long_names(item) for item in config]
    if isinstance(config, dict):
        return {
            key: f"segkit_models.family.module.{value}" if key == "type" else _long_names(value)
            for key, value in config.items()
        }
    return config


def test_checkpoints_become_a_bundle_with_the_averaged_weights(tmp_path, tiny_bundle):
    tsg = checkpoint(tmp_path / "tsg.pth", tiny_bundle, ["audio_encoder", "mask_decoder"])
    sgi = checkpoint(
        tmp_path / "sgi.pth", tiny_bundle, ["region_encoder", "generator"], average=True
    )
    made = bundle_from_checkpoints(tsg=tsg, sgi=sgi, card={"seed": 1})
    assert made.configs == tiny_bundle.configs
    assert (made.size, made.mask_size) == (64, 64)
    before, after = state_of(tiny_bundle), state_of(made)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_file_of_pretrained_weights_is_not_looked_for(tmp_path, tiny_bundle):
    """A training may have been elsewhere: its checkpoint holds all weights."""
    small = dict(dim=8, num_layers=1, num_heads=2, ff_dim=8, position_kernel=4, position_groups=2)
    audio = {"type": "AVHubert", "out_dim": 16, **small}
    bundle = new_bundle({**tiny_bundle.configs, "audio_encoder": audio}, size=64)
    encoder = dict(bundle.configs["region_encoder"])
    bundle.configs["audio_encoder"] |= {"weights": "/elsewhere/a.safetensors", "frozen": False}
    bundle.configs["region_encoder"] |= {
        "backbone_weights": "/elsewhere/b.safetensors",
        "average_weights": "/elsewhere/c.safetensors",
    }
    tsg = checkpoint(tmp_path / "tsg.pth", bundle, ["audio_encoder", "mask_decoder"])
    sgi = checkpoint(tmp_path / "sgi.pth", bundle, ["region_encoder", "generator"])
    made = bundle_from_checkpoints(tsg=tsg, sgi=sgi)
    assert made.configs["audio_encoder"] == audio
    assert made.configs["region_encoder"] == encoder
    before, after = state_of(bundle), state_of(made)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_components_of_components_are_named_and_rebuilt(tmp_path, tiny_bundle):
    local = tiny_bundle.configs["audio_encoder"]
    by_class = {"type": Concat, "out_dim": 16, "encoders": [{**local, "type": MelCNN}]}
    bundle = new_bundle({**tiny_bundle.configs, "audio_encoder": by_class}, size=64)
    named = bundle.configs["audio_encoder"]
    assert (named["type"], named["encoders"][0]["type"]) == ("Concat", "MelCNN")
    tsg = checkpoint(tmp_path / "tsg.pth", bundle, ["audio_encoder", "mask_decoder"])
    sgi = checkpoint(tmp_path / "sgi.pth", bundle, ["region_encoder", "generator"])
    made = bundle_from_checkpoints(tsg=tsg, sgi=sgi)
    assert made.configs == bundle.configs
    save_bundle(tmp_path / "b.safetensors", made)
    before, after = state_of(bundle), state_of(load_bundle(tmp_path / "b.safetensors"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_class_weights_of_the_training_are_taken_off_the_logits(tmp_path, tiny_bundle):
    tsg = checkpoint(tmp_path / "tsg.pth", tiny_bundle, ["audio_encoder", "mask_decoder"])
    sgi = checkpoint(tmp_path / "sgi.pth", tiny_bundle, ["region_encoder", "generator"])
    content = torch.load(tsg, weights_only=True)
    weights = torch.linspace(0.5, 20, 12)
    content["state_dict"]["mask_loss.weights"] = weights
    torch.save(content, tsg)
    plane = torch.zeros(1, 12, 64, 64)
    decoders = [tiny_bundle.modules["mask_decoder"]]
    decoders.append(bundle_from_checkpoints(tsg=tsg, sgi=sgi).modules["mask_decoder"])
    with torch.no_grad():
        before, after = (decoder.eval()(plane, plane, torch.zeros(1, 16)) for decoder in decoders)
    wanted = (-0.75 * weights.log()).view(1, -1, 1, 1).expand_as(before)
    torch.testing.assert_close(after - before, wanted, atol=1e-4, rtol=1e-4)


def test_checkpoints_that_are_something_else_are_named(tmp_path, tiny_bundle):
    sgi = checkpoint(tmp_path / "sgi.pth", tiny_bundle, ["region_encoder", "generator"])
    with pytest.raises(FileNotFoundError, match="train it first"):
        bundle_from_checkpoints(tsg=tmp_path / "none.pth", sgi=sgi)
    with pytest.raises(BundleError, match="has no audio_encoder"):
        bundle_from_checkpoints(tsg=sgi, sgi=sgi)
    plain = tmp_path / "plain.pth"
    torch.save({"weight": torch.zeros(2)}, plain)
    with pytest.raises(ValueError, match="no checkpoint"):
        bundle_from_checkpoints(tsg=plain, sgi=sgi)


def _stripes(rows):
    """Skin, and a mouth of that many rows from row 1 on."""
    labels = np.full((2, 64, 64), SCHEME_12.index("skin"), np.uint8)
    for place, count in enumerate(rows):
        labels[place, 1 : 1 + count] = SCHEME_12.index("mouth")
    return labels


def test_a_region_too_small_for_the_encoder_is_not_seen(tiny_bundle):
    """One row falls between the cells of 4 px that are averaged: its code is everybody's."""
    labels, mouth, cpu = _stripes((1, 4)), SCHEME_12.index("mouth"), torch.device("cpu")
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    codes, seen = encode_styles(tiny_bundle, images, labels, cpu)
    assert seen[:, mouth].tolist() == [False, True]
    other, _ = encode_styles(tiny_bundle, 255 - images, labels, cpu)
    assert torch.equal(other[0, mouth], codes[0, mouth])
    assert not torch.allclose(other[1, mouth], codes[1, mouth])


def test_an_encoder_without_vectors_is_asked_for_its_codes_alone(tiny_bundle):
    encoder, cpu = tiny_bundle.modules["region_encoder"], torch.device("cpu")
    images, labels = np.zeros((2, 64, 64, 3), np.uint8), _stripes((1, 4))
    codes, _ = encode_styles(tiny_bundle, images, labels, cpu)

    class Plain(torch.nn.Module):
        def forward(self, image, mask):
            return encoder(image, mask)

    tiny_bundle.modules["region_encoder"] = Plain()
    plain, seen = encode_styles(tiny_bundle, images, labels, cpu)
    assert torch.equal(plain, codes)
    assert seen[:, SCHEME_12.index("mouth")].tolist() == [True, True]
