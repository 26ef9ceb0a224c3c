"""Every registered network, tiny, gives by ONNX Runtime what it gives by torch, at any batch.

`tests/segkit/backends/test_backends.py` runs this file in a process of its own.
"""

from __future__ import annotations

import pytest
import torch

from segkit.export import NOT_EXPORTABLE, export_module
from segkit.export.parts import Stretch, random_masks
from segkit.registry import (
    AUDIO_ENCODERS,
    FAMILIES,
    GENERATORS,
    MASK_DECODERS,
    PARSERS,
    REGION_ENCODERS,
)
from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet
from segkit_models.experts.syncnet import SegmentationSyncNet

MEL = dict(type="MelCNN", out_dim=8, widths=[8, 8, 8, 8, 8])
SMALL_UNET = dict(num_regions=4, size=64, audio_dim=8)
SMALL_SPADE = dict(size=64, num_regions=4, style_dim=6, width=2, hidden=8)
HUBERT = dict(
    type="AVHubert", dim=16, num_layers=1, num_heads=2, ff_dim=16, position_kernel=8,
    position_groups=2, out_dim=8,
)  # fmt: skip


def _noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def _masks(size=64, regions=4):
    return random_masks(2, size, regions, blocks=4)


def _parser(**config):
    return PARSERS.build(config), (2 * _noise(2, 3, 64, 64) - 1,), ("image",)


def _decoder(**config):
    inputs = (_masks(), _masks().flip(0), _noise(2, 8))
    return MASK_DECODERS.build(SMALL_UNET | config), inputs, ("pose", "reference", "audio")


def _region_encoder(**config):
    settings = dict(num_regions=4, style_dim=8) | config
    return REGION_ENCODERS.build(settings), (_noise(2, 3, 64, 64), _masks()), ("image", "mask")


def _generator(layers, **config):
    inputs = (_noise(2, 4, layers, config["style_dim"]), _masks())
    return GENERATORS.build(config), inputs, ("styles", "mask")


def _audio(features=None, **config):
    inputs = (0.1 * _noise(2, 45 * 640), *(() if features is None else (features,)))
    names = ("waveform", "features")[: len(inputs)]
    return Stretch(AUDIO_ENCODERS.build(config)), inputs, names


CASES = {
    "BiSeNet": lambda: _parser(type="BiSeNet", width=8),
    "SmpParser": lambda: _parser(type="SmpParser", num_regions=5, encoder="mobilenet_v2"),
    "UNetMaskDecoder": lambda: _decoder(type="UNetMaskDecoder", width=0.125),
    "SmpMaskDecoder": lambda: _decoder(type="SmpMaskDecoder", encoder="mobilenet_v2"),
    "FPNRegionEncoder": lambda: _region_encoder(
        type="FPNRegionEncoder", num_layers=6, input_size=64, fpn_dim=16, units=(1, 1, 1, 1),
        width=(4, 4, 8, 8, 8),
    ),
    "E4SRegionEncoder": lambda: _region_encoder(
        type="E4SRegionEncoder", num_layers=6, num_coded_layers=4, input_size=64,
        width=(4, 4, 8, 8, 8), units=(1, 1, 1, 1),
    ),
    "SEANRegionEncoder": lambda: _region_encoder(
        type="SEANRegionEncoder", input_size=64, width=4
    ),
    "TimmFPNRegionEncoder": lambda: _region_encoder(
        type="TimmFPNRegionEncoder", backbone="resnet18", num_layers=6, input_size=64, fpn_dim=16
    ),
    "SEANGenerator": lambda: _generator(1, type="SEANGenerator", **SMALL_SPADE),
    "SPADEGenerator": lambda: _generator(1, type="SPADEGenerator", **SMALL_SPADE),
    "RegionStyleGAN2": lambda: _generator(
        6, type="RegionStyleGAN2", size=16, channels=(8, 8, 8), num_regions=4, style_dim=8,
        mask_mode="smooth",
    ),
    "MelCNN": lambda: _audio(**MEL),
    "PhonemeCNN": lambda: _audio(_noise(2, 90, 191), type="PhonemeCNN", out_dim=8, width=8),
    "Concat": lambda: _audio(
        _noise(2, 90, 191), type="Concat", out_dim=8,
        encoders=[MEL, dict(type="PhonemeCNN", out_dim=8, width=8)],
    ),
    "network of AVHubert": lambda: (
        AUDIO_ENCODERS.build(HUBERT).network, (_noise(2, 30, 104),), ("features",)
    ),
    "SegmentationSyncNet": lambda: (
        SegmentationSyncNet(num_regions=4, size=64, width=0.02),
        (random_masks(10, 64, 4, blocks=4).unflatten(0, (2, 5))[..., 32:, :], _noise(2, 80, 16)),
        ("mask", "mel"),
    ),
    "Wav2Lip": lambda: (Wav2Lip(width=0.125), (_noise(2, 1, 80, 16), _noise(2, 6, 96, 96)),
                        ("mel", "face")),
    "Wav2LipSyncNet": lambda: (Wav2LipSyncNet(width=0.125),
                               (_noise(2, 1, 80, 16), _noise(2, 15, 48, 96)), ("mel", "face")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_component_is_the_same_as_a_graph(case, tmp_path):
    torch.manual_seed(0)
    module, inputs, names = CASES[case]()
    outputs = ("first", "second")[: 2 if "SyncNet" in case else 1]
    found = export_module(
        module.eval(), inputs, tmp_path / "a.onnx", input_names=names, output_names=outputs
    )
    assert found <= 1e-4


@pytest.mark.parametrize("form", ["exact"])
def test_an_exact_generator_stays_exact_at_other_borders(form, tmp_path):
    torch.manual_seed(0)
    generator, inputs, names = _generator(
        6, type="RegionStyleGAN2", size=16, channels=(8, 8, 8), num_regions=4, style_dim=8,
        region_conv=form,
    )  # fmt: skip
    # As many borders as pixels, none, and some; the traced masks had a few.
    others = [
        (_noise(rows, 4, 6, 8), random_masks(rows, 64, 4, blocks=blocks, seed=rows))
        for rows, blocks in ((1, 16), (3, 1), (5, 2))
    ]
    found = export_module(
        generator.eval(), inputs, tmp_path / "a.onnx", input_names=names, others=others
    )
    assert found <= 1e-5
    assert generator.region_conv == form


def test_every_registered_network_is_exported_or_named():
    families = ("parsers", "audio_encoders", "mask_decoders", "region_encoders", "generators")
    names = {name for family in families for name in FAMILIES[family].names()}
    assert names - set(CASES) == names & set(NOT_EXPORTABLE)
    assert not set(CASES) & set(NOT_EXPORTABLE)
