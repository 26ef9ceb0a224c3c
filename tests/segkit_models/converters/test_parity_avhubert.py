"""AV-HuBERT against stored outputs of the published code, a functional route, and torchaudio."""

import json

import pytest
import torch

from segkit.weights import convert_file, convert_state_dict
from segkit_models.audio_encoders import AVHubert
from tests.reference import avhubert as route
from tests.reference.seeded import relative_error, seeded_state

HEADS = {"tiny": 4, "base": 12}
SIZES = {"tiny": 213_440, "base": 91_039_488}
SETTINGS = {"model": {"_name": "av_hubert", "encoder_attention_heads": 4}}


def converted(top, **arguments):
    conversion = convert_state_dict("avhubert", top)
    config, tensors = conversion["avhubert"]
    config = dict(config)
    assert config.pop("type") is AVHubert
    module = AVHubert(**config | arguments)
    module.load_state_dict(tensors)
    return module.eval(), conversion


@pytest.fixture(scope="module", params=list(HEADS))
def published(request, parity, fill_tsg, stored):
    """Size, state under the published names without the video, stored outputs."""
    keys = json.loads((parity / "keys" / f"avhubert_{request.param}_keys.json").read_text())
    state = {
        key: torch.from_numpy(fill_tsg.value(key, shape).copy())
        for key, shape in keys.items()
        if not key.startswith("feature_extractor_video")
    }
    return request.param, state, stored(f"avhubert_{request.param}.pt")


