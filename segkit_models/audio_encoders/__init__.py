"""Audio encoders: waveform -> one vector per 25 fps frame."""

from segkit_models.audio_encoders.av_hubert import AVHubert
from segkit_models.audio_encoders.concat import Concat
from segkit_models.audio_encoders.mel_cnn import MelCNN
from segkit_models.audio_encoders.phoneme_cnn import PhonemeCNN
from segkit_models.audio_encoders.torchaudio_ssl import TorchaudioSSL

__all__ = ["AVHubert", "Concat", "MelCNN", "PhonemeCNN", "TorchaudioSSL"]
