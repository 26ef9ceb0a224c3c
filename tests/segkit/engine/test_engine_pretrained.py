"""A training begins from converted weights, and says what is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from safetensors.torch import save_file

from segkit.engine.pretrained import leave_out_missing

HEAD = '{"format": 1, "kind": "toy", "parts": {"net": {"type": "segkit_models.x.Y"}}, "notes": []}'


def converted(path: Path, state: dict[str, torch.Tensor]) -> Path:
    """Write a file as `segkit convert` does."""
    save_file(state, path, metadata={"segkit_weights": HEAD})
    return path


def start(path: Path, **parts: str) -> dict[str, Any]:
    """Return the hook's config."""
    return {"type": "segkit.engine.pretrained.StartFrom", "file": str(path), "parts": parts}


STILL = {"optim_wrapper.optimizer.lr": 0.0, "train_cfg.max_iters": 1}


def test_weights_are_there_before_the_first_iteration(run_toy: Any, tmp_path: Path) -> None:
    first = run_toy("first", overrides=STILL).model.net.state_dict()
    other = {f"net.{key}": torch.full_like(value, 2) for key, value in first.items()}
    path = converted(tmp_path / "a.safetensors", other)
    hooks = STILL | {"custom_hooks": [start(path, net="net")]}
    net = run_toy("second", overrides=hooks).model.net
    assert (net[0].weight == 2).all()

    # A single tensor goes into a buffer by its whole name.
    name = "net.1.running_mean"
    path = converted(tmp_path / "b.safetensors", {"extras.mean": torch.full((16,), 7.0)})
    hooks = STILL | {
        "custom_hooks": [start(path, **{name: "extras.mean"})],
        "model.noisy": True,
    }
    mean = run_toy("third", overrides=hooks).model.net[1].running_mean
    assert (mean > 5).all()


def test_a_resumed_training_keeps_its_own_weights(run_toy: Any, tmp_path: Path) -> None:
    net = run_toy("work", overrides=STILL).model.net
    other = {f"net.{key}": torch.full_like(v, 2) for key, v in net.state_dict().items()}
    path = converted(tmp_path / "a.safetensors", other)
    hooks = STILL | {"custom_hooks": [start(path, net="net")], "train_cfg.max_iters": 2}
    again = run_toy("work", resume="auto", overrides=hooks).model.net
    assert not (again[0].weight == 2).any()


def test_a_missing_file_is_a_warning_and_a_wrong_one_an_error(
    run_toy: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hooks = STILL | {"custom_hooks": [start(tmp_path / "none.safetensors", net="net")]}
    run_toy("a", overrides=hooks)
    assert "net begin with random weights" in capfd.readouterr().out
    path = converted(tmp_path / "a.safetensors", {"net.0.weight": torch.ones(3, 3)})
    hooks = STILL | {"custom_hooks": [start(path, net="net")]}
    with pytest.raises(ValueError, match=r"0.weight: wanted \(16, 8\), got \(3, 3\)"):
        run_toy("b", overrides=hooks)
    hooks = STILL | {"custom_hooks": [start(path, net="generator")]}
    with pytest.raises(ValueError, match="holds no 'generator'; its parts are net"):
        run_toy("c", overrides=hooks)


class Encoder:
    """Stands for an audio encoder in a config."""


def test_what_lacks_its_file_is_left_out_aloud(tmp_path: Path) -> None:
    there = tmp_path / "there.safetensors"
    there.touch()

    def config(weights: str, **model: Any) -> Any:
        plain, big = dict(type=Encoder), dict(type=Encoder, weights=weights)
        return ConfigDict(
            model=dict(audio_encoder=dict(encoders=[plain, big])) | model,
            train_dataloader=dict(dataset=dict(listener=big)),
            custom_hooks=[dict(dataset=dict(listener=big)), dict()],
        )

    found = config(str(there))
    assert leave_out_missing(found) == []
    assert len(found.model.audio_encoder.encoders) == 2

    found = config("nowhere.safetensors")
    (sentence,) = leave_out_missing(found)
    assert sentence.startswith("audio encoder Encoder is left out: nowhere.safetensors not found")
    assert len(found.model.audio_encoder.encoders) == 1
    assert found.train_dataloader.dataset.listener is None
    assert found.custom_hooks[0].dataset.listener is None

    # The only encoder stays: its constructor will name the file.
    alone = config("nowhere", audio_encoder=dict(encoders=[dict(type=Encoder, weights="nowhere")]))
    assert leave_out_missing(alone) == []
    assert len(alone.model.audio_encoder.encoders) == 1
