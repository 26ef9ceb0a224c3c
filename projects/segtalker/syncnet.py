"""SyncNet of masks and speech (section 3.2): the expert behind TSG's sync loss, equations 3 and 4.

Reproduces: section 4.1, "SyncNet"; the paper reports 81 % accuracy on held-out HDTF clips.
Hardware: one GPU of 16 GB, about a day in the paper. On a CPU it trains too, if slowly.
Data: ``segkit prepare FOLDER --out data/hdtf``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``mim train segkit projects/segtalker/syncnet.py`` or ``segkit train syncnet``.
"""

from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.held_out import HeldOut
from segkit.engine.sampling import SeekableSampler
from segkit.windows import SyncWindows
from segkit_models.experts.syncnet import SegmentationSyncNet
from segkit_models.talking.sync_expert import SyncExpert

data_root = "data/hdtf"

# Paper: not given; ours: the 512 px masks are averaged down to 256, whose lower half is 128 x 256.
model = dict(
    type=SyncExpert,
    syncnet=dict(type=SegmentationSyncNet, num_regions=12, size=256, num_frames=5),
)

# Paper: batch 8. Ours: 64, as the recipe it cites; cosine losses over 8 windows hardly leave 0.69,
# and a mask looks for its own speech among those of the batch.
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(
        type=SyncWindows, root=data_root, split="train", num_frames=5, size=512, flip=True
    ),
)
optim_wrapper = dict(optimizer=dict(type=Adam, lr=1e-4))
train_cfg = dict(max_iters=300_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=5000, keep=3))
custom_hooks = [
    dict(
        type=HeldOut,
        dataset=dict(type=SyncWindows, root=data_root, split="val", num_frames=5, size=512, seed=1),
        interval=5000,
        num_samples=512,
        batch_size=32,
    )
]
