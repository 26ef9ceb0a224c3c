"""SGI at 128 px: the painting half of the built-in model.

Reproduces: projects/segtalker/sgi.py, smaller, on synthetic faces.
Hardware: a laptop's CPU; one core makes about 1.3 s of an iteration.
Data: ``segkit synth --out data/synthetic``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``segkit train sgi_tiny --data data/synthetic``.
Seen (600 clips of 4 s, seed 0): validation PSNR 25.4 dB, lower half 25.4 dB (codes of averaged
regions draw no free-hand texture).
Differs from sgi.py: no pretrained expert is needed; a pyramid of absolute errors stands in for
LPIPS.
"""

from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.held_out import HeldOut
from segkit.engine.measures import image_fidelity
from segkit.engine.sampling import SeekableSampler
from segkit.windows import PriorLearningPairs
from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.generators import RegionStyleGAN2
from segkit_models.losses import L2, PyramidL1
from segkit_models.region_encoders import FPNRegionEncoder
from segkit_models.talking.sgi import SGI

data_root = "data/synthetic"

model = dict(
    type=SGI,
    region_encoder=dict(
        type=FPNRegionEncoder,
        num_regions=12,
        num_layers=12,
        style_dim=128,
        input_size=128,
        width=(16, 32, 64, 96, 128),
        units=(1, 1, 2, 1),
        fpn_dim=128,
        norm="group",
    ),
    # 17 masks every layer: at 128 px no layer is left to a code that all regions share.
    generator=dict(
        type=RegionStyleGAN2,
        size=128,
        num_regions=12,
        style_dim=128,
        channels=(96, 96, 96, 96, 64, 32),
        num_masked_layers=17,
        # Soft masks: no stair-steps at outlines, and small regions do not pop in and out between
        # frames.
        mask_mode="area",
    ),
    discriminator=dict(type=StyleGAN2Discriminator, size=128, channels=(64, 64, 64, 64, 32, 16)),
    losses=dict(l2=dict(type=L2), pyramid=dict(type=PyramidL1)),
    loss_weights=dict(pyramid=1.0, adversarial=0.01),
    discriminator_interval=5,
    penalty_gamma=1.0,
    penalty_interval=4,
    average_decay=0.999,
)

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(
        type=PriorLearningPairs, root=data_root, split="train", frame_range=15, size=128, flip=True
    ),
)
optim_wrapper = dict(
    generator=dict(
        modules=("region_encoder", "generator"),
        precision="bfloat16",
        optimizer=dict(type=Adam, lr=2e-3, betas=(0.5, 0.99)),
        clip_grad=dict(max_norm=1.0),
    ),
    discriminator=dict(precision="bfloat16", optimizer=dict(type=Adam, lr=5e-4, betas=(0.0, 0.99))),
)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.1, end=200),
    dict(type=CosineAnnealingLR, begin=200, eta_min=1e-5),
]
train_cfg = dict(max_iters=4_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=500, keep=2))
custom_hooks = [
    dict(
        type=HeldOut,
        dataset=dict(
            type=PriorLearningPairs, root=data_root, split="val", frame_range=15, size=128, seed=1
        ),
        interval=500,
        num_samples=96,
        batch_size=8,
        terms=False,
        measure=image_fidelity,
    )
]
