"""Held-out measurements: right numbers, and no trace in the training."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_toys import mean_guess

from segkit.engine.measures import image_fidelity, mouth_overlap

HOOK = {
    "type": "segkit.engine.held_out.HeldOut",
    "dataset": {"type": "engine_toys.ToyData", "size": 10},
    "interval": 4,
    "num_samples": 8,
    "batch_size": 4,
    "measure": "engine_toys.mean_guess",
}


def test_measuring_leaves_no_trace(run_toy: Any, tmp_path: Path) -> None:
    measured = run_toy("measured", overrides={"custom_hooks": [HOOK]})
    run_toy("plain")
    one, two = (
        torch.load(tmp_path / name / "iter_12.pth", weights_only=True)
        for name in ("measured", "plain")
    )
    assert all(
        torch.equal(one["state_dict"][key], two["state_dict"][key]) for key in one["state_dict"]
    )
    # The numbers of the last measurement, by hand.
    model = measured.model.eval()
    dataset = type(measured.train_dataloader.dataset)(size=10)
    x, y = (torch.stack([dataset[index][key] for index in range(8)]) for key in ("x", "y"))
    with torch.no_grad():
        wanted = {
            "held_out/loss": float(model(x, y)["loss"]),
            "held_out/guess": float(model.net(x).mean()),
        }
    (scalars,) = (tmp_path / "measured").glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    logged = [line for line in lines if "held_out/loss" in line]
    assert [line["step"] for line in logged] == [4, 8, 12]
    for name, number in wanted.items():
        assert logged[-1][name] == pytest.approx(number, rel=1e-5)


def test_mouth_overlap() -> None:
    target = torch.zeros(4, 4, dtype=torch.uint8)
    target[0, :2], target[1, :2] = 1, 9
    labels = torch.zeros(4, 4, dtype=torch.uint8)
    labels[0, 1:3], labels[1, :2] = 1, 9
    overlap = mouth_overlap([{"labels": labels, "target": target}])
    assert overlap == {"iou_lip": pytest.approx(1 / 3), "iou_mouth": 1.0}


def test_image_fidelity() -> None:
    target = torch.zeros(3, 4, 4, dtype=torch.uint8)
    prediction = target.clone()
    prediction[:, 2:] = 51
    fidelity = image_fidelity([{"prediction": prediction, "target": target}])
    assert fidelity["psnr_lower"] == pytest.approx(-20 * math.log10(0.2), abs=1e-4)
    assert fidelity["psnr"] == pytest.approx(-10 * math.log10(0.02), abs=1e-4)
    assert mean_guess([{"guess": torch.ones(1)}]) == {"guess": 1.0}
