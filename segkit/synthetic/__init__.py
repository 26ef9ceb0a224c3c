"""Synthetic talking faces: drawn persons with exact masks, whose mouths follow synthesised speech.

Everything is a function of seeds. Faces need nothing but this package; voices need eSpeak NG (extra
``synth``).
"""

from segkit.synthetic.articulation import closures, mouth_motion
from segkit.synthetic.clip import (
    Person,
    TalkingClip,
    compose_speech,
    portrait,
    sample_person,
    talking_clip,
)
from segkit.synthetic.dataset import make_dataset
from segkit.synthetic.identity import Identity, Scene, sample_identity, sample_scene
from segkit.synthetic.motion import Motion, sample_motion
from segkit.synthetic.render import NUM_MOUTH_POINTS, FaceRenderer
from segkit.synthetic.room import Room, record, sample_room
from segkit.synthetic.voice import LANGUAGES, VARIANTS, Phone, Speech, Voice, speak

__all__ = [
    "LANGUAGES",
    "NUM_MOUTH_POINTS",
    "VARIANTS",
    "FaceRenderer",
    "Identity",
    "Motion",
    "Person",
    "Phone",
    "Room",
    "Scene",
    "Speech",
    "TalkingClip",
    "Voice",
    "closures",
    "compose_speech",
    "make_dataset",
    "mouth_motion",
    "portrait",
    "record",
    "sample_identity",
    "sample_motion",
    "sample_person",
    "sample_room",
    "sample_scene",
    "speak",
    "talking_clip",
]
