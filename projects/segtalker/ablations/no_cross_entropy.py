"""Table 2, row "w/o cross entropy": the mean absolute error of probabilities instead.

Run: ``segkit train no_cross_entropy --data data/hdtf``; the rest as in tsg.py.
"""

from mmengine.config import read_base

from segkit_models.losses import MaskL1

with read_base():
    from ..tsg import *

model.mask_loss = dict(type=MaskL1)
