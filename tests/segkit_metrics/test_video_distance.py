"""FVD: how clips are cut, resized and given to each network, counts, processes."""

import itertools
import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from segkit.registry import METRICS
from segkit.weights import convert_file
from segkit_metrics import fvd
from segkit_metrics.base import MissingWeightsError
from segkit_metrics.distribution import frechet_from_features
from segkit_metrics.fvd import FrechetVideoDistance
from segkit_metrics.video_clips import ClipCutter, resize_clip
from tests.reference import i3d as route

DIM = 10


def weights_of(dim):
    return torch.randn(dim, 24, generator=torch.Generator().manual_seed(1))


class Tiny(nn.Module):
    """Called as our I3D: ``B 3 T 224 224`` in [-1, 1]."""

    def forward(self, video):
        assert video.shape[1:2] + video.shape[3:] == (3, 224, 224)
        assert video.min() >= -1.0001
        assert video.max() <= 1.0001
        return functional.adaptive_avg_pool3d(video, 2).flatten(1) @ weights_of(DIM).T


class Script(nn.Module):
    """Called as StyleGAN-V's file: tells what it was called with in its first features."""

    def forward(
        self,
        x: torch.Tensor,
        rescale: bool = False,
        resize: bool = False,
        return_features: bool = False,
    ):
        called = torch.tensor([float(rescale), float(resize), float(return_features)])
        seen = torch.stack(
            [x.amin((1, 2, 3, 4)), x.amax((1, 2, 3, 4)), x.mean((1, 2, 3, 4)), x[:, 0, 3, 1, 2]], 1
        )
        shape = torch.tensor([float(x.shape[2]), float(x.shape[3]), float(x.shape[4])])
        return torch.cat([called.expand(len(x), 3), seen, shape.expand(len(x), 3)], 1)


def video(count, seed, size=12):
    generator = np.random.default_rng(seed)
    gt = generator.integers(0, 256, (count, 3, size, size)).astype(np.uint8)
    noise = generator.integers(-80, 80, gt.shape)
    pred = (gt.astype(np.int64) + noise).clip(0, 255).astype(np.uint8)
    return {"sample_id": f"video {seed}", "pred_frames": pred, "gt_frames": gt}


def videos():
    return [video(20 + 9 * k, k) for k in range(4)]


def tiny(**arguments):
    settings = dict(weights=Tiny(), feature_dim=DIM, device="cpu", clip_len=9, clip_stride=5)
    return FrechetVideoDistance(**settings | arguments)


def measured(metric, samples):
    metric.process(None, samples)
    return metric.evaluate(len(samples))


@given(st.integers(1, 12), st.integers(1, 12), st.lists(st.integers(0, 20), min_size=1, max_size=8))
def test_clips_are_those_of_the_whole_video(length, stride, sizes):
    frames, cutter, found, start = (
        np.arange(sum(sizes)),
        ClipCutter(length=length, stride=stride),
        [],
        0,
    )
    for size in sizes:
        found += cutter.add(frames[start : start + size])
        start += size
    assert len(found) == max(0, (len(frames) - length) // stride + 1)
    for number, clip in enumerate(found):
        assert clip.tolist() == list(range(number * stride, number * stride + length))


def by_loops(row, side):
    """TensorFlow 1 as its documentation of ``align_corners=False`` has it."""
    out = []
    for k in range(side):
        place = k * len(row) / side
        left = int(place)
        right = min(left + 1, len(row) - 1)
        out.append(row[left] * (1 - (place - left)) + row[right] * (place - left))
    return np.array(out)


@pytest.mark.parametrize("size", [(5, 11), (7, 7), (16, 9)])
def test_frames_are_resized_as_tensorflow_1_does(size):
    frames = np.random.default_rng(0).random((2, 3, *size))
    rows = np.apply_along_axis(by_loops, 3, frames, 7)
    wanted = np.apply_along_axis(by_loops, 2, rows, 7)
    found = resize_clip(torch.from_numpy(frames), 7, how="tf1")
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)


def test_bilinear_is_pytorchs_frame_by_frame():
    clip = torch.rand(9, 3, 40, 30)
    found = resize_clip(clip, 24, how="bilinear")
    whole = functional.interpolate(clip.transpose(0, 1)[None], (9, 24, 24), mode="trilinear")
    torch.testing.assert_close(found, whole[0].transpose(0, 1))
    assert (found - resize_clip(clip, 24, how="tf1")).abs().mean() > 0.01


