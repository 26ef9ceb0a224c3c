"""Region encoders: an image and its mask to one style code per region and layer."""

from segkit_models.region_encoders.e4s import E4SRegionEncoder
from segkit_models.region_encoders.fpn import FPNRegionEncoder

__all__ = ["E4SRegionEncoder", "FPNRegionEncoder"]
