"""Generators: style codes and a mask to an image."""

from segkit_models.generators.sean import SEANGenerator
from segkit_models.generators.spade import SPADEGenerator
from segkit_models.generators.stylegan2 import RegionStyleGAN2

__all__ = ["RegionStyleGAN2", "SEANGenerator", "SPADEGenerator"]
