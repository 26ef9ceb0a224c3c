"""The U-Net of TSG: counted against the table of layers, and what it may and may not look at."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from segkit.contracts import MaskDecoder
from segkit.registry import MASK_DECODERS
from segkit_models.mask_decoders import UNetMaskDecoder

# side, variant -> parameters (millions) and GFLOP per frame of Wav2Lip's ladder grown to the side
COUNTS = {
    (128, "A"): (39.0, 14.2),
    (128, "B"): (30.9, 5.6),
    (256, "A"): (55.5, 57.9),
    (256, "B"): (47.4, 23.2),
    (512, "A"): (69.7, 232),
    (512, "B"): (61.6, 93),
}


def make(**changes):
    arguments = dict(num_regions=3, size=32, audio_dim=8, width=0.01, norm="group") | changes
    torch.manual_seed(0)
    return UNetMaskDecoder(**arguments)


def inputs(decoder, batch=2):
    generator = torch.Generator().manual_seed(1)
    shape = (batch, decoder.num_regions, decoder.size, decoder.size)
    pose, reference = (torch.rand(shape, generator=generator).round() for _ in range(2))
    return pose, reference, torch.rand(batch, decoder.audio_dim, generator=generator)


@pytest.mark.parametrize(("case", "expected"), COUNTS.items())
def test_parameters_and_work_are_those_of_the_table(case, expected):
    size, variant = case
    with torch.device("meta"):
        decoder = UNetMaskDecoder(size=size, variant=variant).eval()
        masks = torch.zeros(1, 12, size, size)
        with FlopCounterMode(display=False) as work:
            decoder(masks, masks, torch.zeros(1, 512))
    millions = sum(parameter.numel() for parameter in decoder.parameters()) / 1e6
    assert millions == pytest.approx(expected[0], abs=0.05)
    assert work.get_total_flops() / 1e9 == pytest.approx(expected[1], rel=0.008)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("variant", ["A", "B"])
def test_logits_have_the_masks_shape(size, variant):
    decoder = make(size=size, variant=variant)
    assert decoder(*inputs(decoder)).shape == (2, 3, size, size)


@pytest.mark.parametrize("width", [0.125, 0.25, 0.375, 0.5])
def test_every_width_is_a_multiple_of_eight(width):
    with torch.device("meta"):
        decoder = UNetMaskDecoder(size=128, width=width, norm="group")
    widths = {m.num_channels for m in decoder.modules() if isinstance(m, torch.nn.GroupNorm)}
    assert all(channels % 8 == 0 for channels in widths)
    assert max(widths) == 512 * width


def test_is_the_contract_and_registered():
    assert isinstance(make(), MaskDecoder)
    assert MASK_DECODERS.get("UNetMaskDecoder") is UNetMaskDecoder


def test_group_norm_frees_a_frame_from_its_batch():
    decoder = make().train()
    pose, reference, audio = inputs(decoder, batch=3)
    alone = decoder(pose[1:2], reference[1:2], audio[1:2])
    torch.testing.assert_close(decoder(pose, reference, audio)[1:2], alone, atol=1e-5, rtol=1e-5)


def test_all_three_inputs_matter_and_teach():
    decoder = make()
    tensors = [tensor.requires_grad_() for tensor in inputs(decoder)]
    decoder(*tensors).square().mean().backward()
    assert all(tensor.grad.abs().sum() > 0 for tensor in tensors)
    assert all(parameter.grad is not None for parameter in decoder.parameters())


def test_encoding_once_serves_several_sounds():
    decoder = make().eval()
    pose, reference, audio = inputs(decoder)
    features = decoder.encode(pose, reference)
    assert features[-1].shape[-2:] == (1, 1)
    for sound in (audio, audio.flip(0)):
        torch.testing.assert_close(decoder.decode(features, sound), decoder(pose, reference, sound))


@pytest.mark.parametrize("variant", ["A", "B"])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_prepared_masks_give_the_same_logits_for_less_work(variant, norm):
    decoder = make(size=64, variant=variant, norm=norm, width=0.0625).eval()
    pose, reference, audio = inputs(decoder, batch=3)
    pose, reference = pose[:1], reference[:1]
    expected = decoder(pose.expand(3, -1, -1, -1), reference.expand(3, -1, -1, -1), audio)
    prepared = decoder.prepare(pose, reference)
    found = decoder.decode_prepared(prepared, audio)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(decoder.decode_prepared(prepared, audio.flip(0)), found.flip(0))


@given(data=st.data())
@settings(max_examples=40)
def test_lower_rows_alone_are_those_of_the_whole(data):
    size = data.draw(st.sampled_from([32, 64]))
    variant, norm = data.draw(st.sampled_from([("A", "batch"), ("B", "batch"), ("B", "group")]))
    decoder = make(size=size, variant=variant, norm=norm, width=0.0625).eval()
    pose, reference, audio = inputs(decoder)
    first = data.draw(st.integers(0, size - 1))
    whole, part = decoder(pose, reference, audio), decoder(pose, reference, audio, first_row=first)
    assert part.shape == whole.shape
    assert not part[:, :, :first].any()
    torch.testing.assert_close(part[:, :, first:], whole[:, :, first:], atol=1e-5, rtol=1e-5)
    prepared = decoder.prepare(pose, reference)
    found = decoder.decode_prepared(prepared, audio, first_row=first)
    torch.testing.assert_close(found, part, atol=1e-5, rtol=1e-5)


def test_the_lower_half_takes_less_work():
    with torch.device("meta"):
        decoder = UNetMaskDecoder(size=512).eval()
        masks, audio = torch.zeros(1, 12, 512, 512), torch.zeros(1, 512)
        prepared = decoder.prepare(masks, masks)

        def work_of(first_row):
            with FlopCounterMode(display=False) as film:
                decoder(masks, masks, audio, first_row=first_row)
            with FlopCounterMode(display=False) as portrait:
                decoder.decode_prepared(prepared, audio, first_row=first_row)
            return film.get_total_flops(), portrait.get_total_flops()

        film, portrait = (all_ / half for all_, half in zip(work_of(0), work_of(255), strict=True))
    assert film > 1.4
    assert portrait > 1.75


def test_a_row_that_is_not_there_is_told():
    decoder = make(size=32).eval()
    with pytest.raises(ValueError, match="first_row: expected 0 to 31, got 32"):
        decoder(*inputs(decoder), first_row=32)


def test_a_portrait_takes_two_thirds_of_the_work():
    with torch.device("meta"):
        decoder = UNetMaskDecoder(size=512).eval()
        masks, audio = torch.zeros(1, 12, 512, 512), torch.zeros(1, 512)
        counts = []
        prepared = decoder.prepare(masks, masks)
        for run in (
            lambda: decoder(masks, masks, audio),
            lambda: decoder.decode_prepared(prepared, audio),
        ):
            with FlopCounterMode(display=False) as work:
                run()
            counts.append(work.get_total_flops())
    assert counts[0] / counts[1] > 1.4


@pytest.mark.parametrize("size", [16, 96, 100])
def test_an_impossible_size_is_told(size):
    with pytest.raises(ValueError, match=f"power of two from 32, got {size}"):
        make(size=size)


def test_wrong_variants_and_shapes_are_told():
    with pytest.raises(ValueError, match="expected 'A' or 'B', got 'C'"):
        make(variant="C")
    decoder = make()
    pose, reference, audio = inputs(decoder)
    with pytest.raises(ValueError, match=r"reference: expected shape \(B, R=3, H=32, W=32\)"):
        decoder(pose, reference[..., :16], audio)
    with pytest.raises(ValueError, match=r"audio: expected shape \(B, D=8\), got \(2, 7\)"):
        decoder(pose, reference, audio[:, :7])
