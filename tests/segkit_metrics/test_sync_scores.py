"""LSE-C, LSE-D and offset: stored values, pieces, clips, and what goes wrong with them."""

import importlib.util
import itertools
import json
import math
import tracemalloc

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from segkit.registry import METRICS
from segkit.weights import convert_file, convert_state_dict
from segkit_metrics.base import MissingWeightsError
from segkit_metrics.sync import SyncNetScore
from segkit_metrics.sync_distances import SyncDistances, sync_scores
from segkit_models.experts.evaluation_syncnet import EvaluationSyncNet
from tests.reference import syncnet_v2 as route
from tests.reference.seeded import seeded_state

SMALL = dict(lip=(4, 6, 8, 4, 6, 8), audio=(4, 6, 8, 6, 4, 10), dim=12)
ORDER = ("offset", "lse_d", "lse_c")


def by_loops(video, audio, vshift=15):
    count, distances = len(video), []
    for shift in range(-vshift, vshift + 1):
        rows = [audio[i + shift] if 0 <= i + shift < count else 0 * audio[0] for i in range(count)]
        distances.append(
            np.mean([math.dist(v + 1e-6, a) for v, a in zip(video, rows, strict=True)])
        )
    distances = np.array(distances)
    best = int(distances.argmin())
    return vshift - best, distances[best], np.median(distances) - distances[best]


def test_stored_values(oracle, oracle_inputs):
    scores = sync_scores(oracle_inputs["sync_video"], oracle_inputs["sync_audio"])
    assert [getattr(scores, key) for key in ORDER] == pytest.approx(oracle("sync"), abs=1e-9)


def test_the_published_code_on_a_synthetic_pair(parity):
    film = torch.load(parity / "syncnet_v2.pt", weights_only=True)
    scores = sync_scores(film["feats_im"], film["feats_cc"])
    wanted = [film["feats_result"][key] for key in ORDER]
    assert wanted == [-3, pytest.approx(10.7228, abs=1e-4), pytest.approx(33.2279, abs=1e-4)]
    assert [getattr(scores, key) for key in ORDER] == pytest.approx(wanted, rel=1e-6)


@given(st.lists(st.integers(0, 25), min_size=1, max_size=6), st.integers(1, 6), st.integers(0, 99))
def test_pieces_give_what_loops_give(sizes, vshift, seed):
    count = sum(sizes) + 1
    video, audio = np.random.default_rng(seed).standard_normal((2, count, 3))
    distances = SyncDistances(vshift=vshift)
    start = 0
    for size in [*sizes, 1]:
        distances.add(video[start : start + size], audio[start : start + size])
        distances.scores() if distances.count else None  # asking changes nothing
        start += size
    found = [getattr(distances.scores(), key) for key in ORDER]
    assert found == pytest.approx(by_loops(video, audio, vshift), rel=1e-9)


@pytest.mark.parametrize("lag", [-4, 0, 7])
def test_late_speech_has_a_negative_offset(lag):
    speech = np.random.default_rng(0).standard_normal((90, 8))
    assert sync_scores(speech[20:80], speech[20 - lag : 80 - lag]).offset == -lag


def test_padding_makes_short_clips_score_lower():
    # As the published code does; why only clips of one length compare.
    video = np.random.default_rng(1).standard_normal((400, 64))
    confidence = [sync_scores(video[:n], video[:n] + 0.01).lse_c for n in (6, 20, 100, 400)]
    assert confidence == sorted(confidence)
    assert confidence[-1] > 1.3 * confidence[0]


def test_wrong_embeddings_are_told():
    with pytest.raises(
        ValueError, match=r"expected two arrays \(N, D\), got \(3, 2\) and \(4, 2\)"
    ):
        sync_scores(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="at least one window, got none"):
        sync_scores(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="vshift: expected at least 1"):
        SyncDistances(vshift=0)
    distances = SyncDistances()
    distances.add(np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="expected width 2, got 3"):
        distances.add(np.zeros((1, 3)), np.zeros((1, 3)))


def small_network(seed=0):
    config, tensors = convert_state_dict(
        "syncnet_v2", seeded_state(route.shapes(**SMALL), seed=seed, dtype=torch.float32)
    )["syncnet_v2"]
    arguments = {key: value for key, value in config.items() if key != "type"}
    network = EvaluationSyncNet(**arguments)
    network.load_state_dict(tensors)
    return network


class Hearing(nn.Module):
    """Embeds a window by the brightness of its frames, and speech by its loudness, exactly."""

    def encode_video(self, frames):
        assert frames.shape[1:] == (3, 5, 224, 224)
        return frames[:, :, :, 0, 0].flatten(1)

    def encode_audio(self, mfcc):
        assert mfcc.shape[1:] == (1, 13, 20)
        return mfcc[:, 0, 0, :15]


