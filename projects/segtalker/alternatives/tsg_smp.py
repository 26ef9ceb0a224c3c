"""TSG with a U-Net++ over a ResNet-34 from segmentation-models-pytorch as mask decoder.

Swaps: the mask decoder of ../tsg.py; any architecture and encoder of that library fits. The rest,
data and hardware are the same.
Run: ``segkit train tsg_smp --data data/hdtf``.
"""

from mmengine.config import read_base

from segkit_models.mask_decoders import SmpMaskDecoder

with read_base():
    from ..tsg import *

model.mask_decoder = dict(
    type=SmpMaskDecoder,
    architecture="UnetPlusPlus",
    encoder="resnet34",
    num_regions=12,
    size=512,
    audio_dim=512,
)
