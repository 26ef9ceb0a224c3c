"""Codes of a clip folder: whose frames, which regions, and the untrained twin."""

import numpy as np
import pytest
import torch

from segkit.clips import ClipFolder
from segkit.plots.clip_codes import (
    check_scheme,
    clips_of_people,
    collect_codes,
    fitted_images,
    fitted_labels,
    spread_frames,
    untrained,
)
from segkit.regions import SCHEME_12, SCHEME_14
from segkit.talk.identity import encode_styles


def test_the_first_people_by_name_with_all_their_clips(people_folder):
    clips = ClipFolder(people_folder).clips("test")
    people = clips_of_people(clips[::-1], num_people=2)
    assert list(people) == ["person_0", "person_1"]
    assert sorted(clip.clip_id for clip in people["person_0"]) == ["clip_0_0", "clip_0_1"]
    assert len(clips_of_people(clips, num_people=99)) == 3


def test_one_person_is_not_enough(people_folder):
    clips = ClipFolder(people_folder).clips("test")
    with pytest.raises(ValueError, match=r"two people or more, got 1 \(3 in these clips\)"):
        clips_of_people(clips, num_people=1)
    with pytest.raises(ValueError, match=r"got 1 \(1 in these clips\)"):
        clips_of_people(clips[:2], num_people=10)


def test_frames_are_spread_over_the_clips_and_show_a_face(people_folder):
    clips = ClipFolder(people_folder).clips("test")[:2]
    chosen = [(clip.clip_id, frames) for clip, frames in spread_frames("p", clips, 4)]
    # Seven frames of each clip show a face: places 0, 4.33, 8.67 and 13 of fourteen.
    assert chosen == [("clip_0_0", [1, 5]), ("clip_0_1", [3, 7])]
    everything = spread_frames("p", clips, 99)
    assert [frames for _, frames in everything] == [list(range(1, 8))] * 2
    clips[0].entry["valid_ranges"] = []
    with pytest.raises(ValueError, match="person 'p': no frame shows a face"):
        spread_frames("p", clips[:1], 4)


def test_codes_are_those_of_the_encoder_and_absent_regions_are_left_out(people_folder, tiny_bundle):
    people = clips_of_people(ClipFolder(people_folder).clips("test"), num_people=3)
    codes = collect_codes(tiny_bundle, people, num_frames=4, layers=[0, 2])
    assert codes.vectors.shape[1] == 2 * 8
    shown = {SCHEME_12.regions[region] for region in codes.regions}
    assert shown == {"background", "hair", "skin", "eyes", "lip", "mouth", "glasses"}
    glasses = codes.regions == SCHEME_12.index("glasses")
    assert set(codes.people[glasses]) == {2}
    assert set(codes.clips[codes.people == 1]) == {2, 3}
    # The last frame of the last person, encoded by itself.
    clip = people["person_2"][1]
    styles, presence = encode_styles(
        tiny_bundle, clip.frames([7]), clip.masks([7]), torch.device("cpu")
    )
    assert presence[0].sum() == 7
    expected = styles[0, presence[0]][:, [0, 2]].flatten(1).numpy()
    np.testing.assert_allclose(codes.vectors[-len(expected) :], expected, atol=1e-5)


def test_clips_of_another_size_are_brought_to_the_models(people_folder, tiny_bundle):
    frames = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(1, 64, 64, 3)
    labels = np.random.default_rng(0).integers(0, 12, (2, 32, 32)).astype(np.uint8)
    assert fitted_images(frames, 32).shape == (1, 32, 32, 3)
    assert fitted_images(frames, 64) is frames
    flat = np.full((1, 48, 48, 3), 77, np.uint8)
    assert (fitted_images(flat, 32) == 77).all()
    assert (fitted_images(flat, 96) == 77).all()
    doubled = labels.repeat(2, 1).repeat(2, 2)
    assert np.array_equal(fitted_labels(doubled, 32), labels)
    assert np.array_equal(fitted_labels(labels, 64), doubled)


def test_the_untrained_twin_differs_in_the_region_encoder_alone(tiny_bundle):
    before = torch.random.get_rng_state()
    first, second, third = (untrained(tiny_bundle, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), before)
    weights = [
        torch.cat([value.flatten() for value in bundle.modules["region_encoder"].parameters()])
        for bundle in (first, second, third, tiny_bundle)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
    assert not first.modules["region_encoder"].training
    for part in ("audio_encoder", "mask_decoder", "generator"):
        assert first.modules[part] is tiny_bundle.modules[part]


def test_masks_of_another_scheme(people_folder, tiny_bundle):
    from dataclasses import replace

    folder = ClipFolder(people_folder)
    check_scheme(tiny_bundle, folder)
    with pytest.raises(ValueError, match="'celeba12', the model was trained on 'celeba14'"):
        check_scheme(replace(tiny_bundle, scheme=SCHEME_14), folder)
