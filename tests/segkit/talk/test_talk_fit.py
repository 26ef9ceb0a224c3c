import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from segkit.audio import save_wav
from segkit.faces import NoFaceError, SeveralFacesError
from segkit.progress import progress_bars
from segkit.regions import SCHEME_19
from segkit.talk import fit_images
from segkit.talk.budget import BestWeights, Budget
from segkit.talk.bundle import load_bundle, save_bundle
from segkit.talk.fit import fit
from segkit.talk.fit_images import ImageFit, enlarge
from segkit.talk.fit_masks import MaskFit, class_weights, fit_masks, predicted_labels
from segkit.talk.masks import compose_labels
from segkit.talk.person_clip import PersonClip
from segkit.video import MediaError


@pytest.fixture
def run(tools):
    def run(clip, out, **arguments):
        arguments = {
            "model": tools.make_tiny(),
            "parser": tools.FixedParser(),
            "progress": False,
            "steps": 2,
            "size": 64,
        } | arguments
        return fit(clip, out=out, **arguments)

    return run


def test_a_fit_learns_one_person_and_talks(tmp_path, film, run, tools):
    from segkit.talk.pipeline import talk

    out = tmp_path / "me.safetensors"
    report = run(film, out, steps=8)
    assert report["frames"] == 27
    assert report["masks"]["steps"] == report["images"]["steps"] == 8
    assert report["masks"]["loss"][1] < report["masks"]["loss"][0]
    assert report["images"]["error"][1] < report["images"]["error"][0]
    bundle = load_bundle(out)
    assert bundle.person["styles"].shape == (12, 10, 8)
    assert bundle.person["reference_labels"].shape == (64, 64)
    assert bundle.card["fitted"]["clip"] == "film.mp4"
    made = talk(
        video=film, out=tmp_path / "o.mp4", model=out, parser=tools.FixedParser(), progress=False
    )
    assert made["frames"] == 27


def test_one_seed_gives_one_bundle(tmp_path, film, run):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(film, tmp_path / name, seed=seed, half=False, end_s=1)
    first, second, other = (load_bundle(tmp_path / name) for name in "abc")
    assert torch.equal(first.person["styles"], second.person["styles"])
    assert not torch.equal(first.person["styles"], other.person["styles"])


def test_a_range_of_the_clip_is_used(tmp_path, portrait, run, tools):
    film = tools.write_film(tmp_path / "film.mp4", portrait, num_frames=60, fps=25)
    report = run(film, tmp_path / "me", start_s=0.4, end_s=1.6)
    assert report["frames"] == 30


def test_a_silent_film_is_learned_from_with_its_speech_beside_it(
    tmp_path, portrait, film, run, tools
):
    silent = tools.write_film(tmp_path / "silent.mp4", portrait, num_frames=30, fps=25, silent=True)
    run(silent, tmp_path / "me", audio=film, half=False)
    save_wav(tmp_path / "other.wav", 0 * tools.voice(1.2))
    run(silent, tmp_path / "mute", audio=tmp_path / "other.wav", half=False)
    heard, unheard = (
        load_bundle(tmp_path / name).modules["audio_encoder"].state_dict()
        for name in ("me", "mute")
    )
    assert any(not torch.equal(heard[name], unheard[name]) for name in heard)
    save_wav(tmp_path / "short.wav", tools.voice(0.5))
    with pytest.raises(
        ValueError, match=r"up to its 1\.20 s, got 0\.50 s in .*short\.wav; .*--end"
    ):
        run(silent, tmp_path / "cut", audio=tmp_path / "short.wav")
    assert not (tmp_path / "cut").exists()


def test_a_larger_size_grows_the_generator(tmp_path, film, run):
    report = run(film, tmp_path / "me", size=128)
    assert report["size"] == 128
    bundle = load_bundle(tmp_path / "me")
    assert (bundle.size, bundle.mask_size) == (128, 64)
    assert bundle.modules["generator"].size == 128
    assert bundle.person["styles"].shape == (12, 12, 8)


