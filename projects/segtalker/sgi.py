"""SGI, segmentation-guided image generation (section 3.3): a face's look drawn into a mask.

Reproduces: section 4.1, "SGI", equations 5-13, with Prior Learning (the mask comes from a frame
within 15).
Hardware: four 40 GB GPUs, batch 4 on each (paper: four A100). On a CPU it trains too, if slowly.
Data: ``segkit prepare FOLDER --out data/hdtf``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``mim train segkit projects/segtalker/sgi.py`` or ``segkit train sgi``.
Weights: the frozen networks of the LPIPS, identity and parsing terms, and the StyleGAN2 and
ArcFace that the networks start from, belong in ``weights/`` (``segkit weights``). A term whose file
is missing is left out, a start is random, and a warning says so.
Differs from the paper: the generator draws 512 px, the size of the clips (its 18 style layers mean
1024); of a StyleGAN2 for 1024 px it takes the first layers.
"""

from torch.optim import Adam

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.held_out import HeldOut
from segkit.engine.measures import image_fidelity
from segkit.engine.sampling import SeekableSampler
from segkit.windows import PriorLearningPairs
from segkit_models.experts.arcface import IRSE50
from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.experts.parsing_features import ParsingFeatures
from segkit_models.generators import RegionStyleGAN2
from segkit_models.losses import L2, LPIPS, IdentityLoss, ParsingLoss
from segkit_models.region_encoders import FPNRegionEncoder
from segkit_models.talking.sgi import SGI

data_root = "data/hdtf"
stylegan2 = "weights/stylegan2/stylegan2_ffhq_1024.safetensors"

model = dict(
    type=SGI,
    region_encoder=dict(
        type=FPNRegionEncoder,
        num_regions=12,
        num_layers=16,
        style_dim=512,
        # Paper: a variation of pSp's encoder, its start not given; ours: ArcFace's backbone.
        backbone_weights="weights/arcface/arcface_irse50.safetensors",
        average_weights=stylegan2,
    ),
    generator=dict(
        type=RegionStyleGAN2,
        weights=stylegan2,
        size=512,
        num_regions=12,
        style_dim=512,
        random_noise=True,
    ),
    discriminator=dict(type=StyleGAN2Discriminator, weights=stylegan2, size=512),
    losses=dict(
        l2=dict(type=L2),
        lpips=dict(type=LPIPS, trunk="weights/lpips/lpips_alex.safetensors"),
        identity=dict(
            type=IdentityLoss,
            network=dict(type=IRSE50, weights="weights/arcface/arcface_irse50.safetensors"),
        ),
        parsing=dict(
            type=ParsingLoss,
            network=dict(
                type=ParsingFeatures, weights="weights/celebamask-hq/parser_unet.safetensors"
            ),
        ),
    ),
    # Eq. 13; the squared error weighs 1.
    loss_weights=dict(lpips=0.8, identity=0.1, parsing=0.1, adversarial=0.01),
    # Paper: not given; ours: E4S's schedule.
    discriminator_interval=15,
)

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(
        type=PriorLearningPairs, root=data_root, split="train", frame_range=15, size=512, flip=True
    ),
)
optim_wrapper = dict(
    generator=dict(
        modules=("region_encoder", "generator"),
        optimizer=dict(type=Adam, lr=1e-4, betas=(0.9, 0.999)),
    ),
    discriminator=dict(optimizer=dict(type=Adam, lr=1e-4, betas=(0.9, 0.999))),
)
train_cfg = dict(max_iters=400_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=5000, keep=3))
custom_hooks = [
    dict(
        type=HeldOut,
        dataset=dict(
            type=PriorLearningPairs, root=data_root, split="val", frame_range=15, size=512, seed=1
        ),
        interval=5000,
        num_samples=64,
        batch_size=4,
        terms=False,
        measure=image_fidelity,
    )
]
