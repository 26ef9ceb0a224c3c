"""A parser learns the masks it is shown, and refuses what is none."""

import pytest
import torch
from torch import nn

from segkit.engine.measures import region_overlap
from segkit_models.talking.face_parsing import FaceParsing


def colours_and_labels(batch=2, size=16):
    labels = torch.randint(3, (batch, size, size), generator=torch.Generator().manual_seed(0))
    palette = torch.tensor([[250, 10, 10], [10, 250, 10], [10, 10, 250]], dtype=torch.uint8)
    return palette[labels].permute(0, 3, 1, 2).contiguous(), labels.to(torch.uint8)


def test_a_linear_parser_learns_colours():
    torch.manual_seed(0)
    model = FaceParsing(nn.Conv2d(3, 3, 1), num_regions=3)
    image, mask = colours_and_labels()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    first = model(image, mask, mode="loss")["loss"].item()
    for _ in range(60):
        optimiser.zero_grad()
        loss = model(image, mask, mode="loss")["loss"]
        loss.backward()
        optimiser.step()
    assert loss.item() < first / 10
    predictions = model(image, mask, image, mask, mode="predict")
    assert len(predictions) == 4
    assert predictions[0]["labels"].dtype == torch.uint8
    assert region_overlap(predictions) == {"mean_iou": 1.0}


def test_shapes_are_checked():
    model = FaceParsing(nn.Conv2d(3, 3, 1), num_regions=3)
    image, mask = colours_and_labels()
    with pytest.raises(ValueError, match=r"mask: expected shape \(B=2, H, W\), got"):
        model(image, mask[:1], mode="loss")


def test_mean_overlap_by_hand():
    # Region 0: 1 of 2; region 1: 2 of 3; region 5 is predicted but nowhere true: not counted.
    pairs = [{"labels": torch.tensor([[0, 1, 1, 5]]), "target": torch.tensor([[0, 1, 1, 1]])}]
    assert region_overlap(pairs)["mean_iou"] == pytest.approx((1 + 2 / 3) / 2)
