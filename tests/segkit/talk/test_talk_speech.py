import torch

from segkit.talk.speech import Speech, embed_speech


class Ramp(torch.nn.Module):
    """Embeds a frame as its number, so that chunks and times can be checked exactly."""

    out_dim = 1

    def forward(self, waveform, num_frames, first=0):
        return torch.arange(first, first + num_frames, dtype=torch.float32).view(1, -1, 1)


def test_chunks_cover_every_started_frame():
    speech = embed_speech(Ramp(), torch.zeros(640 * 1203 + 1))
    assert torch.equal(speech.vectors[:, 0], torch.arange(1204.0))


class Listening(torch.nn.Module):
    """Embeds a frame as its features, which count half frames."""

    out_dim = 2

    def __init__(self):
        super().__init__()
        self.calls = 0

    def listen(self, waveform):
        self.calls += 1
        return torch.arange(2.0 * -(-len(waveform) // 640))[:, None]

    def forward(self, waveform, num_frames, first=0, *, features=None):
        return features[0, 2 * first : 2 * (first + num_frames)].view(1, num_frames, 2)


def test_a_whole_clip_is_listened_to_once():
    encoder = Listening()
    speech = embed_speech(encoder, torch.zeros(640 * 1203 + 1))
    assert torch.equal(speech.vectors.flatten(), torch.arange(2408.0))
    assert encoder.calls == 2, "the clip and silence"


def test_times_are_exact_on_the_grid_and_interpolated_between():
    speech = Speech(torch.arange(5.0)[:, None], torch.zeros(5), torch.tensor([-1.0]))
    vectors, silence = speech.at([0.0, 0.04, 0.0800003, 0.1, 0.16])
    torch.testing.assert_close(vectors[:, 0], torch.tensor([0, 1, 2, 2.5, 4]))
    assert silence.sum() == 0


def test_after_the_end_silence_is_eased_in():
    speech = Speech(torch.ones(3, 1), torch.zeros(3), torch.tensor([-2.0]))
    vectors, silence = speech.at([0.08, 0.12, 0.14, 0.16, 0.20, 9.0])
    torch.testing.assert_close(vectors[:, 0], torch.tensor([1, 0, -0.5, -1, -2, -2]))
    torch.testing.assert_close(silence, torch.tensor([0, 1 / 3, 0.5, 2 / 3, 1, 1]))


class Sounding(torch.nn.Module):
    """Embeds a frame as its first sample."""

    out_dim = 1

    def forward(self, waveform, num_frames, first=0):
        return waveform[:, 640 * first : 640 * (first + num_frames) : 640, None]


def test_a_film_whose_sound_comes_late_goes_on_as_it_came():
    """Of the last frames the sound is missing, which is no reason to close the mouth."""
    wave = torch.arange(10.0).repeat_interleave(640) / 10
    late = embed_speech(Sounding(), wave, delay_s=0.1)
    vectors, silence = late.at([k / 25 for k in range(10)])
    whole = torch.tensor([0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.9, 0.85, 0.75])
    torch.testing.assert_close(vectors[:, 0], whole)
    assert len(silence) == 10
    assert len(late.vectors) == len(late.silence) == 13
    # Another voice has no delay, and ends where it ends.
    assert len(embed_speech(Sounding(), wave).vectors) == 10


def test_a_sound_shorter_than_its_delay_is_continued_by_silence():
    short = embed_speech(Sounding(), torch.ones(640), delay_s=0.2)
    assert short.vectors[:, 0].tolist() == [1, 1, 0, 0, 0, 0]
    assert len(short.silence) == 6