def clip(count, seed=0, size=32, name="c", fps=25.0, samples=None):
    generator = np.random.default_rng(seed)
    frames = generator.integers(0, 256, (count, 3, size, size)).astype(np.uint8)
    samples = count * 640 if samples is None else samples
    audio = generator.integers(-9999, 9999, samples).astype(np.int16)
    return {"sample_id": name, "pred_frames": frames, "audio": audio, "fps": fps}


def scored(metric, *samples):
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_the_published_chain_from_frames_and_samples(parity):
    film = torch.load(parity / "syncnet_v2.pt", weights_only=True)
    spec = importlib.util.spec_from_file_location("fill_tsg", parity / "fill_tsg.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    keys = json.loads((parity / "keys" / "syncnet_v2_keys.json").read_text())
    state = {key: torch.from_numpy(fill.value(key, shape).copy()) for key, shape in keys.items()}
    network = EvaluationSyncNet()
    network.load_state_dict(convert_state_dict("syncnet_v2", state)["syncnet_v2"][1])
    small = film["vid_small"]
    frames = nn.functional.interpolate(small, size=(224, 224), mode="nearest").round()
    sample = {
        "sample_id": "film", "fps": 25, "audio": film["wav_i16"],
        "pred_frames": frames.flip(1).to(torch.uint8),
    }  # fmt: skip
    with pytest.warns(UserWarning, match="only 19 windows"):
        found = SyncNetScore(weights=network, device="cpu").measure(sample)
    assert found["n_windows"] == 19
    assert found["lse_d"] == pytest.approx(film["chain"]["lse_d"], rel=1e-5)
    # A difference of two numbers that are 370 times as large.
    assert found["lse_c"] == pytest.approx(film["chain"]["lse_c"], abs=0.005)
    assert found["offset"] == film["chain"]["offset"]


def test_windows_and_columns_are_those_of_the_frames():
    sample, metric = clip(61, size=224), SyncNetScore(weights=Hearing(), device="cpu", batch_size=7)
    metric.chunk_frames = 9
    found = metric.measure(sample)
    from segkit.speech_features import SyncNetMFCC

    columns = SyncNetMFCC()(torch.from_numpy(sample["audio"])[None] / 32768)[0]
    blue_first = sample["pred_frames"][:, ::-1, 0, 0].astype(np.float64)
    video = np.stack([blue_first[i : i + 5].T.ravel() for i in range(56)])
    audio = np.stack([columns[0, 4 * i : 4 * i + 15].numpy() for i in range(56)])
    wanted = by_loops(video, audio)
    assert [found[key] for key in ORDER] == pytest.approx(wanted, rel=1e-6)
    assert found["n_windows"] == 56
    assert found["abs_offset"] == abs(found["offset"])


def test_chunks_and_batches_change_nothing():
    sample, network = clip(60, size=48), small_network()
    wanted = None
    for chunk, batch in ((64, 20), (3, 20), (11, 4)):
        metric = SyncNetScore(weights=network, crop="resize", batch_size=batch, device="cpu")
        metric.chunk_frames = chunk
        found = metric.measure(sample)
        wanted = wanted or found
        assert found == pytest.approx(wanted, rel=1e-6)


def test_whole_frames_are_squeezed_as_the_published_script_does():
    sample = clip(56, size=50)
    squeezed = np.stack([cv2.resize(f.transpose(1, 2, 0), (224, 224)).transpose(2, 0, 1)
                         for f in sample["pred_frames"]])  # fmt: skip
    wanted = SyncNetScore(weights=Hearing(), device="cpu").measure(
        sample | {"pred_frames": squeezed}
    )
    found = SyncNetScore(weights=Hearing(), crop="resize", device="cpu")
    assert found.measure(sample) == wanted
    floats = {"pred_frames": sample["pred_frames"].astype(np.float32) / 255}
    assert found.measure(sample | floats) == wanted
    with pytest.raises(ValueError, match=r"clip 'c': pred_frames: expected face crops of 224 px"):
        SyncNetScore(weights=Hearing(), device="cpu").measure(sample)


def test_other_rates_are_refused_or_resampled_when_asked():
    sample = clip(100, size=8, fps=50.0, samples=50 * 640)
    with pytest.raises(ValueError, match="clip 'c': fps: SyncNet wants 25 fps, got 50; convert"):
        SyncNetScore(weights=Hearing(), crop="resize", device="cpu").measure(sample)
    resampling = SyncNetScore(weights=Hearing(), crop="resize", resample=True, device="cpu")
    resampling.chunk_frames = 7
    every_second = sample | {"pred_frames": sample["pred_frames"][::2], "fps": 25}
    with pytest.warns(UserWarning, match="only 45 windows"):
        found = resampling.measure(sample)
    with pytest.warns(UserWarning, match="only 45 windows"):
        assert found == resampling.measure(every_second)
    slow = clip(40, size=8, fps=16.0, samples=62 * 640)
    nearest = [min(math.floor(k * 16 / 25 + 0.5), 39) for k in range(62)]
    repeated = slow | {"pred_frames": slow["pred_frames"][nearest], "fps": 25}
    assert resampling.measure(slow) == resampling.measure(repeated)


def test_what_makes_the_number_doubtful_is_warned_of():
    metric = SyncNetScore(weights=Hearing(), crop="resize", device="cpu")
    message = r"clip 'c': 2\.40 s of video and 3\.20 s of speech"
    with pytest.warns(UserWarning, match=message):
        assert metric.measure(clip(60, size=8, samples=80 * 640))["n_windows"] == 55
    with pytest.warns(UserWarning, match="only 49 windows; below 50"):
        metric.measure(clip(54, size=8))
    with pytest.raises(
        ValueError, match=r"'c': expected at least 6 frames .*got 5 frames and 3200"
    ):
        metric.measure(clip(5, size=8))
    with pytest.raises(ValueError, match=r"got 60 frames and 3839 samples \(5 frames\) of speech"):
        metric.measure(clip(60, size=8, samples=3839))
    silent = {"audio": np.full(60 * 640, 20, np.int16)}
    with pytest.raises(ValueError, match=r"clip 'c': audio: silent throughout"):
        metric.measure(clip(60, size=8) | silent)
    with pytest.raises(ValueError, match=r"clip 'c': audio: expected int16"):
        metric.measure(clip(60, size=8) | {"audio": np.zeros(99, np.float32)})
    with pytest.raises(ValueError, match="clip 'c': expected fps"):
        metric.measure({key: value for key, value in clip(60).items() if key != "fps"})


def test_the_network_comes_from_a_converted_file(tmp_path):
    state = seeded_state(route.shapes(**SMALL), seed=0, dtype=torch.float32)
    torch.save(state, tmp_path / "syncnet_v2.model")
    file = tmp_path / "syncnet_v2.safetensors"
    convert_file("syncnet_v2", tmp_path / "syncnet_v2.model", file)
    metric = METRICS.build(dict(type="SyncNetScore", weights=file, crop="resize", device="cpu"))
    assert isinstance(metric, SyncNetScore)
    sample = clip(58, size=40)
    built = SyncNetScore(weights=small_network(), crop="resize", device="cpu")
    assert metric.measure(sample) == built.measure(sample)
    assert "SyncNet v2 (syncnet_v2.model " in metric.definition()
    assert "whole frames resized to 224 px" in metric.definition()
    assert "a network of the caller's" in built.definition()
    with pytest.raises(
        MissingWeightsError, match=r"no path was given; expected syncnet_v2.*961e86"
    ):
        SyncNetScore(weights=None)
    with pytest.raises(MissingWeightsError, match=r"absent\.safetensors not found"):
        SyncNetScore(weights=tmp_path / "absent.safetensors")
    with pytest.raises(ValueError, match="not a file made by `segkit convert`"):
        SyncNetScore(weights=tmp_path / "syncnet_v2.model")
    with pytest.raises(ValueError, match="crop: expected 'given' or 'resize'"):
        SyncNetScore(weights=Hearing(), crop="face")


def test_memory_does_not_grow_with_the_frames():
    def peak(count):
        metric = SyncNetScore(weights=Hearing(), crop="resize", device="cpu", batch_size=16)
        part = clip(64, size=8)["pred_frames"]
        metric.begin(clip(1, samples=count * 640))
        tracemalloc.start()
        for _ in itertools.repeat(None, count // 64):
            metric.add({"sample_id": "c", "pred_frames": part})
        metric.finish()
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(64)
    # The speech itself was taken in at the beginning.
    assert peak(64 * 12) < 1.01 * peak(64 * 4)


NUMBER = 5


def films():
    return [clip(56 + k, seed=k, size=16, name=f"film {k}") for k in range(NUMBER)]


def worker(rank):
    metric = SyncNetScore(weights=small_network(), crop="resize", device="cpu")
    reports = []
    for _ in range(2):
        metric.process(None, films()[rank::2])
        reports.append(metric.evaluate(NUMBER))
    metric.process(None, films()[rank::2] if rank == 0 else films()[:2])
    try:
        metric.evaluate(NUMBER)
    except ValueError as error:
        reports.append(str(error))
    return reports


def test_two_processes_give_what_one_gives(in_two_processes, tmp_path):
    wanted = scored(SyncNetScore(weights=small_network(), crop="resize", device="cpu"), *films())
    assert wanted["Sync/n"] == wanted["Sync/n_clips"] == NUMBER
    for first, second, refusal in in_two_processes(__file__, tmp_path / "meet"):
        assert first == second
        assert first == pytest.approx(wanted, rel=1e-9)
        assert "measured more than once: 'film 0'" in refusal
