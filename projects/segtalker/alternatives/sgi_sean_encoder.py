"""SGI with SEAN's small encoder: regions averaged at 128 px, in a tenth of the memory.

Swaps: the region encoder of ../sgi.py. The rest, data and hardware are the same.
Run: ``segkit train sgi_sean_encoder --data data/hdtf``.
"""

from mmengine.config import read_base

from segkit_models.region_encoders import SEANRegionEncoder

with read_base():
    from ..sgi import *

model.region_encoder = dict(
    type=SEANRegionEncoder, num_regions=12, num_layers=16, style_dim=512, mlp=True
)
