"""Faces in frames: detection, the 468-point mesh, tracking over a clip, and the aligned crop."""

from segkit.faces.alignment import (
    EYES_Y,
    MOUTH_Y,
    crop_transform,
    crop_transforms,
    feathered_alpha,
    paste_back,
    warp_crop,
)
from segkit.faces.choice import FaceChoice, choice_of_options, face_choice
from segkit.faces.detector import DetectedFace, FaceDetector
from segkit.faces.likeness import Likeness, NetworkLikeness, ThumbnailLikeness, known_likeness
from segkit.faces.mesh import FaceMesh
from segkit.faces.similarity import (
    apply_transform,
    compose_transforms,
    fit_similarity,
    invert_transform,
)
from segkit.faces.topology import closed_mouth_score, eye_distance
from segkit.faces.track import FaceTrack, NoFaceError, SeveralFacesError
from segkit.faces.tracking import FaceTracker, track_face

__all__ = [
    "EYES_Y",
    "MOUTH_Y",
    "DetectedFace",
    "FaceChoice",
    "FaceDetector",
    "FaceMesh",
    "FaceTrack",
    "FaceTracker",
    "Likeness",
    "NetworkLikeness",
    "NoFaceError",
    "SeveralFacesError",
    "ThumbnailLikeness",
    "apply_transform",
    "choice_of_options",
    "closed_mouth_score",
    "compose_transforms",
    "crop_transform",
    "crop_transforms",
    "eye_distance",
    "face_choice",
    "feathered_alpha",
    "fit_similarity",
    "invert_transform",
    "known_likeness",
    "paste_back",
    "track_face",
    "warp_crop",
]
