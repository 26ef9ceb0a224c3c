"""Mask decoders: pose mask, reference mask and speech -> mask of the talking face."""

from segkit_models.mask_decoders.smp_unet import SmpMaskDecoder
from segkit_models.mask_decoders.unet import UNetMaskDecoder

__all__ = ["SmpMaskDecoder", "UNetMaskDecoder"]
