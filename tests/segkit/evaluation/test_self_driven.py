"""Methods redraw clips of a folder; what they were given stays, what they draw is measured."""

from functools import partial

import cv2
import numpy as np
import pytest
import torch

from segkit.clips import ClipFolder
from segkit.evaluation.baselines import StillFrame, UnitSelection, same_person
from segkit.evaluation.faces import FaceSettings
from segkit.evaluation.methods import SegTalkerMethod, Wav2LipMethod
from segkit.evaluation.run import evaluate
from segkit.evaluation.self_driven import Drawn, DrawnClip, SelfDriven, resized_labels
from segkit.evaluation.suite import build_suite
from segkit.regions import SCHEME_12
from segkit.talk.bundle import new_bundle
from segkit.talk.paste import blend_alpha
from tests.talking_ellipse import ellipse_folder

PARTS = {
    "audio_encoder": {"type": "MelCNN", "out_dim": 16, "widths": [8, 8, 8, 8, 16], "norm": "group"},
    "mask_decoder": {
        "type": "UNetMaskDecoder", "size": 64, "audio_dim": 16, "width": 0.0625, "norm": "group",
    },
    "region_encoder": {
        "type": "FPNRegionEncoder", "num_layers": 10, "style_dim": 8, "input_size": 64,
        "width": [8, 8, 8, 8, 8], "units": [1, 1, 1, 1], "fpn_dim": 8, "norm": "group",
    },
    "generator": {
        "type": "RegionStyleGAN2", "size": 64, "style_dim": 8, "channels": [8, 8, 8, 8, 8],
        "num_masked_layers": 17,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    people = (("a", "test"), ("a", "test"), ("b", "test"))
    return ClipFolder(ellipse_folder(tmp_path_factory.mktemp("clips"), people, num_frames=20))


@pytest.fixture(scope="module")
def bundle():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return new_bundle(PARTS, size=64)


def driven(folder, number=0, start=0):
    clips = folder.clips(None)
    return SelfDriven(clips[number], scheme=folder.scheme, start=start)


class Truth:
    """Draws the truth itself."""

    name, has_masks = "truth", True

    def draw(self, clip):
        for part in clip.shown():
            yield Drawn(part.images, part.labels)


def test_the_truth_scores_perfectly(folder):
    suite = build_suite(["psnr", "ssim", "masks"])
    report = evaluate(
        [driven(folder, 0), driven(folder, 2)], suite, open_clip=partial(DrawnClip, method=Truth()),
        faces=FaceSettings(own_masks="own"), progress=False,
    )  # fmt: skip
    assert report.values["PSNR/num_equal"] == 40
    assert report.values["SSIM/ssim"] == 1
    assert report.values["IoU/miou"] == 1
    assert report.values["IoU/opening"] == pytest.approx(1)
    assert report.definitions["masks"].endswith("; own")
    assert sorted(report.clips) == ["clip_0", "clip_2"]


def test_the_reference_is_the_most_closed_known_mouth(folder):
    inside = SCHEME_12.index("mouth")
    whole, later = driven(folder), driven(folder, start=12)
    areas = (whole.clip.masks(range(20)) == inside).sum((1, 2))
    assert whole.reference.first == areas.argmin()
    assert later.reference.first == areas[:12].argmin()
    assert later.num_frames == 8
    assert [part.first for part in later.shown()] == [12]
    head = DrawnClip(later, method=Truth()).head
    assert len(head["audio"]) == 8 * 640
    short = SelfDriven(later.clip, scheme=folder.scheme, start=12, most=3)
    assert (short.num_frames, len(DrawnClip(short, method=Truth()).head["audio"])) == (3, 3 * 640)
    assert [len(part.images) for part in short.shown()] == [3]
    with pytest.raises(ValueError, match=r"start: expected 0\.\.19, got 20"):
        driven(folder, start=20)


def test_segtalker_changes_the_lower_face_alone(folder, bundle):
    clip = driven(folder)
    parts = list(SegTalkerMethod(bundle).draw(clip))
    assert [len(part.frames) for part in parts] == [16, 4]
    assert parts[0].masks.shape == (16, 64, 64)
    for made, truth in zip(parts, clip.shown(), strict=True):
        small = resized_labels(truth.labels, 64)
        assert np.array_equal(made.masks[:, :32], small[:, :32])
        for k, (frame, image) in enumerate(zip(made.frames, truth.images, strict=True)):
            covered = blend_alpha(small[k], made.masks[k])
            # Twice as large as the model's crop: untouched where the blend is 0 all around.
            blended = resized_labels((covered > 0).astype(np.uint8)[None], 128)[0]
            inner = cv2.dilate(blended, np.ones((7, 7), np.uint8)) == 0
            assert inner.mean() > 0.3
            assert np.array_equal(frame[inner], image[inner])
    assert not np.array_equal(parts[0].frames[0][90], next(clip.shown()).images[0][90])


def test_a_method_never_sees_the_lips_it_must_draw(folder, bundle):
    """Other lips under the same upper face and jaw change nothing of what is drawn."""
    clip = driven(folder)

    class Repainted(SelfDriven):
        def shown(self):
            lips = [SCHEME_12.index(name) for name in ("lip", "mouth")]
            for part in super().shown():
                labels, images = part.labels.copy(), part.images.copy()
                hidden = np.isin(labels, lips)
                hidden[:, :78] = False  # above, the frame itself shines through the blend
                labels[hidden] = SCHEME_12.index("skin")
                images[hidden] = 0
                yield part._replace(labels=labels, images=images)

    other = Repainted(clip.clip, scheme=folder.scheme)
    other.__dict__["reference"] = clip.reference
    for method in (SegTalkerMethod(bundle), Wav2LipMethod(Redraw(), compose="lower")):
        for one, two in zip(method.draw(clip), method.draw(other), strict=True):
            if one.masks is not None:
                assert np.array_equal(one.masks, two.masks)
            assert np.array_equal(one.frames[:, 84:92, 50:78], two.frames[:, 84:92, 50:78])


class Redraw(torch.nn.Module):
    """Predicts as Wav2Lip does: grey lower halves whose level is that of the speech."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def predict(self, frames, reference, mel, *, compose):
        assert reference.shape[0] == 1
        level = (mel.mean((1, 2)) * 10 + 128).clamp(0, 255).to(torch.uint8)
        drawn = level[:, None, None, None].expand_as(frames).clone()
        if compose == "lower":
            drawn[..., : frames.shape[-2] // 2, :] = frames[..., : frames.shape[-2] // 2, :]
        return drawn


def test_wav2lip_is_put_together_in_three_ways(folder):
    clip = driven(folder)
    truth = next(clip.shown())
    full, lower, face = (
        next(Wav2LipMethod(Redraw(), compose=c).draw(clip)).frames
        for c in ("full", "lower", "face")
    )
    assert (full[0] == full[0, 0, 0]).all()
    assert len({int(frame[0, 0, 0]) for frame in full}) > 1
    assert np.array_equal(lower[:, :64], truth.images[:, :64])
    assert np.array_equal(face[:, :60], truth.images[:, :60])
    assert np.array_equal(face[:, 120:, :10], truth.images[:, 120:, :10])
    assert not np.array_equal(face[:, 80:90, 60:70], truth.images[:, 80:90, 60:70])


def test_units_of_the_very_clip_are_the_clip(folder):
    clip = driven(folder)
    method = UnitSelection(lambda asked: [(asked.clip, range(asked.clip.num_frames))])
    drawn = np.concatenate([part.frames for part in method.draw(clip)])
    truth = np.concatenate([part.images for part in clip.shown()])
    assert np.array_equal(drawn, truth)


def test_units_come_from_the_same_person(folder):
    known = same_person(folder)
    assert [(unit.clip_id, frames) for unit, frames in known(driven(folder))] == [
        ("clip_1", range(20))
    ]
    assert [(unit.clip_id, frames) for unit, frames in known(driven(folder, start=5))] == [
        ("clip_0", range(5))
    ]
    with pytest.raises(ValueError, match="clip_2: nothing else is known of this person"):
        next(UnitSelection(known).draw(driven(folder, 2)))


def test_a_still_frame_stands_still(folder):
    clip = driven(folder)
    drawn = np.concatenate([part.frames for part in StillFrame().draw(clip)])
    assert len(drawn) == 20
    assert (drawn == clip.reference.images).all()


def test_a_method_that_stops_early_is_named(folder):
    class Lazy(Truth):
        name = "lazy"

        def draw(self, clip):
            yield next(super().draw(clip))

    with pytest.raises(ValueError, match=r"clip_0: lazy drew 0 frames where 4 are measured"):
        list(DrawnClip(driven(folder), method=Lazy()))
