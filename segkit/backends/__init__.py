"""What runs the networks of a talk: torch, ONNX Runtime or OpenVINO, behind one call."""

from segkit.backends.choice import BACKENDS, PRECISIONS, check_backend
from segkit.backends.folding import with_folded_norms
from segkit.backends.wrapping import halved_decoder, halved_generator, with_backend

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "check_backend",
    "halved_decoder",
    "halved_generator",
    "with_backend",
    "with_folded_norms",
]