def test_outputs_are_the_stored_ones(published):
    size, state, expected = published
    settings = {"model": {"encoder_attention_heads": HEADS[size]}}
    encoder, conversion = converted({"model": state, "cfg": settings})
    assert conversion.unknown == []
    assert set(conversion.ignored) == {
        "mask_emb", "label_embs_concat", "final_proj.weight", "final_proj.bias",
    }  # fmt: skip
    assert sum(p.numel() for p in encoder.parameters()) == SIZES[size]
    lengths = torch.tensor(expected["pad_lengths"])
    with torch.no_grad():
        last = encoder.encode_features(expected["audio"])
        first = encoder.encode_features(expected["audio"], layer=1)
        padded = encoder.encode_features(expected["audio"], lengths)
    torch.testing.assert_close(last, expected["out"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(first, expected["out_layer1_prenorm"], atol=1e-4, rtol=1e-4)
    for row, length in enumerate(expected["pad_lengths"]):
        torch.testing.assert_close(
            padded[row, :length], expected["out_padded"][row, :length], atol=1e-4, rtol=1e-4
        )


def test_the_second_route_is_the_stored_one_too(published):
    size, state, expected = published
    num_heads = HEADS[size]
    state = {key: value.double() for key, value in state.items()}
    audio = expected["audio"].double()
    for row, length in enumerate(expected["pad_lengths"]):
        last = route.forward(state, audio[row], num_heads=num_heads)
        first = route.forward(state, audio[row], num_heads=num_heads, layer=1)
        padded = route.forward(state, audio[row], num_heads=num_heads, length=length)
        assert relative_error(last, expected["out"][row].double()) < 1e-5
        assert relative_error(first, expected["out_layer1_prenorm"][row].double()) < 1e-5
        stored = expected["out_padded"][row, :length].double()
        assert relative_error(padded[:length], stored) < 1e-5


def test_names_and_shapes_are_the_published_ones(parity):
    keys = json.loads((parity / "keys" / "avhubert_base_keys.json").read_text())
    made = route.shapes(dim=768, num_layers=12, ff_dim=3072, kernel=128, groups=16, video=False)
    assert made.items() <= {key: tuple(shape) for key, shape in keys.items()}.items()
    outside = {key.split(".")[0] for key in keys.keys() - made.keys()}
    assert outside == {
        "feature_extractor_video", "mask_emb", "label_embs_concat", "final_proj",
    }  # fmt: skip


def test_a_small_network_agrees_with_plain_functions():
    state = seeded_state(route.shapes())
    encoder, conversion = converted({"model": state, "cfg": SETTINGS})
    assert conversion["avhubert"][0] == {
        "type": AVHubert, "dim": 32, "num_layers": 2, "num_heads": 4, "ff_dim": 48,
        "position_kernel": 16, "position_groups": 4, "out_dim": None,
    }  # fmt: skip
    encoder.double().network.requires_grad_(False)
    state = {key: value.float().double() for key, value in state.items()}
    features = torch.randn(2, 104, 40, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([40, 23])
    found = encoder.encode_features(features, lengths)
    rows = []
    for row, length in enumerate(lengths.tolist()):
        expected = route.forward(state, features[row], num_heads=4, length=length)
        # Float32 holds the folded weight.
        assert relative_error(found[row, :length], expected[:length]) < 1e-6
        rows.append((found[row, :length].square().sum(), expected[:length].square().sum()))
    ours, theirs = (sum(terms) for terms in zip(*rows, strict=True))
    gradients = [torch.autograd.grad(x, features, retain_graph=True)[0] for x in (ours, theirs)]
    assert relative_error(*gradients) < 1e-6
    assert gradients[0][1, :, 23:].abs().max() == 0, "the padding says something"


def test_torchaudio_agrees():
    """Its transformer under the same weights, reached by another renaming."""
    from torchaudio.models.wav2vec2 import components

    torch.manual_seed(0)
    theirs = components._get_encoder(
        in_features=64, embed_dim=32, dropout_input=0.0, pos_conv_kernel=16, pos_conv_groups=4,
        num_layers=3, num_heads=4, attention_dropout=0.0, ff_interm_features=48,
        ff_interm_dropout=0.0, dropout=0.0, layer_norm_first=True, layer_drop=0.0,
    ).eval()  # fmt: skip
    state = {"feature_extractor_audio.proj.weight": torch.randn(32, 104) / 10}
    state["feature_extractor_audio.proj.bias"] = torch.randn(32)
    names = {
        "feature_projection.layer_norm": "layer_norm",
        "feature_projection.projection": "post_extract_proj",
        "transformer.pos_conv_embed.conv.parametrizations.weight.original0": (
            "encoder.pos_conv.0.weight_g"
        ),
        "transformer.pos_conv_embed.conv.parametrizations.weight.original1": (
            "encoder.pos_conv.0.weight_v"
        ),
        "transformer.pos_conv_embed.conv": "encoder.pos_conv.0",
        "transformer.": "encoder.",
        ".attention.": ".self_attn.",
        "feed_forward.intermediate_dense": "fc1",
        "feed_forward.output_dense": "fc2",
    }
    for key, value in theirs.state_dict().items():
        layer = ".layers." in key
        for ours, published in names.items():
            key = key.replace(ours, published)
        if layer:
            key = key.replace(".layer_norm.", ".self_attn_layer_norm.")
        state[key] = value
    encoder, _ = converted({"model": state, "cfg": SETTINGS})
    features = torch.randn(2, 104, 50)
    audio = features.transpose(1, 2) @ state["feature_extractor_audio.proj.weight"].T
    audio = audio + state["feature_extractor_audio.proj.bias"]
    both = torch.cat([audio, torch.zeros_like(audio)], -1)
    with torch.no_grad():
        torch.testing.assert_close(
            encoder.encode_features(features), theirs(both), atol=1e-5, rtol=1e-5
        )
        torch.testing.assert_close(
            encoder.encode_features(features, layer=2),
            theirs.extract_features(both, None, 2)[-1], atol=1e-5, rtol=1e-5,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("container", "prefix", "others"),
    [
        ("model", "", ()),
        (None, "", ()),
        ("model", "encoder.w2v_model.", ("decoder.layers.0.fc1.weight", "encoder.proj.weight")),
        ("model", "w2v_encoder.w2v_model.", ("w2v_encoder.proj.weight",)),
        ("model", "w2v_model.", ()),
        (None, "encoder.", ()),
        (
            "state_dict",
            "module.audio_encoder.w2v_model.",
            (),
        ),
        (
            "state_dict",
            "audio_encoder.w2v_model.",
            ("audio_map.weight", "face_encoder_blocks.0.0.conv_block.0.weight", "sync_net.x"),
        ),
    ],
)
def test_every_wrapping_is_unwrapped(container, prefix, others):
    state = seeded_state(route.shapes())
    wanted, _ = converted({"model": state, "cfg": SETTINGS})
    wrapped = {prefix + key: value for key, value in state.items()}
    wrapped |= {key: torch.zeros(2, 2) for key in others}
    top = {container: wrapped} if container else dict(wrapped)
    found, conversion = converted(top | {"cfg": SETTINGS})
    assert conversion.unknown == []
    assert set(others) <= set(conversion.ignored)
    for key, value in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key


def test_heads_are_one_per_64_channels_where_settings_are_gone():
    state = seeded_state(route.shapes(dim=128, groups=8))
    _, conversion = converted({"model": state, "cfg": None})
    assert conversion["avhubert"][0]["num_heads"] == 2
    assert "heads cannot be read from this file; taken as 2" in conversion.notes[0]


def test_the_file_fills_the_network_and_leaves_the_linear_layer_fresh(tmp_path):
    state = seeded_state(route.shapes(), dtype=torch.float32)
    torch.save({"model": state, "cfg": SETTINGS}, tmp_path / "base_vox_iter5.pt")
    file = tmp_path / "avhubert.safetensors"
    convert_file("avhubert", tmp_path / "base_vox_iter5.pt", file)
    sizes = dict(
        dim=32, num_layers=2, num_heads=4, ff_dim=48, position_kernel=16, position_groups=4
    )
    encoder = AVHubert(weights=file, out_dim=8, **sizes).eval()
    plain, _ = converted({"model": state, "cfg": SETTINGS})
    waveform = torch.randn(1, 32_000) * 0.1
    with torch.no_grad():
        tokens = plain(waveform, 50)
        assert tokens.shape == (1, 50, 32)
        assert torch.equal(encoder(waveform, 50), encoder.projection(tokens))
    with pytest.raises(ValueError, match=r"do not fit this AVHubert.*num_layers=2"):
        AVHubert(weights=file, **sizes | {"num_layers": 3})


def test_other_files_are_told():
    with pytest.raises(ValueError, match=r"expected keys such as feature_extractor_audio"):
        convert_state_dict("avhubert", {"model": {"a.weight": torch.zeros(2)}})
    state = seeded_state(route.shapes())
    del state["encoder.layers.1.fc2.bias"]
    with pytest.raises(ValueError, match=r"keys are missing: encoder\.layers\.1\.fc2\.bias"):
        convert_state_dict("avhubert", {"model": state})
