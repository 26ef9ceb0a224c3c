"""TSG at 128 px: the talking half of the built-in model.

Reproduces: projects/segtalker/tsg.py, smaller, on synthetic faces.
Hardware: a laptop's CPU; one core makes about 0.7 s of an iteration, an hour in all.
Data: ``segkit synth --out data/synthetic``; another root by ``--data DIR`` or ``SEGKIT_DATA``. The
first use of each clip takes a second longer: its phonemes are recognised and kept beside it.
Run: ``segkit train tsg_tiny --data data/synthetic``; ``segkit train syncnet_tiny`` trains the
expert, which is needed from iteration 3000 on.
Seen (600 clips of 4 s, seed 0): validation IoU of lips 0.57, of the mouth interior 0.62.
Differs from tsg.py: phonemes beside the mel encoder, which tsg.py has not; bfloat16, a faster
learning rate.
"""

from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.experts import LoadExpert
from segkit.engine.held_out import HeldOut
from segkit.engine.measures import mouth_overlap
from segkit.engine.sampling import SeekableSampler
from segkit.phonemes import PhonemeRecogniser
from segkit.windows import TalkingMaskWindows
from segkit_models.audio_encoders import Concat, MelCNN, PhonemeCNN
from segkit_models.experts.syncnet import SegmentationSyncNet
from segkit_models.mask_decoders import UNetMaskDecoder
from segkit_models.talking.tsg import TSG

data_root = "data/synthetic"
sync_begin = 3_000

# Batch norm: with group norm the decoder learns to ignore the speech, whose share of the features
# fades from block to block (seen here: the same mouth for every sentence after 600 iterations).
model = dict(
    type=TSG,
    audio_encoder=dict(
        type=Concat,
        encoders=[
            dict(type=MelCNN, out_dim=128, widths=(16, 32, 64, 96, 128), norm="batch"),
            dict(type=PhonemeCNN, out_dim=128),
        ],
        out_dim=128,
        # The synthesiser's voices are few, and spectra tell them from real ones; phonemes do not.
        encoder_dropout=0.25,
    ),
    mask_decoder=dict(
        type=UNetMaskDecoder,
        num_regions=12,
        size=128,
        audio_dim=128,
        variant="B",
        width=0.25,
        norm="batch",
    ),
    class_weights=data_root,
    sync_expert=dict(
        type=SegmentationSyncNet,
        num_regions=12,
        size=64,
        num_frames=5,
        width=0.375,
        regions=(1, 5, 6, 9),
    ),
    sync_begin=sync_begin,
    loss_weights=dict(ce=1.0, sync=0.03),
    # Voices it will meet are recorded in other rooms than the synthesiser's.
    speech_changes=dict(gain_db=6.0, noise_snr_db=25.0, equaliser_db=4.0),
)

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type=SeekableSampler, shuffle=False),
    # 0.6 s of speech: the mel CNN looks 0.1 s to either side of a frame.
    dataset=dict(
        type=TalkingMaskWindows,
        root=data_root,
        split="train",
        num_frames=5,
        context_s=0.6,
        size=128,
        flip=True,
        listener=dict(type=PhonemeRecogniser),
    ),
)
optim_wrapper = dict(
    precision="bfloat16",
    optimizer=dict(type=Adam, lr=1e-3, betas=(0.5, 0.999)),
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
        checkpoint="work_dirs/syncnet_tiny",
        prefix="syncnet.",
        needed_at=sync_begin,
        trained_by="segkit train syncnet_tiny",
    ),
    dict(
        type=HeldOut,
        dataset=dict(
            type=TalkingMaskWindows,
            root=data_root,
            split="val",
            num_frames=5,
            context_s=0.6,
            size=128,
            seed=1,
            listener=dict(type=PhonemeRecogniser),
        ),
        interval=500,
        num_samples=96,
        batch_size=8,
        measure=mouth_overlap,
    ),
]