def test_a_grown_bundle_draws_the_same_picture_enlarged(tiny_bundle):
    torch.manual_seed(0)
    mask = torch.nn.functional.one_hot(torch.randint(12, (1, 64, 64)), 12).permute(0, 3, 1, 2)
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    parts = tiny_bundle.modules
    with torch.no_grad():
        before = parts["generator"](parts["region_encoder"](image, mask.float()), mask.float())
        enlarge(tiny_bundle, 128)
        after = parts["generator"](parts["region_encoder"](image, mask.float()), mask.float())
    assert after.shape[-1] == 128
    middle = torch.nn.functional.avg_pool2d(after, 2)
    scale = before.abs().mean()
    assert (middle - before)[..., 4:-4, 4:-4].abs().mean() < 0.35 * scale


@pytest.mark.parametrize(
    ("before", "size", "after"),
    [("area", 128, "smooth"), ("area", 64, "area"), ("nearest", 128, "nearest")],
)
def test_soft_borders_are_soft_at_a_large_size_too(
    tmp_path, tiny_bundle, monkeypatch, before, size, after
):
    monkeypatch.setattr(fit_images, "_SMOOTH_FROM", 128)
    tiny_bundle.modules["generator"].mask_mode = before
    tiny_bundle.configs["generator"]["mask_mode"] = before
    enlarge(tiny_bundle, size)
    assert tiny_bundle.modules["generator"].mask_mode == after
    save_bundle(tmp_path / "larger.safetensors", tiny_bundle)
    assert load_bundle(tmp_path / "larger.safetensors").modules["generator"].mask_mode == after


@pytest.mark.parametrize("half", ["masks", "images"])
def test_ctrl_c_leaves_nothing_or_the_best_so_far(tmp_path, film, run, monkeypatch, tools, half):
    learning = {"masks": MaskFit, "images": ImageFit}[half]
    loss, calls = learning.loss, []

    def interrupted(*arguments):
        calls.append(half)
        # The masks' batch norms listen to twelve batches before the first step.
        if len(calls) % 20 == 0:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(learning, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(film, tmp_path / "me", steps=24)
    assert list(tmp_path.iterdir()) == []
    report = run(film, tmp_path / "me", steps=24, save_on_interrupt=True, half=False)
    assert report["interrupted"]
    assert half not in report
    made, begun = load_bundle(tmp_path / "me"), tools.make_tiny()
    changed = {
        name: any(
            not torch.equal(after, before)
            for after, before in zip(
                made.modules[name].state_dict().values(),
                begun.modules[name].state_dict().values(),
                strict=True,
            )
        )
        for name in ("mask_decoder", "generator")
    }
    assert changed == {"mask_decoder": True, "generator": half == "images"}
    assert made.person["styles"].isfinite().all()


def test_bad_input_is_named_and_nothing_is_written(tmp_path, film, portrait, run, tools):
    inputs = tmp_path / "in"
    inputs.mkdir()
    silent = tools.write_film(inputs / "silent.mp4", portrait, num_frames=30, fps=25, silent=True)
    short = tools.write_film(inputs / "short.mp4", portrait, num_frames=10, fps=25)
    nobody = tools.write_film(inputs / "nobody.mp4", 0 * portrait, num_frames=30, fps=25)
    both = tools.write_film(inputs / "both.mp4", portrait, num_frames=30, fps=25, copies=2)
    taken = inputs / "taken"
    taken.write_bytes(b"mine")
    out = inputs / "me"
    cases = [
        (inputs / "none.mp4", out, {}, FileNotFoundError, "none.mp4"),
        (silent, out, {}, MediaError, "audio"),
        (short, out, {}, MediaError, "at least 1 s"),
        (nobody, out, {}, NoFaceError, "no face"),
        (both, out, {}, SeveralFacesError, "--face"),
        (film, taken, {}, FileExistsError, "--force"),
        (film, out, {"start_s": 3, "end_s": 2}, ValueError, "start < end"),
        (film, out, {"size": 96}, ValueError, "power of two"),
        (film, out, {"size": 32}, ValueError, "power of two"),
        (film, out, {"minutes": 0}, ValueError, "minutes"),
    ]
    before = sorted(path.name for path in inputs.iterdir())
    for clip, path, arguments, error, words in cases:
        with pytest.raises(error) as caught:
            run(clip, path, **arguments)
        assert words in str(caught.value), caught.value
        assert sorted(path.name for path in inputs.iterdir()) == before
    assert taken.read_bytes() == b"mine"


def test_a_budget_ends_by_steps_and_by_time():
    with progress_bars(show=False) as bars:
        budget = Budget(1e9, bars, "x", steps=7)
        assert list(budget) == list(range(7))
        assert budget.share == 1
        assert len(list(Budget(1e9, bars, "x", most_steps=5))) == 5
        assert list(Budget(0, bars, "x")) == []
        rates = []
        budget = Budget(1e9, bars, "x", steps=200)
        for _ in budget:
            rates.append(budget.cosine())
    peak = rates.index(max(rates))
    assert peak < 10
    assert rates[0] == 0.05
    assert all(a >= b for a, b in zip(rates[peak:], rates[peak + 1 :], strict=False))
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)


