"""A face parser trained on a clip folder's own masks: fast where MeshParser is slow.

Reproduces: nothing of the paper, which takes a published BiSeNet (`segkit weights bisenet`). For
those who cannot use its licence (CelebAMask-HQ: non-commercial), or have masks of other classes.
Hardware: one GPU of 16 GB, some hours. On a CPU it trains too, if slowly.
Data: ``segkit prepare FOLDER --out data/hdtf``; another root by ``--data DIR`` or ``SEGKIT_DATA``.
Run: ``mim train segkit projects/segtalker/parsing.py`` or ``segkit train parsing``.
"""

from torch.optim import AdamW

from segkit.engine.checkpoints import SaveCheckpoint
from segkit.engine.held_out import HeldOut
from segkit.engine.measures import region_overlap
from segkit.engine.sampling import SeekableSampler
from segkit.windows import PriorLearningPairs
from segkit_models.parsers import BiSeNet
from segkit_models.talking.face_parsing import FaceParsing

data_root = "data/hdtf"

model = dict(
    type=FaceParsing,
    parser=dict(type=BiSeNet, num_classes=12, aux_heads=False),
    class_weights=data_root,
)

# Two pictures of each pair: 16 in a batch.
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    sampler=dict(type=SeekableSampler, shuffle=False),
    dataset=dict(type=PriorLearningPairs, root=data_root, split="train", size=512, flip=True),
)
optim_wrapper = dict(optimizer=dict(type=AdamW, lr=3e-4, weight_decay=1e-4))
train_cfg = dict(max_iters=40_000)

default_hooks = dict(checkpoint=dict(type=SaveCheckpoint, interval=2000, keep=3))
custom_hooks = [
    dict(
        type=HeldOut,
        dataset=dict(type=PriorLearningPairs, root=data_root, split="val", size=512, seed=1),
        interval=2000,
        num_samples=64,
        batch_size=4,
        measure=region_overlap,
    )
]