@pytest.mark.parametrize("clips", ["all", "first"])
def test_the_value_is_that_of_all_clips_at_once(clips):
    metric = tiny(clips=clips, batch_size=2)
    metric.chunk_frames = 7
    features = {}
    for side in ("pred", "gt"):
        cut = [
            sample[f"{side}_frames"][start : start + 9]
            for sample in videos()
            for start in range(0, len(sample["gt_frames"]) - 8, 5)[
                : 1 if clips == "first" else None
            ]
        ]
        x = torch.from_numpy(np.stack(cut)).float().transpose(1, 2)
        x = torch.stack([resize_clip(v.transpose(0, 1), 224, how="tf1").transpose(0, 1) for v in x])
        features[side] = Tiny()(2 * x / 255 - 1).numpy()
    report = measured(metric, videos())
    assert report["FVD/n"] == len(features["gt"]) == {"all": 22, "first": 4}[clips]
    wanted = frechet_from_features(features["pred"], features["gt"])
    assert report["FVD/fvd"] == pytest.approx(wanted, rel=1e-5)
    assert report["FVD/n_short"] == 0


def test_equal_videos_have_no_distance_and_floats_are_bytes():
    same = [sample | {"pred_frames": sample["gt_frames"]} for sample in videos()]
    assert measured(tiny(), same)["FVD/fvd"] == 0
    floats = [
        {k: v if k == "sample_id" else v.astype(np.float32) / 255 for k, v in sample.items()}
        for sample in videos()
    ]
    wanted = measured(tiny(), videos())["FVD/fvd"]
    assert measured(tiny(), floats)["FVD/fvd"] == pytest.approx(wanted, rel=1e-4)
    other = measured(tiny(resize="bilinear"), videos())["FVD/fvd"]
    assert other != pytest.approx(wanted, rel=1e-4)


def scripted(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Script()).save(str(path))
    return path


@pytest.mark.parametrize("floats", [False, True])
def test_stylegan_vs_file_gets_raw_frames_and_resizes_itself(tmp_path, floats):
    metric = FrechetVideoDistance(
        weights=scripted(tmp_path / "net.pt"), network="stylegan_v", trust=True, feature_dim=10,
        device="cpu",
    )  # fmt: skip
    frames = video(16, 0, size=30)["gt_frames"]
    given = frames.astype(np.float64) / 255 if floats else frames
    found = metric.features([given, given[::-1]])
    last = [frames[3, 0, 1, 2], frames[::-1][3, 0, 1, 2]]
    assert found[0] == pytest.approx(
        [1, 1, 1, 0, 255, frames.mean(), last[0], 16, 30, 30], rel=1e-5
    )
    assert found[1][6] == pytest.approx(last[1], rel=1e-5)
    assert "network stylegan_v (net.pt, trusted), resized by the file" in metric.definition()
    assert measured(metric, [video(40, 1, size=30)])["FVD/n"] == 2


