"""Front ends of published networks: stored outputs, a plain loop, cuts of the whole."""

import numpy as np
import pytest
import scipy.fft
import torch

from segkit.contracts import SAMPLE_RATE
from segkit.speech_features import AVHubertFeatures, FilterBank, SyncNetMFCC, htk_bank

# Lower, middle and upper edges of the 26 triangles, as Fourier bins.
EDGES = (
    0, 2, 4, 7, 10, 13, 16, 20, 24, 29, 34, 40, 46, 53, 60, 68, 77, 87, 97, 109, 122, 136, 152,
    169, 188, 209, 231, 256,
)  # fmt: skip


@pytest.fixture(scope="module")
def stored(shared):
    return np.load(shared / "parity" / "audio_frontends.npz")


def speech(num_samples, seed=0):
    """Noise of changing loudness with digital silence in it, in 16-bit steps."""
    draw = np.random.default_rng(seed).standard_normal(num_samples)
    loud = np.exp(2 * np.sin(np.arange(num_samples) / 3000)) * 0.02
    samples = np.round(np.clip(draw * loud, -1, 1) * 32767)
    samples[num_samples // 3 : num_samples // 3 + 1500] = 0
    return samples


def tensor(samples):
    return torch.from_numpy(samples / 32768).float()[None]


def loop(samples):
    """Band and window energies of one window after the other, in float64."""
    emphasised = np.append(samples[0], samples[1:] - 0.97 * samples[:-1])
    bands, energy = [], []
    start = 0
    while True:
        window = np.zeros(512)
        piece = emphasised[start : start + 400]
        window[: len(piece)] = piece
        power = np.abs(np.fft.rfft(window)) ** 2 / 512
        sums = np.zeros(26)
        for band, (left, middle, right) in enumerate(
            zip(EDGES[:-2], EDGES[1:-1], EDGES[2:], strict=True)
        ):
            for place in range(left, right):
                rises = place < middle
                share = (
                    (place - left) / (middle - left)
                    if rises
                    else ((right - place) / (right - middle))
                )
                sums[band] += share * power[place]
        bands.append(sums)
        energy.append(power.sum())
        if start + 400 >= len(samples):
            break
        start += 160
    return tuple(np.where(np.array(x) == 0, np.finfo(float).eps, x) for x in (bands, energy))


def test_the_bank_lies_on_these_bins(stored):
    bank = htk_bank().numpy()
    assert np.abs(bank - stored["psf_fb"]).max() == 0
    for band in range(26):
        assert bank[band].argmax() == EDGES[band + 1]
        assert np.flatnonzero(bank[band])[[0, -1]].tolist() == [
            EDGES[band] + 1,
            EDGES[band + 2] - 1,
        ]


@pytest.mark.parametrize("name", ["wav_f32", "wav_i16"])
def test_outputs_are_the_stored_ones(stored, name):
    """Of floats that are no 16-bit numbers too: the published code read them from a wav file."""
    waveform = torch.from_numpy(stored[name].astype(np.float32))[None]
    waveform = waveform / 32768 if name == "wav_i16" else waveform
    bands, _ = FilterBank()(waveform)
    assert np.abs(bands[0].log().numpy() - stored["psf_logfbank"]).max() < 3e-5
    rows = AVHubertFeatures()(waveform, 100)[0].numpy()
    assert np.abs(rows - stored["avhubert_104_ln"]).max() < 2e-5
    columns = SyncNetMFCC()(waveform)[0].T.numpy()
    np.testing.assert_allclose(columns, stored["psf_mfcc"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("num_samples", [1, 399, 400, 401, 640, 4000, 9999])
def test_windows_are_those_of_a_plain_loop(num_samples):
    samples = speech(num_samples)
    bands, energy = loop(samples)
    found, total = FilterBank()(tensor(samples))
    assert found.shape == (1, FilterBank.count(num_samples), 26)
    np.testing.assert_allclose(found[0].log(), np.log(bands), atol=1e-4)
    np.testing.assert_allclose(total[0].log(), np.log(energy), atol=1e-4)
    cepstra = scipy.fft.dct(np.log(bands), type=2, norm="ortho")[:, :13]
    cepstra = cepstra * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    cepstra[:, 0] = np.log(energy)
    np.testing.assert_allclose(SyncNetMFCC()(tensor(samples))[0].T, cepstra, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("num_samples", [640, 3 * SAMPLE_RATE, 30_000, 30_001])
def test_rows_are_stacked_normalised_and_padded(num_samples):
    samples = speech(num_samples)
    logs = np.log(loop(samples)[0])
    if num_samples == 3 * SAMPLE_RATE:
        assert len(logs) == 299
    logs = np.concatenate([logs, np.zeros((-len(logs) % 4, 26))]).reshape(-1, 104)
    centred = logs - logs.mean(1, keepdims=True)
    wanted = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
    found = AVHubertFeatures()(tensor(samples), len(wanted) + 3)[0]
    np.testing.assert_allclose(found[: len(wanted)], wanted, atol=1e-4)
    assert not found[len(wanted) :].any()
    assert AVHubertFeatures()(tensor(samples)).shape[1] == -(-num_samples // 640)


@pytest.mark.parametrize(
    ("first", "count"), [(0, 3), (1, 1), (7, 20), (48, 2), (49, 1), (47, 8), (60, 2)]
)
def test_a_few_frames_are_those_of_the_whole(first, count):
    front_end = AVHubertFeatures()
    waveform = torch.cat([tensor(speech(32_000, seed)) for seed in (1, 2)])
    whole = front_end(waveform, 70)
    part = front_end(waveform, count, first)
    torch.testing.assert_close(part, whole[:, first : first + count], atol=1e-5, rtol=1e-5)


def test_a_cut_waveform_is_not_the_whole():
    """Why the features are computed first and cut then: the edges of a cut differ."""
    waveform = tensor(speech(80_000))
    front_end = AVHubertFeatures()
    cut = front_end(waveform[:, 16_000:64_000])
    difference = (cut - front_end(waveform, 75, 25)).abs().amax((0, 2))
    assert difference[1:-1].max() < 1e-5
    assert difference[-1] > 0.5, "the last row lacks a window"


def test_long_speech_is_analysed_in_blocks(monkeypatch):
    waveform = tensor(speech(30_000))
    whole = FilterBank()(waveform)
    monkeypatch.setattr("segkit.speech_features._BLOCK", 50)
    for found, expected in zip(FilterBank()(waveform), whole, strict=True):
        torch.testing.assert_close(found, expected)


def test_silence_is_finite_and_constant():
    rows = AVHubertFeatures()(torch.zeros(1, 6400))
    assert rows[:, :-1].abs().max() < 1e-2, "a constant row has no shape"
    columns = SyncNetMFCC()(torch.zeros(1, 6400))
    assert torch.isfinite(columns).all()
    assert columns[0, 0, 0] == pytest.approx(np.log(np.finfo(float).eps))


def test_nothing_is_stored_in_checkpoints():
    assert not AVHubertFeatures().state_dict()
    assert not SyncNetMFCC().state_dict()


@pytest.mark.parametrize("front_end", [AVHubertFeatures(), SyncNetMFCC()])
def test_wrong_waveforms_are_told(front_end):
    with pytest.raises(ValueError, match=r"waveform: expected shape \(B, N\), got \(640,\)"):
        front_end(torch.zeros(640))
    with pytest.raises(ValueError, match="at least one sample"):
        front_end(torch.zeros(1, 0))


def test_impossible_frames_are_told():
    with pytest.raises(ValueError, match="num_frames >= 0 and first >= 0, got 3 and -1"):
        AVHubertFeatures()(torch.zeros(1, 6400), 3, -1)
    with pytest.raises(ValueError, match=r"windows: expected some of 0 \.\. 38, got 40 from 0"):
        FilterBank()(torch.zeros(1, 6400), 40)
