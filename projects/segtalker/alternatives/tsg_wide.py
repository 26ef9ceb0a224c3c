"""TSG with Wav2Lip's full widths near the output: U-Net A, 2.5 times the work of ../tsg.py's B.

Swaps: the mask decoder. The rest and the data are the same; a batch needs 21 GB.
Run: ``segkit train tsg_wide --data data/hdtf``.
"""

from mmengine.config import read_base

with read_base():
    from ..tsg import *

model.mask_decoder.variant = "A"
