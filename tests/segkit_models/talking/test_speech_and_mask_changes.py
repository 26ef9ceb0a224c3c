"""Random changes of training samples: bounded, per sample, and nothing at zero."""

import torch

from segkit_models.talking.augment import augment_mel, augment_waveform, soften_masks


def test_changes_of_nothing_change_nothing():
    mel, waveform = torch.rand(3, 80, 16) * 8 - 4, torch.rand(3, 6400) - 0.5
    assert torch.equal(augment_mel(mel), mel)
    torch.testing.assert_close(augment_waveform(waveform), waveform)
    mask = torch.rand(2, 5, 3, 8, 8)
    torch.testing.assert_close(soften_masks(mask, amount=0.0), mask)


def test_a_gain_in_decibels_shifts_the_mel_by_its_scale():
    """100 dB are 8 units, so 25 dB are at most 2, one shift per sample."""
    torch.manual_seed(0)
    mel = torch.zeros(200, 80, 16)
    shift = augment_mel(mel, gain_db=25.0)
    assert torch.equal(shift.amax((1, 2)), shift.amin((1, 2)))
    assert shift.abs().max() <= 2.0
    assert shift.amax() > 1.9
    assert shift.amin() < -1.9


def test_a_tilt_turns_the_spectrum_about_its_middle():
    torch.manual_seed(0)
    tilted = augment_mel(torch.zeros(4, 80, 16), tilt_db=25.0)
    torch.testing.assert_close(tilted[:, 0], -tilted[:, -1])
    steps = tilted.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-5, rtol=0)


def test_the_mel_stays_in_its_range():
    mel = torch.rand(3, 80, 16) * 8 - 4
    assert augment_mel(mel, gain_db=60.0, noise_db=10.0).abs().max() <= 4


def test_a_gain_scales_the_waveform():
    torch.manual_seed(0)
    waveform = torch.rand(50, 640) * 0.1
    ratio = augment_waveform(waveform, gain_db=6.0) / waveform
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    decibels = 20 * ratio[:, 0].log10()
    assert decibels.abs().max() <= 6.001
    assert decibels.std() > 2


def test_noise_keeps_its_distance_from_the_speech():
    torch.manual_seed(0)
    waveform = 0.3 * torch.sin(torch.arange(16000) * 0.1).repeat(8, 1)
    noise = augment_waveform(waveform, noise_snr_db=10.0) - waveform
    ratio_db = 10 * (waveform.square().mean(1) / noise.square().mean(1)).log10()
    assert ratio_db.min() > 9.5
    assert ratio_db.max() < 40.5


def test_the_equaliser_stays_within_its_decibels():
    torch.manual_seed(0)
    impulse = torch.zeros(6, 4096)
    impulse[:, 0] = 0.2
    gain_db = 20 * (torch.fft.rfft(augment_waveform(impulse, equaliser_db=6.0)).abs() / 0.2).log10()
    assert gain_db.abs().max() <= 6.01
    assert gain_db.std(1).min() > 1
    assert gain_db.diff(dim=1)[:, 50:].abs().max() < 0.5  # no steps


def test_softened_masks_are_still_a_partition_and_soft_only_at_borders():
    torch.manual_seed(0)
    mask = torch.zeros(4, 2, 2, 8, 8)
    mask[:, :, 0, :4] = 1
    mask[:, :, 1, 4:] = 1
    soft = soften_masks(mask, amount=1.0)
    torch.testing.assert_close(soft.sum(2), torch.ones(4, 2, 8, 8))
    changed = (soft != mask).any(2)
    assert changed[..., 3:5, :].all()
    assert not changed[..., :3, :].any()
    assert len(soft[:, 0, 0, 4, 4].unique()) == 4  # each sample its own amount