def test_other_files_are_not_run(tmp_path, monkeypatch):
    import hashlib

    path = scripted(tmp_path / "net.pt")
    arguments = dict(network="stylegan_v", device="cpu")
    with pytest.raises(ValueError, match=r"expected sha256 bec6519f.*set trust=True to run the co"):
        FrechetVideoDistance(weights=path, **arguments)
    with pytest.raises(
        MissingWeightsError, match=r"absent not found; expected i3d_torchscript\.pt"
    ):
        FrechetVideoDistance(weights=tmp_path / "absent", **arguments)
    with pytest.raises(MissingWeightsError, match=r"expected i3d_kinetics\.safetensors, made by"):
        FrechetVideoDistance(weights=None)
    with pytest.raises(ValueError, match="not a file made by `segkit convert`"):
        FrechetVideoDistance(weights=path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(fvd.STYLEGAN_V, "sha256", digest)
    metric = METRICS.build(dict(type="FrechetVideoDistance", weights=path, **arguments))
    assert f"(i3d_torchscript.pt {digest[:8]})" in metric.definition()


def test_short_videos_are_refused_or_counted_and_left_out():
    with pytest.raises(
        ValueError, match=r"clip 'video 0': expected at least 9 frames, got 8; leave"
    ):
        measured(tiny(), [video(8, 0)])
    wanted = measured(tiny(), videos())
    found = measured(tiny(on_short="skip"), [*videos(), video(8, 9)])
    assert found == wanted | {"FVD/n_short": 1, "FVD/n_clips": 5}
    with pytest.raises(ValueError, match="FVD: expected at least 2 clips, got 1"):
        measured(tiny(), [video(9, 0)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(network="i4d"), "network: expected i3d or stylegan_v, got 'i4d'"),
        (dict(clips="some"), "clips: expected all or first, got 'some'"),
        (dict(resize="area"), "resize: expected tf1 or bilinear, got 'area'"),
        (dict(on_short="pad"), "on_short: expected error or skip, got 'pad'"),
        (dict(clip_len=8), "expected clip_len >= 9"),
        (dict(clip_stride=0), "clip_stride >= 1, got 9 and 0"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny(**arguments)


def test_a_small_i3d_comes_from_a_converted_file(tmp_path):
    widths = [(3, 2, 4), *[(2, 3, 4, 1, 2, 3)] * 9]
    state = {k: v.float() for k, v in route.seeded(widths, num_classes=DIM).items()}
    torch.save(state, tmp_path / "rgb_imagenet.pt")
    convert_file("i3d", tmp_path / "rgb_imagenet.pt", tmp_path / "i3d.safetensors")
    metric = FrechetVideoDistance(
        weights=tmp_path / "i3d.safetensors", clip_len=9, feature_dim=DIM, device="cpu"
    )
    frames = video(9, 0)["gt_frames"]
    x = resize_clip(torch.from_numpy(frames).float(), 224, how="tf1") / 127.5 - 1
    wanted = route.logits(state, x.transpose(0, 1)[None])
    np.testing.assert_allclose(metric.features([frames]), wanted.numpy(), atol=1e-4, rtol=1e-4)
    assert "network i3d (rgb_imagenet.pt " in metric.definition()


def test_the_published_i3d(shared, tmp_path):
    published = shared / "weights" / "i3d-kinetics-400.ckpt"
    if not published.is_file():
        pytest.skip(f"no I3D weights at {published}")
    convert_file("i3d", published, tmp_path / "i3d.safetensors")
    metric = FrechetVideoDistance(weights=tmp_path / "i3d.safetensors", clip_len=9, device="cpu")
    assert "network i3d (i3d-kinetics-400.ckpt af5c50f0), tf1 to 224 px, all clips of 9" in (
        metric.definition()
    )
    from segkit.weights import read_foreign

    frames = video(9, 0, size=64)["gt_frames"]
    x = np.apply_along_axis(by_loops, 3, frames.astype(np.float64), 224)
    x = torch.from_numpy(np.apply_along_axis(by_loops, 2, x, 224) * 2 / 255 - 1).float()
    with torch.no_grad():
        wanted = route.logits(route.from_flax(read_foreign(published)), x.transpose(0, 1)[None])
    found = metric.features([frames])
    assert found.shape == (1, 400)
    assert wanted.std() > 0.5
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-3, rtol=1e-3)


def test_memory_does_not_grow_with_the_frames():
    def peak(num_chunks):
        metric, part = tiny(clip_len=20, clip_stride=16), video(32, 0, size=64)
        metric.begin({"sample_id": "v"})
        tracemalloc.start()
        for _ in itertools.repeat(None, num_chunks):
            metric.add(part)
        metric.end()
        metric.evaluate(1)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(2)
    # Half a chunk is carried over; of features, as many rows as they have dimensions.
    assert peak(10) < 1.01 * peak(4)
    assert peak(4) > 400_000


def worker(rank):
    reports = []
    for metric in (tiny(), tiny(clips="first")):
        for _ in range(2):
            metric.process(None, videos()[rank::2])
            reports.append(metric.evaluate(4))
    metric.process(None, videos()[rank::2] if rank == 0 else videos()[:2])
    try:
        metric.evaluate(4)
    except ValueError as error:
        reports.append(str(error))
    return reports


def test_two_processes_give_what_one_gives(in_two_processes, tmp_path):
    wanted = [measured(tiny(clips=clips), videos()) for clips in ("all", "first")]
    for every, again, first, again_first, refusal in in_two_processes(__file__, tmp_path / "meet"):
        assert [every, first] == [again, again_first]
        assert every == pytest.approx(wanted[0], rel=1e-9)
        assert first == pytest.approx(wanted[1], rel=1e-9)
        assert "measured more than once: 'video 0'" in refusal


def test_features_of_the_truth_are_made_once():
    from segkit_metrics.fvd import FrechetVideoDistance

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = 0

        def forward(self, video):
            self.seen += len(video)
            return video.mean((2, 3, 4)) + video.amax((2, 3, 4))

    rng = np.random.default_rng(0)
    truth = {name: rng.integers(0, 255, (18, 3, 8, 8)).astype(np.uint8) for name in "abc"}
    options = dict(network="i3d", clip_len=9, clip_stride=9, feature_dim=3, device="cpu")
    plain = FrechetVideoDistance(weights=Counting(), **options)
    keeping = FrechetVideoDistance(weights=Counting(), keep_truth=True, **options)
    for shift in (3, 40):
        found = []
        for metric in (plain, keeping):
            for name, frames in truth.items():
                pred = frames // 2 + shift
                metric.process(
                    None, [{"sample_id": name, "pred_frames": pred, "gt_frames": frames}]
                )
            found.append(metric.evaluate(3)["FVD/fvd"])
        assert found[0] == pytest.approx(found[1], rel=1e-12)
    # Six clips of each side: twice, and once of the truth.
    assert (plain.network.seen, keeping.network.seen) == (24, 18)
