"""SyncNet of pictures and speech (Wav2Lip): the expert behind the baseline's sync loss.

Reproduces: Prajwal et al. 2020, section 3.1; they report 91 % accuracy on LRS2.
Hardware: one GPU of 8 GB. On a CPU it trains too, if slowly.
Data: ``segkit prepare FOLDER --out data/hdtf``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``mim train segkit projects/segtalker/baselines/wav2lip_syncnet.py`` or ``segkit train
wav2lip_syncnet``. Or give wav2lip.py the published expert, ``segkit convert wav2lip_syncnet
lipsync_expert.pth weights/lipsync_expert.safetensors``, as ``checkpoint`` of its first hook.
Differs from the published code: crops are those of the clip folder, wider than its face boxes; a
window is judged with both sounds, in sync and at least five frames off, not with one by chance.
"""

from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.held_out import HeldOut
from segkit.engine.sampling import SeekableSampler
from segkit.face_windows import SyncFaceWindows
from segkit_models.baselines.wav2lip import Wav2LipSyncNet
from segkit_models.talking.colour_sync_expert import ColourSyncExpert

data_root = "data/hdtf"

model = dict(
    type=ColourSyncExpert,
    syncnet=dict(type=Wav2LipSyncNet, size=96, num_frames=5),
    loss_weights=dict(bce=1.0, contrast=0.0),
)

train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(type=SyncFaceWindows, root=data_root, split="train", num_frames=5, size=96),
)
optim_wrapper = dict(optimizer=dict(type=Adam, lr=1e-4))
# Published: until the held-out loss stops falling, near 0.25; its first 150 000 iterations stay at
# 0.69. Ours: as many as our own SyncNet.
train_cfg = dict(max_iters=300_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=5000, keep=3))
custom_hooks = [
    dict(
        type=HeldOut,
        dataset=dict(
            type=SyncFaceWindows, root=data_root, split="val", num_frames=5, size=96, seed=1
        ),
        interval=5000,
        num_samples=512,
        batch_size=32,
    )
]
