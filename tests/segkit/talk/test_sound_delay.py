"""The delay of a film's sound, found from its own mouth."""

import numpy as np
import pytest
import torch
from torch import nn

from segkit.contracts import SAMPLES_PER_FRAME
from segkit.talk.person_clip import PersonClip
from segkit.talk.sound_delay import delayed, sound_delay
from segkit.talk.speech import Speech


class Level(nn.Module):
    """Hears how loud each quarter of a frame is."""

    out_dim = 4

    def forward(self, waveform, num_frames, first=0):
        stop = (first + num_frames) * SAMPLES_PER_FRAME
        padded = nn.functional.pad(waveform, (0, max(0, stop - waveform.shape[1])))
        piece = padded[:, first * SAMPLES_PER_FRAME : stop]
        return piece.unflatten(1, (num_frames, 4, -1)).square().mean(-1).sqrt()


def talker(*, delay, num_frames=150, seed=0, obeys=True):
    """A mouth that opens as the loudness says, with the sound some frames after the picture."""
    random = np.random.default_rng(seed)
    opening = np.convolve(random.random(num_frames + 4), np.ones(5) / 5, "valid")
    loudness = opening if obeys else random.permutation(opening)
    noise = random.standard_normal(num_frames * SAMPLES_PER_FRAME)
    sound = torch.tensor(0.2 * noise * np.repeat(loudness, SAMPLES_PER_FRAME)).float()
    points = np.zeros((num_frames, 468, 2), np.float32)
    points[:, 10], points[:, 152] = (64, 10), (64, 110)
    points[:, 13], points[:, 14] = (64, 80), (64, 80)
    points[:, 14, 1] += 20 * opening
    return PersonClip(
        torch.zeros(num_frames, 3, 1, 1, dtype=torch.uint8),
        torch.zeros(num_frames, 1, 1, dtype=torch.uint8),
        points,
        torch.arange(num_frames),
        delayed(sound, delay),
        1.0,
    )


@pytest.mark.parametrize("delay", [-3, 0, 2, 4])
def test_the_delay_that_was_put_in_is_found(delay):
    assert sound_delay(Level(), talker(delay=delay)) == delay


def test_a_sound_that_tells_nothing_and_a_short_clip_are_left_alone():
    assert sound_delay(Level(), talker(delay=3, obeys=False)) == 0
    assert sound_delay(Level(), talker(delay=3, num_frames=74)) == 0


def test_moving_a_sound_keeps_its_length_and_comes_back():
    sound = torch.randn(10 * SAMPLES_PER_FRAME)
    later = delayed(sound, 2)
    assert len(later) == len(sound)
    assert not later[: 2 * SAMPLES_PER_FRAME].any()
    torch.testing.assert_close(
        delayed(later, -2)[: -2 * SAMPLES_PER_FRAME], sound[: -2 * SAMPLES_PER_FRAME]
    )


def test_a_late_sound_is_heard_later():
    vectors = torch.arange(10.0)[:, None]
    plain = Speech(vectors, torch.zeros(10), torch.zeros(1))
    late = Speech(vectors, torch.zeros(10), torch.zeros(1), delay_s=0.08)
    times_s = [0.0, 0.04, 0.1]
    torch.testing.assert_close(
        late.at(times_s)[0], plain.at([time_s + 0.08 for time_s in times_s])[0]
    )
    early = Speech(vectors, torch.zeros(10), torch.zeros(1), delay_s=-0.08)
    assert float(early.at([0.0])[0]) == 0  # before the first word it is what is heard first
