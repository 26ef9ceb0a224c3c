"""The flow of data: every picture in it follows from those before."""

import numpy as np
import pytest
import torch

from segkit.parser_choice import build_parser
from segkit.plots.flow_material import flow_material
from segkit.plots.flow_picture import flow_figure
from segkit.regions import SCHEME_12
from segkit.synthetic import portrait
from segkit.talk.masks import to_pixels

pytest.importorskip("sklearn", reason="needs the extra `plot`")


@pytest.fixture(scope="module")
def material(tiny_bundle):
    picture, donor = (portrait(seed, size=160)[0] for seed in (990_007, 990_000))
    waveform = 0.1 * torch.randn(6_400, generator=torch.Generator().manual_seed(0))
    parser = build_parser(None)
    return flow_material(
        tiny_bundle, parser, picture=picture, waveform=waveform, donor=donor, region="hair"
    )


def test_a_swap_changes_one_region(material):
    changed = (material.codes != material.swapped).any((1, 2))
    assert [SCHEME_12.regions[label] for label in np.flatnonzero(changed)] == ["hair"]


def test_speech_moves_the_lower_half_and_the_edit_the_eyes(material):
    half = len(material.labels) // 2
    assert np.array_equal(material.spoken[:half], material.labels[:half])
    changed = material.spoken != material.edited
    assert changed.any()
    assert set(material.spoken[changed]) == {SCHEME_12.index("eyes")}


def test_frames_are_drawn_from_masks_and_codes(material, tiny_bundle):
    from segkit.regions import one_hot

    for codes, labels, frame in (
        (material.codes, material.spoken, material.frame),
        (material.swapped, material.edited, material.edited_frame),
    ):
        with torch.no_grad():
            image = tiny_bundle.modules["generator"](
                torch.from_numpy(codes)[None], one_hot(torch.from_numpy(labels)[None], 12)
            )
        assert np.abs(to_pixels(image)[0].astype(int) - frame).max() <= 1


def test_the_picture_holds_what_flowed(material):
    figure = flow_figure(material, scheme=SCHEME_12)
    pictures = [image.get_array() for axes in figure.axes for image in axes.images]
    colours = SCHEME_12.colourise

    def is_shown(wanted):
        return any(
            shown.shape == wanted.shape and np.array_equal(shown, wanted) for shown in pictures
        )

    assert is_shown(material.image)
    assert is_shown(colours(material.spoken))
    assert is_shown(colours(material.edited))
    assert is_shown(material.frame)
    assert is_shown(material.edited_frame)
    assert is_shown(material.mel)
    words = {text.get_text() for text in figure.texts}
    assert {"mask\ndecoder", "region\nencoder", "swap\nhair"} <= words


def test_a_donor_without_the_region(tiny_bundle):
    picture = portrait(990_007, size=160)[0]
    with pytest.raises(ValueError, match="a face that shows enough earrings"):
        flow_material(
            tiny_bundle, build_parser(None), picture=picture, waveform=torch.zeros(640),
            donor=picture, region="earrings",
        )  # fmt: skip
