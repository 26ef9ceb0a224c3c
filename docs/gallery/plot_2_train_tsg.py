"""
Train the tiny TSG
==================

For the researcher who trains. A config names the components; ``segkit train tsg_tiny`` runs it.
Here the same functions run it for forty steps on eight drawn clips, with narrower layers and
without the phoneme recogniser, so that it takes seconds.
"""

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from segkit.engine.launch import TrainOptions, prepare, train
from segkit.synthetic import make_dataset

work = Path(tempfile.mkdtemp())
make_dataset(
    work / "data", num_clips=8, people=8, seconds=1.2, size=64, progress=False, num_processes=1
)

# %%
# ``--cfg-options`` of the command line are the overrides here. A whole component is swapped with
# ``_delete_``.

options = TrainOptions(
    config="tsg_tiny",
    data=str(work / "data"),
    work_dir=str(work / "run"),
    overrides={
        "train_cfg.max_iters": 40,
        "model.audio_encoder": {
            "_delete_": True,
            "type": "MelCNN",
            "out_dim": 32,
            "widths": (8, 16, 16, 32, 32),
        },
        "model.mask_decoder": {"size": 64, "audio_dim": 32, "width": 0.125},
        "model.sync_expert": None,
        "train_dataloader.batch_size": 2,
        "train_dataloader.dataset": {"listener": None, "size": 64},
        "default_hooks.logger.interval": 2,
        "optim_wrapper.precision": "float32",
        "param_scheduler": [],
        "custom_hooks": [],
    },
)
runner = train(prepare(options))

# %%
# The log holds a line for every second step: the cross entropy of its few clips, and the running
# mean.

log = next((work / "run").rglob("scalars.json"))
rows = [json.loads(line) for line in log.read_text().splitlines()]
steps = [row["step"] for row in rows]
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
axis.plot(steps, [row["ce"] for row in rows], lw=1, alpha=0.5, label="each step")
axis.plot(steps, [row["loss"] for row in rows], label="running mean")
axis.set(xlabel="iteration", ylabel="weighted cross entropy (eq. 2)", ylim=(0, None))
axis.legend()
