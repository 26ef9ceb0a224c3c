"""Region encoders: an image and its mask to one style code per region and layer."""

from segkit_models.region_encoders.e4s import E4SRegionEncoder
from segkit_models.region_encoders.fpn import FPNRegionEncoder
from segkit_models.region_encoders.psp import PSPEncoder
from segkit_models.region_encoders.sean import SEANRegionEncoder
from segkit_models.region_encoders.timm_fpn import TimmFPNRegionEncoder

__all__ = [
    "E4SRegionEncoder",
    "FPNRegionEncoder",
    "PSPEncoder",
    "SEANRegionEncoder",
    "TimmFPNRegionEncoder",
]
