"""Run the engine on a toy config."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# The configs below import the toys by name, here and in processes of their own.
sys.path.insert(0, str(Path(__file__).parent))

CONFIG = '''
"""A toy training."""

from mmengine.optim import LinearLR
from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from engine_toys import ToyData, ToyModel

model = dict(type=ToyModel, width=16)
train_dataloader = dict(batch_size=4, dataset=dict(type=ToyData, size=40))
optim_wrapper = dict(optimizer=dict(type=Adam, lr=1e-2, betas=(0.5, 0.9)))
param_scheduler = [dict(type=LinearLR, start_factor=0.1, end=10)]
train_cfg = dict(max_iters=12)
default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=6))
'''


@pytest.fixture
def toy_config(tmp_path: Path) -> Path:
    """Path of a config that trains for 12 iterations of 4 samples and saves after 6."""
    path = tmp_path / "toy.py"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def run_toy(toy_config: Path, tmp_path: Path) -> Callable[..., Any]:
    """Train the toy config: ``run_toy("work_dir", resume=..., ...)`` returns the Runner."""
    from segkit.engine.launch import TrainOptions, prepare, train

    def run(work_dir: str, *, dry_run: bool = False, **options: Any) -> Any:
        options.setdefault("config", str(toy_config))
        return train(
            prepare(TrainOptions(work_dir=str(tmp_path / work_dir), **options)), dry_run=dry_run
        )

    return run
