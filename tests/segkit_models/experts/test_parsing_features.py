"""The parser's encoder against stored feature similarities of the reference code."""

import importlib.util
import os
from pathlib import Path

import pytest
import torch

from segkit_models.experts.parsing_features import ParsingFeatures, from_celebamask_hq
from segkit_models.losses.cosine import cosine_distance

SHARED = Path(os.environ.get("SEGKIT_SHARED", Path(__file__).resolve().parents[4] / "shared"))
PARITY = SHARED / "parity"


@pytest.mark.skipif(not PARITY.exists(), reason=f"no parity fixtures in {PARITY}")
def test_similarities_are_the_references():
    spec = importlib.util.spec_from_file_location("fill_sgi", PARITY / "fill_sgi.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    state = fill.seeded_state(
        fill.read_spec("celebamaskhq_unet_model.txt"), equalised=fill.EQUALISED["parser_unet"]
    )
    network = ParsingFeatures().eval()
    network.load_state_dict(from_celebamask_hq({f"module.{k}": v for k, v in state.items()}))
    with torch.no_grad():
        first, second = (network.features(fill.image(n, (1, 3, 512, 512))) for n in ("pa", "pb"))
    found = [1 - cosine_distance(a, b).item() for a, b in zip(first, second, strict=True)]
    expected = torch.load(PARITY / "parser_unet_512.pt", weights_only=True)["sims"]
    assert found == pytest.approx(expected, abs=1e-5)


def test_five_levels_halve_and_large_images_are_pooled():
    maps = ParsingFeatures(width=4, size=32).eval().features(torch.randn(1, 3, 64, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [
        (4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 4, 4), (64, 2, 2)
    ]  # fmt: skip
