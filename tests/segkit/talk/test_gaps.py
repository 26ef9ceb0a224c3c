"""Beside a gap the spoken mouth turns into the film's own, so that none leaps."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segkit.contracts import SAMPLES_PER_FRAME
from segkit.decisions import decide
from segkit.regions import SCHEME_12, one_hot
from segkit.talk import stream
from segkit.talk.gaps import film_shares, towards_film
from segkit.talk.identity import identity_of_crops
from segkit.talk.sources import Played
from segkit.talk.speech import embed_speech


@given(
    valid=st.lists(st.booleans(), min_size=1, max_size=40), fps=st.sampled_from([12.5, 25, 30, 60])
)
def test_the_share_falls_with_the_distance_to_a_frame_without_a_face(valid, fps):
    found = film_shares(np.array(valid), fps=fps)
    missed = [k for k, is_valid in enumerate(valid) if not is_valid]
    reach = round(0.12 * fps) + 1
    for k, share in enumerate(found):
        distance = min((abs(k - gap) for gap in missed), default=10**6)
        expected = max(0, 1 - distance / reach) if valid[k] else 0
        assert share == pytest.approx(expected, abs=1e-6)
    assert (found < 1).all()


def test_at_25_fps_three_frames_on_each_side_are_told():
    found = film_shares(np.array([True] * 5 + [False] * 2 + [True] * 5), fps=25)
    assert found.tolist() == [0, 0, 0.25, 0.5, 0.75, 0, 0, 0.75, 0.5, 0.25, 0, 0]


def opened(rows):
    """Lips with a mouth of so many rows in them."""
    labels = torch.full((32, 32), SCHEME_12.index("skin"), dtype=torch.uint8)
    labels[12:26, 8:24] = SCHEME_12.index("lip")
    labels[19 - rows // 2 : 19 + rows // 2, 10:22] = SCHEME_12.index("mouth")
    return labels


def test_the_open_area_goes_over_from_the_spoken_to_the_films():
    mouth = SCHEME_12.index("mouth")
    spoken, film = 9 * one_hot(opened(8), 12), one_hot(opened(2), 12)
    areas = []
    for share in (0.0, 0.25, 0.5, 0.75, 0.999):
        labels = decide(towards_film(spoken, film, share)[None], SCHEME_12)[0]
        areas.append(int((labels == mouth).sum()))
    wide, narrow = 8 * 12, 2 * 12
    expected = [wide + share * (narrow - wide) for share in (0, 0.25, 0.5, 0.75, 0.999)]
    assert areas == pytest.approx(expected, abs=6)  # pixels of one rank go together
    assert torch.equal(labels, opened(2))


def test_frames_beside_a_gap_speak_less_and_the_others_as_ever(tools):
    bundle, size, count = tools.make_tiny(), 64, 12
    labels = np.kron(opened(2).numpy(), np.ones((2, 2), np.uint8))
    crop = np.full((size, size, 3), 128, np.uint8)
    points = np.zeros((468, 2), np.float32)
    identity = identity_of_crops(bundle, tools.FixedParser(), [crop], [points], torch.device("cpu"))
    wave = torch.randn(count * SAMPLES_PER_FRAME, generator=torch.Generator().manual_seed(0)) / 9
    speech = embed_speech(bundle.modules["audio_encoder"], wave)

    def logits(valid):
        placement = stream.Placement(
            np.stack([np.eye(2, 3)] * count), np.array(valid), np.zeros((count, 468, 2)), 25
        )
        played = [Played(crop, k / 25, k) for k in range(count)]
        shots = [shot for _, shot in stream.cropped(played, placement, size)]
        for shot in shots:
            shot.labels = labels if shot.transform is not None else None
        spoken = stream.speaking(shots, bundle, identity, speech, batch_size=8)
        return [shot.logits for shot in spoken]

    whole, gapped = logits([True] * count), logits([k not in (5, 6) for k in range(count)])
    film = torch.from_numpy(labels[size // 2 :].astype(np.int64))
    for k, (spoken, beside) in enumerate(zip(whole, gapped, strict=True)):
        if k in (5, 6):
            assert beside is None
        elif k in (4, 7):
            assert torch.equal(beside.argmax(0)[size // 2 :], film)
        elif k in (2, 3, 8, 9):
            assert not torch.equal(beside, spoken)
        else:
            torch.testing.assert_close(beside, spoken)
