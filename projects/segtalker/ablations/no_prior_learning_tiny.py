"""Table 2, row "w/o prior learning", at 128 px: the mask of the very frame that is encoded.

Run: ``segkit train no_prior_learning_tiny --data data/synthetic``; the rest as in sgi_tiny.py.
"""

from mmengine.config import read_base

with read_base():
    from ..tiny.sgi_tiny import *

train_dataloader.dataset.frame_range = 0
