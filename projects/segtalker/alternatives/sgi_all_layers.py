"""SGI by the letter of the paper: 18 layers, so 1024 px, and all of them guided by the mask.

Swaps: size and guidance of the generator of ../sgi.py (and with them encoder and discriminator).
The clips are best prepared at 1024 px; smaller ones are enlarged. A quarter more work.
Run: ``segkit train sgi_all_layers --data data/hdtf``.
"""

from mmengine.config import read_base

with read_base():
    from ..sgi import *

model.region_encoder.num_layers = 18
model.generator.size = 1024
model.generator.num_masked_layers = 17
model.discriminator.size = 1024
train_dataloader.dataset.size = 1024
custom_hooks[0].dataset.size = 1024
