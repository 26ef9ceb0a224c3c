"""Table 2, row "w/o cross entropy", at 128 px: the mean absolute error of probabilities instead.

Run: ``segkit train no_cross_entropy_tiny --data data/synthetic``; the rest as in tsg_tiny.py.
"""

from mmengine.config import read_base

from segkit_models.losses import MaskL1

with read_base():
    from ..tiny.tsg_tiny import *

model.mask_loss = dict(type=MaskL1)
