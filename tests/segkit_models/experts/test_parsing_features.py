"""The parser whose encoder the parsing loss compares: sizes, and what runs when."""

import pytest
import torch

from segkit_models.experts.parsing_features import ParsingFeatures


def test_five_levels_halve_and_large_images_are_pooled():
    network = ParsingFeatures(width=4, size=32).eval()
    image = torch.randn(1, 3, 64, 64)
    assert [tuple(x.shape[1:]) for x in network.features(image)] == [
        (4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 4, 4), (64, 2, 2)
    ]  # fmt: skip
    logits = network(image)
    assert logits.shape == (1, 19, 32, 32)
    pooled = torch.nn.functional.avg_pool2d(image, 2)
    torch.testing.assert_close(network(pooled), logits)


def test_features_leave_the_decoder_alone():
    network = ParsingFeatures(width=4, size=32)
    sum(x.sum() for x in network.features(torch.randn(2, 3, 32, 32))).backward()
    assert all(p.grad is not None for p in network.levels.parameters())
    rest = [*network.expansions.parameters(), *network.head.parameters()]
    assert all(p.grad is None for p in rest)


def test_impossible_sizes_and_published_files_are_told(tmp_path):
    network = ParsingFeatures(width=4, size=32)
    with pytest.raises(ValueError, match=r"multiples of 16, got \(24, 24\)"):
        network(torch.zeros(1, 3, 24, 24))
    torch.save({"conv1": torch.zeros(1)}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match="not a file made by `segkit convert`"):
        ParsingFeatures(tmp_path / "model.pth")
