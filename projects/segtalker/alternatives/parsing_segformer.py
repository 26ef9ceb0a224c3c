"""A face parser with a Segformer over MiT-B0 from segmentation-models-pytorch.

Swaps: the parser of ../parsing.py. The rest, data and hardware are the same.
Run: ``segkit train parsing_segformer --data data/hdtf``.
"""

from mmengine.config import read_base

from segkit_models.parsers import SmpParser

with read_base():
    from ..parsing import *

model.parser = dict(type=SmpParser, num_regions=12, architecture="Segformer", encoder="mit_b0")
