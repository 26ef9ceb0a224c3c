"""Audio encoders: waveform -> one vector per 25 fps frame."""

from segkit_models.audio_encoders.mel_cnn import MelCNN

__all__ = ["MelCNN"]
