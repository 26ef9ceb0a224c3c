import torch

from segkit.listening import cut_features
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


def test_the_last_words_are_followed_by_silence_and_not_by_nothing():
    """An encoder that hears ahead hears the same as where the silence is on the record."""

    class Ahead(Listening):
        def listen(self, waveform):
            return 1 + waveform.unflatten(0, (-1, 320)).mean(1, keepdim=True)

        def forward(self, waveform, num_frames, first=0, *, features=None):
            pieces = [
                cut_features(features[0], number, 5, per_frame=2).view(1, -1)
                for number in range(first, first + num_frames)
            ]
            return torch.stack(pieces, 1)

    wave = torch.rand(20 * 640, generator=torch.manual_seed(0))
    cut = embed_speech(Ahead(), wave).vectors
    assert torch.equal(cut, embed_speech(Ahead(), torch.cat([wave, 0 * wave])).vectors[:20])
    assert cut.min() == 1


def test_the_last_frames_of_a_late_sound_keep_the_last_that_is_heard():
    """Their sound is cut off with the film, which is no reason to close the mouth."""
    speech = Speech(torch.arange(6.0)[:, None], torch.zeros(6), torch.tensor([-4.0]), delay_s=0.1)
    vectors, silence = speech.at([0.04 * k for k in range(2, 9)])
    torch.testing.assert_close(vectors[:, 0], torch.tensor([4.5, 5, 5, 5, 2, -1, -4]))
    torch.testing.assert_close(silence, torch.tensor([0, 0, 0, 0, 1 / 3, 2 / 3, 1]))
