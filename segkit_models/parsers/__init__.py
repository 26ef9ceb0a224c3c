"""Face parsers: image -> region logits. Importing the family registers its classes."""

from segkit_models.parsers.bisenet import BiSeNet
from segkit_models.parsers.mesh import MeshParser
from segkit_models.parsers.smp import SmpParser

__all__ = ["BiSeNet", "MeshParser", "SmpParser"]
