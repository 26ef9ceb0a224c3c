"""SGI as E4S has it: its encoder without a pyramid, its exact region mixing, 13 masked layers.

Swaps: the region encoder and the form of the generator of ../sgi.py. The rest and the data are the
same; the exact form costs about twice the time. Starts from E4S's weights where they are:
``segkit weights e4s`` (1024 px; a 512 px generator is the beginning of it).
Run: ``segkit train sgi_e4s --data data/hdtf``.
"""

from mmengine.config import read_base

from segkit_models.region_encoders import E4SRegionEncoder

with read_base():
    from ..sgi import *

e4s = "weights/e4s/e4s.safetensors"

model.region_encoder = dict(
    type=E4SRegionEncoder,
    weights=e4s,
    num_regions=12,
    num_layers=16,
    style_dim=512,
    num_coded_layers=13,
)
model.generator.weights = e4s
model.generator.region_conv = "exact"
model.discriminator.weights = e4s