def test_the_best_average_is_kept():
    layer = torch.nn.Linear(1, 1, bias=False)
    best = BestWeights(layer, decay=0.5)
    seen = {}
    for value, score in ((1.0, 3.0), (2.0, 1.0), (9.0, 2.0)):
        torch.nn.init.constant_(layer.weight, value)
        for _ in range(40):
            best.follow()
        best.consider(score)
        seen[score] = best.average.weight.item()
    best.restore()
    assert layer.weight.item() == seen[1.0] == pytest.approx(2.0, abs=1e-3)


def test_small_regions_weigh_more_and_the_mean_weight_is_one():
    labels = torch.zeros(1, 10, 10, dtype=torch.uint8)
    labels[0, 0, :4] = 1
    weights = class_weights(labels, 3)
    assert float(weights[1] / weights[0]) == pytest.approx(math.sqrt(96 / 4))
    assert float(weights[0] * 0.96 + weights[1] * 0.04) == pytest.approx(1.0)
    assert weights.max() <= 20


class HalfFrames(torch.nn.Module):
    """Embeds a frame as its two features, which count half frames from the clip's start."""

    out_dim = 2
    features_per_frame = 2

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def listen(self, waveform):
        return torch.arange(2.0 * len(waveform) // 640)[:, None]

    def forward(self, waveform, num_frames, first=0, *, features=None):
        return self.scale * features[:, 2 * first : 2 * (first + num_frames)].view(
            len(waveform), num_frames, 2
        )


class Recorder(torch.nn.Module):
    """A mask decoder that keeps what it hears and answers with its bias."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(12))
        self.heard = []

    def forward(self, pose, reference, audio):
        self.heard += audio.tolist()
        return self.bias.view(1, -1, 1, 1).expand_as(pose)

    def shift_logits(self, offsets):
        self.bias += offsets


class OnPublished(HalfFrames):
    """Has a part that no training may touch."""

    def __init__(self):
        super().__init__()
        self.published = torch.nn.Parameter(torch.ones(2))
        self.freeze()

    def freeze(self):
        self.published.requires_grad_(False)

    def forward(self, *speech, features=None):
        return self.published * super().forward(*speech, features=features)


class Mixing(Recorder):
    """Lets what it hears reach the logits."""

    def forward(self, pose, reference, audio):
        return super().forward(pose, reference, audio) + audio.mean(1).view(-1, 1, 1, 1) * pose


def mask_fit(tiny_bundle, encoder=HalfFrames, decoder=Recorder):
    tiny_bundle.modules["audio_encoder"] = encoder()
    tiny_bundle.modules["mask_decoder"] = decoder()
    labels = torch.full((6, 64, 64), 6, dtype=torch.uint8)
    labels[:, 40:50, 20:44] = 1
    numbers = torch.tensor([0, 1, 2, 7, 8, 11])
    person = PersonClip(
        torch.zeros(6, 3, 64, 64, dtype=torch.uint8),
        labels,
        np.zeros((6, 468, 2), np.float32),
        numbers,
        torch.zeros(640 * 12),
        1.0,
    )
    place = torch.device("cpu")
    return MaskFit(tiny_bundle, person, held_out=0, seed=0, device=place), numbers


def test_mirrored_masks_are_weighed_where_their_lips_move(tiny_bundle, monkeypatch):
    def beside_the_middle(labels, side):
        labels = labels.clone()
        labels[..., 32:] = 6
        return labels

    monkeypatch.setattr("segkit.talk.fit_masks.shrunk", beside_the_middle)
    fit_, _ = mask_fit(tiny_bundle)
    assert fit_.mirrors
    row = fit_.focus[45]  # lips from column 20 to 31, or 32 to 43
    assert torch.equal(row, row.flip(-1))
    assert row[20:44].min() > 2 * row[:15].max()


def test_a_fit_hears_each_frame_by_its_number_in_the_clip(tiny_bundle):
    fit_, numbers = mask_fit(tiny_bundle)
    fit_.check(fit_.parts, 0, 6)
    heard = torch.tensor(tiny_bundle.modules["mask_decoder"].heard)
    assert torch.equal(heard[:, 0], 2.0 * numbers)
    assert torch.equal(heard[:, 1], 2.0 * numbers + 1)


def test_a_published_network_stays_as_it_is(tiny_bundle):
    fit_, _ = mask_fit(tiny_bundle, OnPublished, Mixing)
    encoder = tiny_bundle.modules["audio_encoder"]
    with progress_bars(show=False) as bars:
        fit_masks(fit_, Budget(1.0, bars, "masks", steps=8), learning_rate=0.1)
    assert encoder.published.tolist() == [1.0, 1.0]
    assert encoder.scale != 1


def test_class_weights_do_not_spread_small_regions_after_a_fit(tiny_bundle):
    fit_, _ = mask_fit(tiny_bundle)
    with progress_bars(show=False) as bars:
        fit_masks(fit_, Budget(1.0, bars, "masks", steps=1), learning_rate=0.0)
    shift = tiny_bundle.modules["mask_decoder"].bias
    torch.testing.assert_close(shift, -0.75 * fit_.weights.log())
    assert shift[1] < shift[6] < 0.3, "lips are rarer than skin"


@pytest.mark.parametrize("side", [64, 128])
def test_drawing_learns_on_the_masks_that_talk_will_make(tiny_bundle, side):
    fit_, _ = mask_fit(tiny_bundle)
    labels = fit_.labels.repeat_interleave(side // 64, 1).repeat_interleave(side // 64, 2)
    logits = torch.randn(6, 12, 64, 64, generator=torch.Generator().manual_seed(0))
    fit_.predict = lambda *arguments: logits
    found = predicted_labels(fit_, labels)
    scheme = tiny_bundle.scheme
    expected = [
        compose_labels(one.numpy(), planes, scheme)
        for one, planes in zip(labels, logits, strict=True)
    ]
    assert np.array_equal(found.numpy(), np.stack(expected))


def test_half_of_the_masks_are_mirrored_unless_left_and_right_have_names(tiny_bundle):
    sided = mask_fit(replace(tiny_bundle, scheme=SCHEME_19))[0]
    fit_, _ = mask_fit(tiny_bundle)
    left = torch.zeros(1, 64, 64, dtype=torch.uint8)
    left[..., :32] = 6

    def times_mirrored(fit_):
        number = 0
        for _ in range(200):
            labels, reference = fit_._shifted(left, left)
            assert torch.equal(labels, reference)
            number += int(labels[0, 32, 48] == 6)
        return number

    assert 70 < times_mirrored(fit_) < 130
    assert times_mirrored(sided) == 0
