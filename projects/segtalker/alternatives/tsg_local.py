"""TSG that hears 0.2 s around each frame and no more: no AV-HuBERT, no weights of others.

Swaps: the audio encoder of ../tsg.py. The rest, data and hardware are the same.
Run: ``segkit train tsg_local --data data/hdtf``.
"""

from mmengine.config import read_base

from segkit_models.audio_encoders import MelCNN

with read_base():
    from ..tsg import *

model.audio_encoder = dict(type=MelCNN, out_dim=512)
train_dataloader.dataset.listener = None
custom_hooks[1].dataset.listener = None
