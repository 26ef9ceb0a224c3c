"""TSG that hears AV-HuBERT large alone, as TalkLip does: global speech, no mel window.

Swaps: the audio encoder of ../tsg.py. The rest, data and hardware are the same; the large model is
heard once per clip, so it costs memory (1.3 GB) but hardly time.
Run: ``segkit train tsg_global --data data/hdtf``; the weights: ``segkit weights avhubert_large``.
"""

from mmengine.config import read_base

from segkit_models.audio_encoders import AVHubert

with read_base():
    from ..tsg import *

model.audio_encoder = dict(
    type=AVHubert,
    weights="weights/avhubert/avhubert_large.safetensors",
    dim=1024,
    num_layers=24,
    num_heads=16,
    ff_dim=4096,
    out_dim=512,
)
train_dataloader.dataset.listener = model.audio_encoder
custom_hooks[1].dataset.listener = model.audio_encoder
