"""Torchaudio's speech models: its own numbers at half its rate, its own files, clear errors."""

import pytest
import torch

from segkit_models.audio_encoders import TorchaudioSSL
from segkit_models.audio_encoders.torchaudio_ssl import _reach

CONVOLUTIONS = ((8, 10, 5), *[(8, 3, 2)] * 4, *[(8, 2, 2)] * 2)
SMALL = dict(
    extractor_conv_layer_config=CONVOLUTIONS, encoder_embed_dim=16, encoder_num_layers=2,
    encoder_num_heads=2, encoder_ff_interm_features=24, encoder_pos_conv_kernel=8,
    encoder_pos_conv_groups=2,
)  # fmt: skip


def build(name="HUBERT_BASE", **arguments):
    torch.manual_seed(0)
    return TorchaudioSSL(name, parameters=SMALL, **arguments).eval()


def speech(num_samples):
    torch.manual_seed(1)
    return torch.randn(1, num_samples) * 0.1


@pytest.mark.parametrize("name", ["HUBERT_BASE", "WAV2VEC2_BASE", "WAVLM_BASE_PLUS"])
def test_a_frame_is_the_mean_of_its_two_tokens(name):
    """Torchaudio's own run, over the whole and the 80 samples that end its last token."""
    waveform = speech(640 * 20 + 80)
    for layer in (None, 1):
        encoder = build(name, chunk_frames=0, out_dim=None, layer=layer)
        with torch.no_grad():
            if layer is None:
                halves = encoder.network(waveform)[0][0]
            else:
                halves = encoder.network.extract_features(waveform)[0][0][0]
            found = encoder.hear(waveform, [0], 20)[0, 0]
        assert halves.shape == (40, 16)
        torch.testing.assert_close(found, halves.view(20, 2, -1).mean(1))


@pytest.mark.parametrize("old_names", [False, True])
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_torchaudios_own_file_is_taken(tmp_path, ending, old_names):
    from safetensors.torch import save_file
    from torchaudio.models import wav2vec2_model
    from torchaudio.pipelines import HUBERT_BASE

    torch.manual_seed(4)
    theirs = wav2vec2_model(**HUBERT_BASE._params | SMALL | {"aux_num_out": 5}).eval()
    state = dict(theirs.state_dict())
    if old_names:
        for ours, published in (("original0", "weight_g"), ("original1", "weight_v")):
            for key in [key for key in state if key.endswith(f"parametrizations.weight.{ours}")]:
                short = key.replace(f"parametrizations.weight.{ours}", published)
                state[short] = state.pop(key)
    path = tmp_path / f"hubert{ending}"
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    encoder = build(weights=path, chunk_frames=0)
    waveform = speech(640 * 20 + 80)
    with torch.no_grad():
        features, _ = theirs.feature_extractor(waveform, None)
        torch.testing.assert_close(
            encoder.encode_waveform(waveform), theirs.encoder(features), atol=1e-5, rtol=1e-5
        )


def test_other_files_are_told(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"not the weights of HUBERT_BASE: lacks .*; holds") as e:
        build(weights=path)
    assert "give hubert_fairseq_base_ls960.pth of https://download.pytorch.org" in str(e.value)
    wide = TorchaudioSSL(parameters=SMALL | dict(encoder_embed_dim=32), out_dim=None)
    torch.save(wide.network.state_dict(), path)
    with pytest.raises(ValueError, match=r"not the weights of HUBERT_BASE \(size mismatch"):
        build(weights=path)
    torch.save({"model": {"a": torch.zeros(2)}}, path)
    with pytest.raises(ValueError, match="expected a flat state dict for HUBERT_BASE"):
        build(weights=path)
    with pytest.raises(FileNotFoundError):
        build(weights=tmp_path / "absent.pth")


def test_unknown_models_are_told():
    with pytest.raises(KeyError) as error:
        TorchaudioSSL("HUBERT_BAS")
    text = str(error.value)
    assert "no speech model 'HUBERT_BAS'. Did you mean 'HUBERT_BASE'" in text
    for name in ("HUBERT_LARGE", "WAVLM_BASE_PLUS", "WAV2VEC2_XLSR_300M"):
        assert name in text
    with pytest.raises(ValueError, match=r"parameters: .*unexpected keyword argument 'depth'"):
        TorchaudioSSL(parameters=dict(depth=3))
    with pytest.raises(ValueError, match=r"strides multiply to 320 .* got \[5, 2\]"):
        TorchaudioSSL(parameters=dict(extractor_conv_layer_config=[(8, 10, 5), (8, 3, 2)]))


def test_all_published_models_have_50_tokens_per_second():
    from torchaudio import pipelines

    bundles = [b for b in vars(pipelines).values() if isinstance(b, pipelines.Wav2Vec2Bundle)]
    assert len(bundles) >= 20
    for bundle in bundles:
        assert _reach(bundle._params["extractor_conv_layer_config"]) == 400
        assert bundle.sample_rate == 16_000


def test_the_published_size():
    with torch.device("meta"):
        encoder = TorchaudioSSL("WAVLM_LARGE", out_dim=None)
    assert encoder.out_dim == 1024
    assert len(encoder.layers()) == 24
    assert encoder.normalise
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(315.5e6, rel=0.01)
