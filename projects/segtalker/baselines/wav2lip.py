"""Wav2Lip, the baseline of the comparison tables, trained on the same clips as SegTalker.

Reproduces: Prajwal et al. 2020, section 3.2, without their visual quality discriminator.
Hardware: one GPU of 16 GB, less than a day in the original. On a CPU it trains too, if slowly.
Data: ``segkit prepare FOLDER --out data/hdtf``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``mim train segkit projects/segtalker/baselines/wav2lip.py`` or ``segkit train wav2lip``;
``segkit train wav2lip_syncnet`` trains the expert, which is needed from iteration 50 000 on.
Differs from the published code: crops are those of the clip folder, wider than its face boxes;
speech is centred on its frame, in training as at inference; the SyncNet joins after a number of
iterations, if its loss is low enough in training (published: on held-out clips).
"""

from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.experts import LoadExpert
from segkit.engine.held_out import HeldOut
from segkit.engine.measures import image_fidelity
from segkit.engine.sampling import SeekableSampler
from segkit.face_windows import TalkingFaceWindows
from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet
from segkit_models.talking.wav2lip import Wav2LipTraining

data_root = "data/hdtf"
sync_begin = 50_000

model = dict(
    type=Wav2LipTraining,
    generator=dict(type=Wav2Lip, size=96),
    sync_expert=dict(type=Wav2LipSyncNet, size=96, num_frames=5),
    sync_begin=sync_begin,
    sync_weight=0.03,
    join_below=0.75,
)

train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(type=TalkingFaceWindows, root=data_root, split="train", num_frames=5, size=96),
)
optim_wrapper = dict(optimizer=dict(type=Adam, lr=1e-4, betas=(0.9, 0.999)))
# Published: until the pictures please; ours: as many iterations as TSG.
train_cfg = dict(max_iters=100_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=5000, keep=3))
custom_hooks = [
    dict(
        type=LoadExpert,
        module="sync_expert",
        checkpoint="work_dirs/wav2lip_syncnet",
        prefix="syncnet.",
        needed_at=sync_begin,
        trained_by="segkit train wav2lip_syncnet",
    ),
    dict(
        type=HeldOut,
        dataset=dict(
            type=TalkingFaceWindows, root=data_root, split="val", num_frames=5, size=96, seed=1
        ),
        interval=5000,
        num_samples=64,
        batch_size=8,
        measure=image_fidelity,
    ),
]
