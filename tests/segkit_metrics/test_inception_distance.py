"""FID and KID over clips: networks, resizing, counts, processes."""

import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from segkit.registry import METRICS
from segkit_metrics import inception
from segkit_metrics.base import MissingWeightsError
from segkit_metrics.distribution import frechet_from_features, kernel_distance
from segkit_metrics.fid import FrechetInceptionDistance
from segkit_metrics.inception import PytorchFIDInception, make_network, make_resizer

FEW = "ignore:FID. only:UserWarning"
DIM = 24


class Tiny(nn.Module):
    """Some fixed numbers about a picture ``B 3 299 299`` in 0..255."""

    def __init__(self, dim=DIM):
        super().__init__()
        weight = torch.randn(dim, 3 * 16, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, frames):
        assert frames.shape[1:] == (3, 299, 299)
        return functional.adaptive_avg_pool2d(frames / 255, 4).flatten(1) @ self.weight.T


class Layers(nn.Module):
    """What the published TorchScript file has as ``layers``: 2048 numbers in [-1, 1]."""

    def forward(self, x):
        return functional.adaptive_avg_pool2d(x, (32, 32)).mean(1).flatten(1).repeat(1, 2)


class Script(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = Layers()

    def forward(self, x: torch.Tensor, return_features: bool = False):
        return self.layers(x)


def clip(count, seed, size=20, name=None):
    generator = np.random.default_rng(seed)
    gt = generator.integers(0, 256, (count, 3, size, size)).astype(np.uint8)
    noise = generator.integers(-60, 60, gt.shape)
    pred = (gt.astype(np.int64) + noise).clip(0, 255).astype(np.uint8)
    return {"sample_id": name or f"clip {seed}", "pred_frames": pred, "gt_frames": gt}


def clips():
    return [clip(3 + 2 * k, k) for k in range(5)]


def measured(metric, samples):
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def tiny(**arguments):
    return FrechetInceptionDistance(
        **dict(weights=Tiny(), feature_dim=DIM, device="cpu") | arguments
    )


def by_hand(samples, side, stride=1):
    metric = tiny()
    return np.concatenate([metric.features(s[f"{side}_frames"][::stride]) for s in samples])


@pytest.mark.filterwarnings(FEW)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_value_is_that_of_all_features_at_once(stride):
    # 35 and 18 rows of 24 numbers, 12 rows: the moments, and the exact way of few.
    metric = tiny(kid=True, frame_stride=stride, batch_size=2)
    metric.chunk_frames = 4
    report = measured(metric, clips())
    pred, gt = (by_hand(clips(), side, stride) for side in ("pred", "gt"))
    assert report["FID/fid"] == pytest.approx(frechet_from_features(pred, gt), rel=1e-6)
    assert report["FID/kid_x1000"] == pytest.approx(1000 * kernel_distance(pred, gt), rel=1e-6)
    assert report["FID/n"] == len(pred)
    assert report["FID/n_clips"] == 5


@pytest.mark.filterwarnings(FEW)
def test_equal_frames_have_no_distance_and_the_order_changes_nothing():
    same = [sample | {"pred_frames": sample["gt_frames"]} for sample in clips()]
    assert measured(tiny(), same)["FID/fid"] == 0
    assert measured(tiny(), [*same[:1], clip(2, 9) | {"sample_id": "x"}])["FID/fid"] > 0
    one, other = measured(tiny(kid=True), clips()), measured(tiny(kid=True), clips()[::-1])
    assert one == pytest.approx(other, rel=1e-9)
    floats = [
        {k: v if k == "sample_id" else v.astype(np.float32) / 255 for k, v in sample.items()}
        for sample in clips()
    ]
    assert measured(tiny(), floats)["FID/fid"] == pytest.approx(one["FID/fid"], rel=1e-4)


@pytest.mark.filterwarnings(FEW)
def test_kid_of_many_frames_is_that_of_a_choice_by_name():
    report = measured(tiny(kid=True, kid_frames=30), clips())
    again = measured(tiny(kid=True, kid_frames=30), clips()[::-1])
    assert report["FID/kid_x1000"] == pytest.approx(again["FID/kid_x1000"], rel=1e-9)
    whole = measured(tiny(kid=True), clips())["FID/kid_x1000"]
    assert report["FID/kid_x1000"] != pytest.approx(whole, rel=1e-6)
    assert report["FID/n"] == 35


def test_few_frames_are_warned_of_and_one_is_refused():
    with pytest.warns(UserWarning, match="FID: only 35 frames; below 2048 .* biased upwards"):
        measured(tiny(), clips())
    with pytest.raises(ValueError, match="FID: expected at least 2 frames, got 1"):
        measured(tiny(), [clip(1, 0)])
    with pytest.raises(ValueError, match=r"expected shape \(N, D=23\), got \(3, 24\)"):
        measured(tiny(feature_dim=23), [clip(3, 0)])
    with pytest.raises(ValueError, match=r"clip 'clip 0': pred_frames: .* got \[-1, 1\]"):
        measured(
            tiny(), [clip(3, 0) | {"pred_frames": np.linspace(-1, 1, 1200).reshape(1, 3, 20, 20)}]
        )
    with pytest.raises(ValueError, match="mode: expected 'clean' or 'legacy_pytorch', got 'tf'"):
        tiny(mode="tf")
    with pytest.raises(ValueError, match="frame_stride >= 1"):
        tiny(frame_stride=0)


@pytest.mark.parametrize("mode", ["clean", "legacy_pytorch"])
@pytest.mark.parametrize("size", [64, 400])
def test_frames_are_resized_as_clean_fid_does(mode, size):
    frames = clip(2, 0, size=size)["gt_frames"]
    with warnings.catch_warnings():
        # One of its modes switches all warnings off.
        from cleanfid.resize import build_resizer

        theirs = build_resizer(mode)
    wanted = np.stack([theirs(frame.transpose(1, 2, 0)).transpose(2, 0, 1) for frame in frames])
    assert wanted.dtype == np.float32
    found = make_resizer(mode)(frames)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4)
    found = make_resizer(mode)(frames.astype(np.float64) / 255)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4)


