"""TSG with HuBERT in AV-HuBERT's place: a licence (MIT) that allows commercial use.

Swaps: the global audio encoder of ../tsg.py. The rest, data and hardware are the same.
Run: ``segkit train tsg_hubert --data data/hdtf``; the weights: ``segkit weights hubert_base``.
"""

from mmengine.config import read_base

from segkit_models.audio_encoders import TorchaudioSSL

with read_base():
    from ..tsg import *

model.audio_encoder.encoders[1] = dict(
    type=TorchaudioSSL,
    name="HUBERT_BASE",
    weights="weights/torchaudio/hubert_fairseq_base_ls960.pth",
    out_dim=512,
)
train_dataloader.dataset.listener = model.audio_encoder.encoders[1]
custom_hooks[1].dataset.listener = model.audio_encoder.encoders[1]
