"""SGI with a ConvNeXt-tiny from timm under the region encoder's pyramid.

Swaps: the region encoder of ../sgi.py; any backbone of timm with maps at 1/4, 1/8 and 1/16 fits.
The rest, data and hardware are the same.
Run: ``segkit train sgi_timm --data data/hdtf``.
"""

from mmengine.config import read_base

from segkit_models.region_encoders import TimmFPNRegionEncoder

with read_base():
    from ..sgi import *

model.region_encoder = dict(
    type=TimmFPNRegionEncoder,
    backbone="convnext_tiny",
    num_regions=12,
    num_layers=16,
    style_dim=512,
)
