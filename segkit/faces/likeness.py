"""How alike two faces look: by a recognition network where one is at hand, else by thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from segkit.faces.alignment import crop_transform, warp_crop
from segkit.faces.similarity import apply_transform, compose_transforms

if TYPE_CHECKING:
    from torch import nn

_NETWORK = "dlib_identity"
"""Name in `segkit.weight_catalogue`."""
_CHIP_MARGIN = 1.15
"""Side of what the network sees over the longer side of the landmarks' box."""


class Likeness(Protocol):
    """Describes faces so that two can be compared.

    Attributes:
        same_person: least likeness of two pictures of one person that may be told from others.
        lone_person: least likeness where nobody else is in sight.
        margin: by how much the best of several must lead.
        words: what it goes by, for messages.
        recognises: it tells a person in other light, with other hair.
    """

    same_person: float
    lone_person: float
    margin: float
    words: str
    recognises: bool

    def describe(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return the description ``D`` of the face ``468 2`` in a frame ``H W 3``."""

    def compare(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the likeness of two descriptions, larger for more alike."""


class ThumbnailLikeness:
    """Correlates tiny aligned pictures, mean and contrast taken out; hair and light count too.

    On the frames of six filmed people, also under other light, two pictures of one person correlate
    by 0.54 or more (99 %), of two people by 0.55 or less (95 %). The shape of the mesh, whose pose
    differs more than people do, added nothing.
    """

    same_person, lone_person, margin = 0.55, 0.45, 0.1
    words = "hair, colours and light of small pictures"
    recognises = False

    def describe(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return ``768``, of mean 0 and deviation 1."""
        small = warp_crop(frame, crop_transform(landmarks, 16), 16).astype(np.float64).ravel()
        return (small - small.mean()) / max(small.std(), 1e-6)

    def compare(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the correlation, in [-1, 1]."""
        return float((one * other).mean())


class NetworkLikeness:
    """Compares the embeddings of a recognition network: 1 minus their distance.

    Args:
        network: ``B 3 H W`` in [-1, 1], of the face alone, to ``B D``; dlib's, whose makers take
            a distance below 0.6 for one person. On the frames of six filmed people no pair of one
            person was farther apart than 0.57, none of two people nearer than 0.58.
    """

    same_person, lone_person, margin = 0.4, 0.35, 0.05
    words = "a face recognition network"
    recognises = True

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def describe(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return the embedding ``D``."""
        import torch

        upright = crop_transform(landmarks, 1)
        points = apply_transform(upright, landmarks.astype(np.float64))
        low, high = points.min(0), points.max(0)
        scale = 1 / (_CHIP_MARGIN * float((high - low).max()))
        shift = 0.5 - scale * (low + high) / 2
        chip = compose_transforms(np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), upright)
        size = 150
        picture = torch.from_numpy(warp_crop(frame, chip * size, size)).permute(2, 0, 1)
        with torch.no_grad():
            return np.asarray(self._network(picture[None].float() / 127.5 - 1)[0].double())

    def compare(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return 1 minus the Euclidean distance."""
        return 1 - float(np.linalg.norm(one - other))


def known_likeness() -> Likeness:
    """Return the recognition network of the weights folder, thumbnails if it is not there."""
    from segkit.weight_catalogue import known_file, weights_root
    from segkit.weights.converted import load_component

    path = known_file(_NETWORK).converted(weights_root())
    return NetworkLikeness(load_component(path)) if path.is_file() else ThumbnailLikeness()
