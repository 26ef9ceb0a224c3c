"""SyncNet of masks and speech at 128 px: the expert of the built-in model.

Reproduces: projects/segtalker/syncnet.py, smaller, on synthetic faces.
Hardware: a laptop's CPU; one core makes about 0.45 s of an iteration, half an hour in all.
Data: ``segkit synth --out data/synthetic``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``segkit train syncnet_tiny --data data/synthetic``.
Seen (600 clips of 4 s, seed 0): balanced accuracy 0.928 on 768 windows of unseen people and voices
(0.966 in sync, 0.891 off sync); the paper's 0.81 is of real data.
Differs from syncnet.py: four regions, bfloat16, a faster learning rate.
"""

from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.held_out import HeldOut
from segkit.engine.sampling import SeekableSampler
from segkit.windows import SyncWindows
from segkit_models.experts.syncnet import SegmentationSyncNet
from segkit_models.talking.sync_expert import SyncExpert

data_root = "data/synthetic"

# The 128 px masks are averaged down to 64, as the paper-size expert halves its 512 px.
model = dict(
    type=SyncExpert,
    syncnet=dict(
        type=SegmentationSyncNet,
        num_regions=12,
        size=64,
        num_frames=5,
        width=0.375,
        # Lips, nose, skin and mouth interior: what moves with speech. Fewer planes, quicker stem.
        regions=(1, 5, 6, 9),
    ),
)

train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(
        type=SyncWindows, root=data_root, split="train", num_frames=5, size=128, flip=True
    ),
)
optim_wrapper = dict(
    precision="bfloat16", optimizer=dict(type=Adam, lr=1e-3), clip_grad=dict(max_norm=1.0)
)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.1, end=100),
    dict(type=CosineAnnealingLR, begin=100, eta_min=1e-5),
]
train_cfg = dict(max_iters=4_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=500, keep=2))
custom_hooks = [
    dict(
        type=HeldOut,
        dataset=dict(type=SyncWindows, root=data_root, split="val", num_frames=5, size=128, seed=1),
        interval=500,
        num_samples=512,
        batch_size=64,
    )
]
