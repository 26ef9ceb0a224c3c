"""SGI with SPADE in StyleGAN2's place: every layer normalised by the mask itself, 256 px.

Swaps: region encoder and generator of ../sgi.py, and the size. The data is the same, reduced. The
styles are painted into 16 planes beside the mask, as SPADE alone would draw one face for all.
Run: ``segkit train sgi_spade --data data/hdtf``.
"""

from mmengine.config import read_base

from segkit_models.generators import SPADEGenerator
from segkit_models.region_encoders import SEANRegionEncoder

with read_base():
    from ..sgi import *

model.region_encoder = dict(type=SEANRegionEncoder, num_regions=12, num_layers=1, style_dim=512)
model.generator = dict(type=SPADEGenerator, size=256, num_regions=12, style_dim=512)
model.discriminator.size = 256
train_dataloader.dataset.size = 256
custom_hooks[0].dataset.size = 256
