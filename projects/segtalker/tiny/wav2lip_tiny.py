"""Wav2Lip, a quarter as wide: the baseline beside the built-in model.

Reproduces: projects/segtalker/baselines/wav2lip.py, smaller, on synthetic faces.
Hardware: a laptop's CPU; one core makes about 0.5 s of an iteration, 40 minutes in all.
Data: ``segkit synth --out data/synthetic``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``segkit train wav2lip_tiny --data data/synthetic``; ``segkit train wav2lip_syncnet_tiny``
trains the expert, which is needed from iteration 3000 on.
Seen (400 clips of 4 s, seed 0): held-out PSNR 28.6 dB at 96 px with the expert joined at iteration
3000 whatever its loss; that stayed at 1.0 (the expert is weak, see wav2lip_syncnet_tiny.py), and
was lowered by green flecks on the mouths. Hence join_below, which the published rule has too.
Differs from wav2lip.py: bfloat16, mirrored samples, a faster learning rate.
"""

from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.experts import LoadExpert
from segkit.engine.held_out import HeldOut
from segkit.engine.measures import image_fidelity
from segkit.engine.sampling import SeekableSampler
from segkit.face_windows import TalkingFaceWindows
from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet
from segkit_models.talking.wav2lip import Wav2LipTraining

data_root = "data/synthetic"
sync_begin = 3_000

model = dict(
    type=Wav2LipTraining,
    generator=dict(type=Wav2Lip, size=96, width=0.25),
    sync_expert=dict(type=Wav2LipSyncNet, size=96, num_frames=5, width=0.25),
    sync_begin=sync_begin,
    sync_weight=0.03,
    join_below=0.75,
)

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(
        type=TalkingFaceWindows, root=data_root, split="train", num_frames=5, size=96, flip=True
    ),
)
optim_wrapper = dict(
    precision="bfloat16",
    optimizer=dict(type=Adam, lr=1e-3, betas=(0.9, 0.999)),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.1, end=200),
    dict(type=CosineAnnealingLR, begin=200, eta_min=1e-5),
]
train_cfg = dict(max_iters=5_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=500, keep=2))
custom_hooks = [
    dict(
        type=LoadExpert,
        module="sync_expert",
        checkpoint="work_dirs/wav2lip_syncnet_tiny",
        prefix="syncnet.",
        needed_at=sync_begin,
        trained_by="segkit train wav2lip_syncnet_tiny",
    ),
    dict(
        type=HeldOut,
        dataset=dict(
            type=TalkingFaceWindows, root=data_root, split="val", num_frames=5, size=96, seed=1
        ),
        interval=500,
        num_samples=96,
        batch_size=8,
        measure=image_fidelity,
    ),
]
