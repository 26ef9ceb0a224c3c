"""SyncNet of pictures and speech, a quarter as wide: the expert of wav2lip_tiny.py.

Reproduces: projects/segtalker/baselines/wav2lip_syncnet.py, smaller, on synthetic faces.
Hardware: a laptop's CPU; one core makes about 0.35 s of an iteration, 25 minutes in all.
Data: ``segkit synth --out data/synthetic``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``segkit train wav2lip_syncnet_tiny --data data/synthetic``.
Seen (400 clips of 4 s, seed 0): balanced accuracy 0.70 on held-out people, where the SyncNet of
masks (syncnet_tiny.py) has 0.94.
Differs from wav2lip_syncnet.py: the search for a window's own speech in the batch beside the binary
cross entropy, speech of changing loudness, bfloat16, a faster learning rate.
"""

from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.held_out import HeldOut
from segkit.engine.sampling import SeekableSampler
from segkit.face_windows import SyncFaceWindows
from segkit_models.baselines.wav2lip import Wav2LipSyncNet
from segkit_models.talking.colour_sync_expert import ColourSyncExpert

data_root = "data/synthetic"

model = dict(
    type=ColourSyncExpert,
    syncnet=dict(type=Wav2LipSyncNet, size=96, num_frames=5, width=0.25),
    # As our own SyncNet's, so that the two differ by what they see.
    loss_weights=dict(bce=1.0, contrast=0.5),
    mel_gain_db=6.0,
    mel_tilt_db=6.0,
    mel_noise_db=1.0,
)

train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(
        type=SyncFaceWindows, root=data_root, split="train", num_frames=5, size=96, flip=True
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
        dataset=dict(
            type=SyncFaceWindows, root=data_root, split="val", num_frames=5, size=96, seed=1
        ),
        interval=500,
        num_samples=512,
        batch_size=64,
    )
]