def test_the_modes_resize_differently():
    frames = clip(1, 0, size=400)["gt_frames"]
    clean, legacy = (make_resizer(mode)(frames) for mode in ("clean", "legacy_pytorch"))
    assert (clean - legacy).abs().mean() > 5


def scripted(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Script()).save(str(path))
    return path


@pytest.mark.filterwarnings(FEW)
@pytest.mark.parametrize("name", ["inception-2015-12-05.pt", "mine.pt"])
def test_the_torchscript_file_is_run_as_clean_fid_runs_it(tmp_path, name):
    path = scripted(tmp_path / name)
    metric = FrechetInceptionDistance(weights=path, trust=True, device="cpu")
    frames = clip(2, 0, size=40)["gt_frames"]
    x = (make_resizer("clean")(frames) - 128) / 128
    wanted = functional.adaptive_avg_pool2d(x, (32, 32)).mean(1).flatten(1).repeat(1, 2)
    np.testing.assert_allclose(metric.features(frames), wanted.numpy(), atol=1e-5)
    assert f"({name}, trusted)" in metric.definition()
    assert "mode clean: bicubic" in metric.definition()
    report = measured(metric, [clip(4, 1, size=40)])
    assert report["FID/fid"] > 0
    assert sorted(file.name for file in tmp_path.iterdir()) == [name]


def test_other_files_are_not_run(tmp_path):
    path = scripted(tmp_path / "inception-2015-12-05.pt")
    with pytest.raises(ValueError, match=r"expected sha256 f58cb9b6.*set trust=True to run the co"):
        FrechetInceptionDistance(weights=path)
    missing = r"absent\.pt not found; expected inception-2015-12-05\.pt \(sha256 f58c.*nvlabs"
    with pytest.raises(MissingWeightsError, match=missing):
        FrechetInceptionDistance(weights=tmp_path / "absent.pt")
    with pytest.raises(MissingWeightsError, match=r"expected pt_inception-.*mseitzer"):
        FrechetInceptionDistance(weights=None, mode="legacy_pytorch")
    with pytest.raises(ValueError, match="expected sha256 6726825d"):
        FrechetInceptionDistance(weights=path, mode="legacy_pytorch")


def test_a_known_digest_is_enough(tmp_path, monkeypatch):
    import hashlib

    path = scripted(tmp_path / "file.pt")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(inception.KNOWN["clean"], "sha256", digest)
    metric = METRICS.build(dict(type="FrechetInceptionDistance", weights=path, device="cpu"))
    assert f"inception-2015-12-05.pt {digest[:8]}" in metric.definition()


def test_pytorch_fids_network_is_theirs(tmp_path, monkeypatch):
    from cleanfid import inception_pytorch

    torch.manual_seed(0)
    ours = PytorchFIDInception()
    # Each layer keeps the size of what it is given.
    state = {k: v * 6**0.5 if v.ndim == 4 else v for k, v in ours.base.state_dict().items()}
    torch.save(state, tmp_path / "pt_inception.pth")
    network, name = make_network(tmp_path / "pt_inception.pth", mode="legacy_pytorch", trust=True)
    assert name == "pt_inception.pth, trusted"
    assert not network.training
    monkeypatch.setattr(inception_pytorch, "load_state_dict_from_url", lambda *a, **k: state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = inception_pytorch.InceptionV3(resize_input=False).eval()
    frames = make_resizer("legacy_pytorch")(clip(1, 0, size=80)["gt_frames"])
    with torch.no_grad():
        wanted = theirs(frames / 255)[0].flatten(1)
        found = network(frames)
    assert found.shape == (1, 2048)
    assert wanted.std() > 1e-3
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings(FEW)
def test_memory_does_not_grow_with_the_frames():
    def peak(num_chunks):
        metric, part = tiny(kid=True, kid_frames=40), clip(32, 0)
        metric.begin({"sample_id": "c"})
        tracemalloc.start()
        for _ in range(num_chunks):
            metric.add(part)
        metric.end()
        metric.evaluate(1)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(2)
    assert peak(8) < 1.02 * peak(3)


def worker(rank):
    warnings.filterwarnings("ignore", message="FID: only")
    metric = tiny(kid=True, kid_frames=30)
    few = tiny(kid=True, frame_stride=3)
    reports = []
    for _ in range(2):
        for one in (metric, few):
            one.process(None, clips()[rank::2])
            reports.append(one.evaluate(5))
    metric.process(None, clips()[rank::2] if rank == 0 else clips()[:2])
    try:
        metric.evaluate(5)
    except ValueError as error:
        reports.append(str(error))
    return reports


@pytest.mark.filterwarnings(FEW)
def test_two_processes_give_what_one_gives(in_two_processes, tmp_path):
    wanted = measured(tiny(kid=True, kid_frames=30), clips())
    wanted_few = measured(tiny(kid=True, frame_stride=3), clips())
    for many, few, *again, refusal in in_two_processes(__file__, tmp_path / "meet"):
        assert [many, few] == again
        assert many == pytest.approx(wanted, rel=1e-9)
        assert few == pytest.approx(wanted_few, rel=1e-9)
        assert "measured more than once: 'clip 0'" in refusal
    # What a mean over processes would give instead.
    halves = [measured(tiny(), clips()[k::2])["FID/fid"] for k in (0, 1)]
    assert np.mean(halves) > 1.05 * wanted["FID/fid"]
