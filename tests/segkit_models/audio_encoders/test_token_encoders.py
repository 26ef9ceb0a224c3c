"""Encoders of published networks: chunks, tokens once per clip, what learns, how they are mixed."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segkit.clips import write_clip, write_manifest
from segkit.contracts import AudioEncoder, encode_audio
from segkit.listening import check_listener
from segkit.registry import AUDIO_ENCODERS
from segkit.talk.bundle import load_bundle, new_bundle, save_bundle
from segkit.talk.speech import embed_speech
from segkit.weights import convert_file
from segkit.windows import TalkingMaskWindows
from segkit_models.audio_encoders import AVHubert, Concat, MelCNN
from segkit_models.audio_encoders.token_encoder import CHUNKS_AT_ONCE, chunks_of
from segkit_models.talking.tsg import TSG
from tests.reference import avhubert as route
from tests.reference.seeded import seeded_state

HUBERT = dict(
    type="AVHubert", dim=16, num_layers=2, num_heads=2, ff_dim=24, position_kernel=8,
    position_groups=2, out_dim=6,
)  # fmt: skip
CONVOLUTIONS = ((8, 10, 5), *[(8, 3, 2)] * 4, *[(8, 2, 2)] * 2)
SMALL = dict(
    extractor_conv_layer_config=CONVOLUTIONS, encoder_embed_dim=16, encoder_num_layers=2,
    encoder_num_heads=2, encoder_ff_interm_features=24, encoder_pos_conv_kernel=8,
    encoder_pos_conv_groups=2,
)  # fmt: skip
SSL = dict(type="TorchaudioSSL", name="HUBERT_BASE", parameters=SMALL, out_dim=6)
# The large kind: layer norms instead of a group norm, and waveforms of mean 0 and deviation 1.
SSL_LARGE = SSL | dict(name="WAVLM_LARGE")
MEL = dict(type="MelCNN", out_dim=8, widths=(8, 8, 8, 8, 8), norm="group")
BOTH = [
    dict(type="Concat", encoders=[MEL, config], out_dim=8, norm="group") for config in (HUBERT, SSL)
]
TOKENS = pytest.mark.parametrize("config", [HUBERT, SSL, SSL_LARGE], ids=["av", "ssl", "wavlm"])


def build(config, **changes):
    torch.manual_seed(0)
    return AUDIO_ENCODERS.build(config | changes).eval()


def speech(num_samples, batch=1):
    torch.manual_seed(1)
    return torch.randn(batch, num_samples) * 0.1


class TestChunks:
    @given(st.integers(1, 2000), st.integers(1, 100), st.integers(0, 100))
    def test_every_frame_is_kept_once_with_its_context(self, num_frames, hop, more):
        length = hop + more
        chunks = chunks_of(num_frames, length=length, hop=hop)
        kept = [frame for chunk in chunks for frame in range(chunk.first, chunk.stop)]
        assert kept == list(range(num_frames))
        margin = (length - hop) // 2
        for start, first, stop in chunks:
            end = start + min(length, num_frames)
            assert 0 <= start <= first < stop <= end <= num_frames
            assert first - start >= margin or start == 0
            assert end - stop >= margin or end == num_frames

    def test_the_papers(self):
        assert [chunk.start for chunk in chunks_of(160, length=75, hop=25)] == [0, 25, 50, 75, 85]
        assert chunks_of(75, length=75, hop=25) == [(0, 0, 75)]
        assert chunks_of(5000, length=0, hop=25) == [(0, 0, 5000)]

    @TOKENS
    def test_impossible_chunks_are_told(self, config):
        for changes in (dict(chunk_frames=10), dict(hop_frames=0), dict(chunk_frames=-1)):
            with pytest.raises(ValueError, match="1 <= hop_frames <= chunk_frames"):
                build(config, **changes)


class TestContract:
    @pytest.mark.parametrize("config", [HUBERT, SSL, SSL_LARGE, *BOTH])
    def test_is_the_contract_and_parts_are_those_of_the_whole(self, config):
        encoder = build(config)
        assert isinstance(encoder, AudioEncoder)
        waveform = speech(640 * 190 + 123, batch=2)
        with torch.no_grad():
            whole = encoder(waveform, 195)
            assert whole.shape == (2, 195, encoder.out_dim)
            assert whole.min() >= 0
            for first, count in ((0, 3), (74, 2), (49, 30), (120, 71), (188, 7), (193, 1)):
                part = encoder(waveform, count, first)
                torch.testing.assert_close(
                    part, whole[:, first : first + count], atol=1e-5, rtol=1e-5
                )

    @pytest.mark.parametrize("config", [HUBERT, SSL, SSL_LARGE, *BOTH])
    def test_features_say_what_the_waveform_says(self, config):
        encoder = build(config)
        assert encoder.features_per_frame == 1
        waveform = speech(640 * 100 + 7, batch=2)
        features = torch.stack([encoder.listen(sound) for sound in waveform])
        assert features.shape == (2, 101, 16)
        assert features.dtype == torch.float32
        with torch.no_grad():
            for first, count in ((0, 101), (30, 5), (98, 6)):
                torch.testing.assert_close(
                    encode_audio(encoder, waveform, count, first, features),
                    encoder(waveform, count, first), atol=1e-5, rtol=1e-5,
                )  # fmt: skip

    @TOKENS
    def test_past_the_end_nothing_is_heard(self, config):
        encoder = build(config, out_dim=None)
        assert encoder.out_dim == 16
        waveform = speech(6401)
        with torch.no_grad():
            assert not encoder(waveform, 2, 11).any()
            assert encoder(waveform, 2, 10)[0, 0].any()

    @TOKENS
    def test_wrong_calls_are_told(self, config):
        encoder = build(config)
        with pytest.raises(ValueError, match=r"waveform: expected shape \(B, N\), got \(6400,\)"):
            encoder(torch.zeros(6400), 3)
        with pytest.raises(ValueError, match="num_frames >= 1 and first >= 0, got 0 and 2"):
            encoder(torch.zeros(1, 6400), 0, 2)
        with pytest.raises(ValueError, match=r"features: expected shape \(B=1, F, C=16\)"):
            encoder(torch.zeros(1, 6400), 3, features=torch.zeros(1, 10, 191))
        with pytest.raises(ValueError, match="average the channels first"):
            encoder.listen(torch.zeros(2, 6400))
        with pytest.raises(ValueError, match=r"layer: expected 1 \.\. 2 or None, got 3"):
            build(config, layer=3)
        with pytest.raises(ValueError, match=r"num_trainable_layers: expected 0 \.\. 1, got 2"):
            build(config, layer=1, num_trainable_layers=2)

    @TOKENS
    def test_copies_and_pickles(self, config):
        encoder = build(config)
        waveform = speech(6400)
        for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
            with torch.no_grad():
                assert torch.equal(twin(waveform, 10), encoder(waveform, 10))
            assert twin.name == encoder.name


class TestListening:
    def test_chunked_av_hubert_is_a_loop_over_3_s(self):
        encoder = build(HUBERT)
        waveform = speech(640 * 160)
        rows = encoder.front_end(waveform)
        wanted = []
        with torch.no_grad():
            for start, first, stop in ((0, 0, 50), (25, 50, 75), (50, 75, 100), (75, 100, 125)):
                tokens = encoder.encode_features(rows[:, start : start + 75].transpose(1, 2))
                wanted.append(tokens[0, first - start : stop - start])
            wanted.append(encoder.encode_features(rows[:, 85:].transpose(1, 2))[0, 40:])
        found = encoder.listen(waveform[0])
        torch.testing.assert_close(found, torch.cat(wanted), atol=1e-5, rtol=1e-5)
        whole = build(HUBERT, chunk_frames=0).listen(waveform[0])
        with torch.no_grad():
            expected = encoder.encode_features(rows.transpose(1, 2))[0]
        torch.testing.assert_close(whole, expected, atol=1e-5, rtol=1e-5)
        assert (whole - found).abs().max() > 0.01, "chunks hear less"

    @pytest.mark.parametrize("config", [SSL, SSL_LARGE])
    def test_chunked_ssl_is_a_loop_over_3_s(self, config):
        encoder = build(config)
        waveform = speech(640 * 120)
        padded = torch.nn.functional.pad(waveform, (0, 80))
        wanted = []
        with torch.no_grad():
            for start, first, stop in ((0, 0, 50), (25, 50, 75), (45, 75, 120)):
                stretch = padded[:, 640 * start : 640 * (start + 75) + 80]
                if config is SSL_LARGE:
                    stretch = (stretch - stretch.mean()) / (stretch.var(correction=0) + 1e-5).sqrt()
                halves, _ = encoder.network(stretch)
                assert halves.shape[1] == 150
                tokens = (halves[0, 0::2] + halves[0, 1::2]) / 2
                wanted.append(tokens[first - start : stop - start])
        found = encoder.listen(waveform[0])
        torch.testing.assert_close(found, torch.cat(wanted), atol=1e-5, rtol=1e-4)

    @TOKENS
    def test_long_speech_passes_in_bounded_batches(self, config):
        encoder = build(config)
        sizes = []
        encoder.network.register_forward_hook(lambda *call: sizes.append(len(call[1][0])))
        if hasattr(encoder.network, "feature_extractor"):
            encoder.network.feature_extractor.register_forward_hook(
                lambda *call: sizes.append(len(call[1][0]))
            )
        waveform = speech(640 * 25 * 60)
        assert encoder.listen(waveform[0]).shape == (1500, 16)
        assert sizes == [16, 16, 16, 10]
        sizes.clear()
        with torch.no_grad():
            encoder(waveform.expand(5, -1), 1500)
        assert max(sizes) <= CHUNKS_AT_ONCE
        assert sum(sizes) == 5 * 58

    @TOKENS
    def test_only_the_chunks_of_the_frames_wanted_are_heard(self, config):
        encoder = build(config)
        starts = []
        hear = encoder.hear
        encoder.hear = lambda waveform, wanted, length: (
            starts.extend(wanted) or hear(waveform, wanted, length)
        )
        with torch.no_grad():
            encoder(speech(640 * 1000), 5, 500)
        assert starts == [475]

    @TOKENS
    def test_the_name_changes_with_what_changes_the_tokens(self, config):
        encoder = build(config)
        name = encoder.name
        kind = {"AVHubert": "avhubert"}.get(config["type"], config.get("name", "").lower())
        assert name.startswith(f"{kind}_")
        assert len(name) == len(kind) + 9
        assert build(config, out_dim=None).name == name, "the linear layer comes later"
        others = [build(config, **change).name for change in (
            dict(layer=1), dict(chunk_frames=50), dict(hop_frames=20))]  # fmt: skip
        torch.manual_seed(5)
        others.append(AUDIO_ENCODERS.build(config).name)
        assert len({name, *others}) == 5
        with torch.no_grad():
            next(encoder.network.parameters()).add_(1e-3)
        assert encoder.name != name

    def test_a_clip_is_heard_once_whatever_its_windows(self, tmp_path):
        entries = []
        for number, length in enumerate((110, 40)):
            masks = [np.zeros((16, 16), np.uint8)] * length
            frames = [np.zeros((16, 16, 3), np.uint8)] * length
            waveform = speech(640 * length)[0] * (number + 1)
            entries.append(
                write_clip(tmp_path, str(number), frames=frames, masks=masks, waveform=waveform,
                           person_id=str(number), split="train")
            )  # fmt: skip
        write_manifest(tmp_path, entries)
        listener = build(HUBERT)
        calls = []
        listener.network.register_forward_hook(lambda *call: calls.append(len(call[1][0])))
        windows = TalkingMaskWindows(tmp_path, listener=listener, num_samples=60)
        heard = {}
        for index in range(60):
            sample = windows[index]
            assert sample["features"].shape == (75, 16)
            heard[float(sample["waveform"].abs().sum())] = sample
        # 110 frames are three chunks, 40 are one: 60 windows of 3 s took these two calls alone.
        assert sorted(calls) == [1, 3]
        assert {path.name for path in tmp_path.rglob("avhubert_*.npy")} == {f"{listener.name}.npy"}
        again = TalkingMaskWindows(tmp_path, listener=HUBERT | dict(out_dim=None), num_samples=60)
        with torch.no_grad():
            for ours, theirs in zip(
                again.listener.network.parameters(), listener.network.parameters(), strict=True
            ):
                ours.copy_(theirs)
        again.listener.network.register_forward_hook(lambda *call: calls.append(len(call[1][0])))
        assert torch.equal(again[3]["features"], windows[3]["features"])
        assert len(calls) == 2, "the second training read what the first had left"

    def test_training_and_talking_hear_the_same(self, tmp_path):
        """A window's features, cut from the clip's, are those of the whole waveform there."""
        encoder = build(HUBERT)
        waveform = speech(640 * 200)
        speech_of_clip = embed_speech(encoder, waveform[0])
        features = encoder.listen(waveform[0])
        with torch.no_grad():
            window = encoder(
                waveform[:, 640 * 60 : 640 * 135], 5, 35, features=features[None, 60:135]
            )
        torch.testing.assert_close(window[0], speech_of_clip.vectors[95:100], atol=1e-5, rtol=1e-5)


class TestWhatLearns:
    @TOKENS
    def test_by_default_the_linear_layer_alone(self, config):
        encoder = build(config).train()
        assert encoder.training
        assert not any(module.training for module in encoder.network.modules())
        waveform = speech(640 * 80)
        one, other = encoder(waveform, 80), encoder(waveform, 80)
        assert torch.equal(one, other), "nothing drops out of a frozen network"
        one.sum().backward()
        taught = {name for name, p in encoder.named_parameters() if p.grad is not None}
        assert taught == {"projection.0.weight", "projection.0.bias"}
        fresh = AUDIO_ENCODERS.build(config)
        assert not any(module.training for module in fresh.network.modules())

    @TOKENS
    def test_the_last_layers(self, config):
        encoder = build(config, num_trainable_layers=1).train()
        assert not hasattr(encoder, "listen"), "tokens that change cannot be kept"
        encoder(speech(640 * 80), 80).sum().backward()
        taught = {name for name, p in encoder.named_parameters() if p.grad is not None}
        assert all(".layers.1." in name or name.startswith("projection") for name in taught)
        assert any(".layers.1." in name for name in taught)
        assert {n for n, p in encoder.named_parameters() if p.requires_grad} == taught
        with pytest.raises(ValueError, match="train it without a listener"):
            encoder(speech(6400), 3, features=torch.zeros(1, 10, 16))
        with pytest.raises(ValueError, match=r"has no listen\(waveform\)"):
            check_listener(encoder)

    @TOKENS
    def test_all_of_it(self, config):
        encoder = build(config, frozen=False, layer=2).train()
        encoder(speech(640 * 10), 10).sum().backward()
        taught = [name for name, p in encoder.named_parameters() if p.grad is not None]
        assert sum(".layers." in name for name in taught) >= 24
        with pytest.raises(ValueError, match="leave one of them out"):
            build(config, frozen=False, num_trainable_layers=1)

    def test_dropout_is_for_layers_that_learn(self):
        encoder = build(HUBERT, num_trainable_layers=1, dropout=0.5).train()
        waveform = speech(640 * 10)
        assert not torch.equal(encoder(waveform, 10), encoder(waveform, 10))
        encoder.eval()
        assert torch.equal(encoder(waveform, 10), encoder(waveform, 10))


class TestTogether:
    @pytest.mark.parametrize("config", BOTH)
    def test_tsg_trains_on_both(self, config):
        torch.manual_seed(0)
        decoder = dict(
            type="UNetMaskDecoder", num_regions=3, size=64, audio_dim=8, width=0.02, norm="group"
        )
        model = TSG(audio_encoder=config, mask_decoder=decoder, num_regions=3)
        encoder = model.audio_encoder
        assert isinstance(encoder, Concat)
        assert isinstance(encoder.encoders[0], MelCNN)
        before = copy.deepcopy(model.state_dict())
        features = torch.stack([encoder.listen(sound) for sound in speech(48_000, batch=2)])
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        batch = dict(
            masks=torch.randint(3, (2, 5, 64, 64)).byte(),
            reference=torch.randint(3, (2, 64, 64)).byte(),
            waveform=speech(48_000, batch=2),
        )
        given = model(**batch, features=features)
        torch.testing.assert_close(given, model(**batch), atol=1e-4, rtol=1e-4)
        model(**batch, features=features, mode="loss")["loss"].backward()
        optimiser.step()
        changed = {key for key, value in model.state_dict().items() if (value != before[key]).any()}
        assert not any(".network." in key for key in changed)
        assert any("encoders.1.projection" in key for key in changed)
        assert any("encoders.0.layers" in key for key in changed)

    def test_a_bundle_needs_no_file_of_pretrained_weights(self, tmp_path):
        shapes = route.shapes(dim=16, num_layers=2, ff_dim=24, kernel=8, groups=2)
        settings = {"encoder_attention_heads": 2}
        torch.save({"model": seeded_state(shapes), "cfg": settings}, tmp_path / "published.pt")
        path = tmp_path / "avhubert.safetensors"
        _, tensors = convert_file("avhubert", tmp_path / "published.pt", path)["avhubert"]
        own = HUBERT | dict(weights=str(path), num_trainable_layers=1, dropout=0.3)
        parts = dict(
            audio_encoder=dict(type="Concat", encoders=[MEL, own], out_dim=8, norm="group"),
            mask_decoder=dict(type="UNetMaskDecoder", size=64, audio_dim=8, width=0.02),
            region_encoder=dict(
                type="FPNRegionEncoder", num_layers=10, style_dim=8, input_size=64,
                width=[8] * 5, units=[1] * 4, fpn_dim=8, norm="group",
            ),
            generator=dict(
                type="RegionStyleGAN2", size=64, style_dim=8, channels=[8] * 5,
                num_masked_layers=17,
            ),
        )  # fmt: skip
        bundle = new_bundle(parts, size=64)
        save_bundle(tmp_path / "bundle.safetensors", bundle)
        path.unlink()
        loaded = load_bundle(tmp_path / "bundle.safetensors")
        config = loaded.configs["audio_encoder"]["encoders"][1]
        assert not {"weights", "num_trainable_layers", "dropout"} & set(config)
        encoder = loaded.modules["audio_encoder"]
        assert hasattr(encoder, "listen"), "what was trained is settled"
        assert isinstance(encoder.encoders[1], AVHubert)
        found = encoder.encoders[1].state_dict()
        assert all(torch.equal(found[key], value) for key, value in tensors.items())
