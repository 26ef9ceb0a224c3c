"""Face parsers: image -> region logits. Importing the family registers its classes."""

from segkit_models.parsers.bisenet import BiSeNet
from segkit_models.parsers.mesh import MeshParser

__all__ = ["BiSeNet", "MeshParser"]
