"""Any architecture of segmentation-models-pytorch moves a mask by speech."""

import pytest
import torch
from torch.nn import functional

from segkit.contracts import MaskDecoder
from segkit.registry import MASK_DECODERS
from segkit_models.mask_decoders import SmpMaskDecoder

ARCHITECTURES = (
    "Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "DeepLabV3", "DeepLabV3Plus",
    "PAN", "UPerNet", "Segformer",
)  # fmt: skip


def make(architecture="Unet", **changes):
    torch.manual_seed(0)
    arguments = dict(num_regions=4, size=64, audio_dim=8, encoder="mobilenet_v2") | changes
    return SmpMaskDecoder(architecture=architecture, **arguments).eval()


def masks(batch=2, size=64, regions=4):
    labels = torch.randint(regions, (2, batch, size, size))
    return functional.one_hot(labels, regions).movedim(-1, 2).float()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_speech_reaches_the_logits_of_every_architecture(architecture):
    size = 128 if architecture == "PAN" else 64  # which pools its deepest map three times more
    decoder, (pose, reference) = make(architecture, size=size), masks(size=size)
    audio = torch.randn(2, 8, requires_grad=True)
    logits = decoder(pose, reference, audio)
    assert logits.shape == (2, 4, size, size)
    logits.square().sum().backward()
    assert (audio.grad.abs().sum(1) > 0).all()


def test_it_is_the_librarys_network_but_for_the_join():
    import segmentation_models_pytorch as smp

    decoder, (pose, reference) = make(), masks()
    network = smp.Unet("mobilenet_v2", encoder_weights=None, in_channels=8, classes=4).eval()
    for ours, theirs in (
        ("encoder", "encoder"), ("decoder", "decoder"), ("head", "segmentation_head"),
    ):  # fmt: skip
        getattr(network, theirs).load_state_dict(getattr(decoder, ours).state_dict())
    with torch.no_grad():
        features = decoder.encode(pose, reference)
        plain = decoder.head(decoder.decoder(features))
        torch.testing.assert_close(plain, network(torch.cat([pose, reference], 1)))
        # Each frame is joined with its own speech.
        audio = torch.randn(2, 8)
        both = decoder(pose, reference, audio)
        for index in range(2):
            alone = decoder(pose[[index]], reference[[index]], audio[[index]])
            torch.testing.assert_close(both[[index]], alone, atol=1e-5, rtol=1e-4)


def test_contract_and_registry():
    assert isinstance(make(), MaskDecoder)
    assert MASK_DECODERS.get("SmpMaskDecoder") is SmpMaskDecoder


def test_logits_shift_by_region():
    decoder, (pose, reference) = make(), masks()
    offsets = torch.tensor([1.0, -2.0, 0.0, 0.5])
    with torch.no_grad():
        before = decoder(pose, reference, torch.ones(2, 8))
        decoder.shift_logits(offsets)
        after = decoder(pose, reference, torch.ones(2, 8))
    wanted = offsets.view(1, 4, 1, 1).expand_as(before)
    torch.testing.assert_close(after - before, wanted, atol=1e-5, rtol=1e-5)


def test_what_does_not_fit_is_told():
    for changes, message in (
        (dict(size=80), "multiple of 32, got 80"),
        (dict(architecture="Unett"), "did you mean 'Unet'"),
        (dict(architecture="DPT"), "DPT has no maps"),
        (dict(encoder="resnet43"), "did you mean 'resnet34'"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**changes)
    pose, reference = masks(size=32)
    with pytest.raises(ValueError, match=r"pose: expected shape \(B, R=4, H=64, W=64\)"):
        make()(pose, reference, torch.ones(2, 8))
