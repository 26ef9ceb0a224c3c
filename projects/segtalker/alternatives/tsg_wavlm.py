"""TSG with the ninth layer of WavLM base+ in AV-HuBERT's place: phonemes are plainest there.

Swaps: the global audio encoder of ../tsg.py. The rest, data and hardware are the same.
Run: ``segkit train tsg_wavlm --data data/hdtf``; the weights: ``segkit weights wavlm_base_plus``.
"""

from mmengine.config import read_base

from segkit_models.audio_encoders import TorchaudioSSL

with read_base():
    from ..tsg import *

model.audio_encoder.encoders[1] = dict(
    type=TorchaudioSSL,
    name="WAVLM_BASE_PLUS",
    weights="weights/torchaudio/wavlm_base_plus.pth",
    layer=9,
    out_dim=512,
)
train_dataloader.dataset.listener = model.audio_encoder.encoders[1]
custom_hooks[1].dataset.listener = model.audio_encoder.encoders[1]
