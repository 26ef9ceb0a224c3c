"""TSG, talking segmentation generation (section 3.2): speech moves the mask of a face.

Reproduces: section 4.1, "TSG", equations 1-4: 50 000 iterations of weighted cross entropy, then 50
000 with the SyncNet.
Hardware: one 40 GB GPU, about two days (paper: one A100). On a CPU it trains too, if slowly.
Data: ``segkit prepare FOLDER --out data/hdtf``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``mim train segkit projects/segtalker/tsg.py`` or ``segkit train tsg``; ``segkit train
syncnet`` trains the expert, which is needed from iteration 50 000 on.
Weights: AV-HuBERT's (``segkit weights avhubert_base``; Meta, non-commercial). Without the file
the training goes on with the mel encoder alone, and says so. Its tokens are made at the first use
of each clip and kept beside it.
"""

from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.experts import LoadExpert
from segkit.engine.held_out import HeldOut
from segkit.engine.measures import mouth_overlap
from segkit.engine.sampling import SeekableSampler
from segkit.windows import TalkingMaskWindows
from segkit_models.audio_encoders import AVHubert, Concat, MelCNN
from segkit_models.experts.syncnet import SegmentationSyncNet
from segkit_models.mask_decoders import UNetMaskDecoder
from segkit_models.talking.tsg import TSG

data_root = "data/hdtf"
sync_begin = 50_000

# Paper: size, layer and fusion not given; ours: base, the last layer, joined by a linear layer.
global_speech = dict(
    type=AVHubert, weights="weights/avhubert/avhubert_base.safetensors", out_dim=512
)

model = dict(
    type=TSG,
    # 0.2 s around a frame, and 3 s.
    audio_encoder=dict(
        type=Concat, encoders=[dict(type=MelCNN, out_dim=512), global_speech], out_dim=512
    ),
    mask_decoder=dict(type=UNetMaskDecoder, num_regions=12, size=512, audio_dim=512, variant="B"),
    # Eq. 2: the statistics of the clip folder hold one weight per region.
    class_weights=data_root,
    sync_expert=dict(type=SegmentationSyncNet, num_regions=12, size=256, num_frames=5),
    sync_begin=sync_begin,
    # Paper: not given; ours: Wav2Lip's 0.03.
    loss_weights=dict(ce=1.0, sync=0.03),
)

# Paper: batch 20, which fits its GPU only as 20 frames: 4 clips of 5.
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(
        type=TalkingMaskWindows,
        root=data_root,
        split="train",
        num_frames=5,
        context_s=3.0,
        size=512,
        flip=True,
        listener=global_speech,
    ),
)
optim_wrapper = dict(optimizer=dict(type=Adam, lr=1e-4, betas=(0.5, 0.999)))
train_cfg = dict(max_iters=100_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=5000, keep=3))
custom_hooks = [
    dict(
        type=LoadExpert,
        module="sync_expert",
        checkpoint="work_dirs/syncnet",
        prefix="syncnet.",
        needed_at=sync_begin,
        trained_by="segkit train syncnet",
    ),
    dict(
        type=HeldOut,
        dataset=dict(
            type=TalkingMaskWindows,
            root=data_root,
            split="val",
            num_frames=5,
            context_s=3.0,
            size=512,
            seed=1,
            listener=global_speech,
        ),
        interval=5000,
        num_samples=64,
        batch_size=4,
        measure=mouth_overlap,
    ),
]
