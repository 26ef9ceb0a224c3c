"""What a training does without a file of weights that its config names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict

from segkit.engine.pretrained import leave_out_missing


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


def test_parts_begin_with_random_weights(tmp_path: Path) -> None:
    there = tmp_path / "there.safetensors"
    there.touch()
    config = ConfigDict(
        model=dict(
            generator=dict(type=Encoder, weights="nowhere"),
            discriminator=dict(type=Encoder, weights=str(there)),
            region_encoder=dict(type=Encoder, average_weights="nowhere"),
        ),
        train_dataloader=dict(dataset=dict()),
    )
    sentences = leave_out_missing(config)
    assert [sentence.partition(":")[0] for sentence in sentences] == [
        "region_encoder begins without average_weights nowhere",
        "generator begins without weights nowhere",
    ]
    assert config.model.generator.weights is None
    assert config.model.region_encoder.average_weights is None
    assert config.model.discriminator.weights == str(there)
