"""A face parser with DeepLabV3+ over a MobileNet v2 from segmentation-models-pytorch.

Swaps: the parser of ../parsing.py. The rest, data and hardware are the same.
Run: ``segkit train parsing_deeplab --data data/hdtf``.
"""

from mmengine.config import read_base

from segkit_models.parsers import SmpParser

with read_base():
    from ..parsing import *

model.parser = dict(
    type=SmpParser, num_regions=12, architecture="DeepLabV3Plus", encoder="mobilenet_v2"
)
