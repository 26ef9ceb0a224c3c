"""Table 2, row "w/o prior learning": the mask of the very frame that is encoded.

Run: ``segkit train no_prior_learning --data data/hdtf``; the rest as in sgi.py.
"""

from mmengine.config import read_base

with read_base():
    from ..sgi import *

train_dataloader.dataset.frame_range = 0
