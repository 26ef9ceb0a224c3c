"""Index sets of the 468-point face mesh, and measures read straight from its points.

"Left" and "right" are the picture's, not the person's: a left index lies at smaller x in an
unmirrored frontal picture.
"""

from __future__ import annotations

import numpy as np

NUM_LANDMARKS = 468

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Outline from the middle of the forehead through the right cheek and the chin, closed."""

UPPER_LIP_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
UPPER_LIP_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
LOWER_LIP_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)

OUTER_LIP = UPPER_LIP_OUTER + LOWER_LIP_OUTER[-2:0:-1]
"""Closed outline around both lips, 20 points from the left corner over the upper lip."""

INNER_LIP = UPPER_LIP_INNER + LOWER_LIP_INNER[-2:0:-1]
"""Closed outline of the opening between the lips, 20 points ordered as ``OUTER_LIP``."""

MOUTH = tuple(sorted({*OUTER_LIP, *INNER_LIP}))
"""Every landmark of the lips: what mouth-landmark distance is measured on."""

LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
LEFT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
RIGHT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)

NOSE = (
    168, 193, 245, 188, 174, 217, 126, 129, 64, 98, 97, 2, 326, 327, 294, 358, 355, 437, 399, 412,
    465, 417,
)  # fmt: skip
"""Outline of the nose from between the eyes down to its wings, closed."""

LEFT_EYE_CORNERS = (33, 133)
RIGHT_EYE_CORNERS = (362, 263)
MOUTH_CORNERS = (61, 291)
FACE_SIDES = (234, 454)
"""Where the outline of the face passes the ears."""
NOSE_BRIDGE = (168, 6, 197, 195)
NOSE_BASE = (2, 98, 327)
NOSE_TIP = 1
UPPER_LIP_TOP = 0
CHIN = 152
FOREHEAD = 10

IBUG_68 = (
    127, 234, 132, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 361, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 98, 97, 2, 326, 327,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""Mesh points nearest to those of the 68-point layout (iBUG 300-W, dlib), in its order.

Jaw from the left ear over the chin (evenly spaced), brows, nose, eyes, outer lips, inner lips. The
two layouts were marked by different people: numbers of one do not compare with the other's.
"""

_OPENING_PAIRS = ((13, 14), (82, 87), (312, 317))


def as_68_points(landmarks: np.ndarray) -> np.ndarray:
    """Return the 68 points of ``IBUG_68``, shape ``... 68 2``, of landmarks ``... 468 2``."""
    return landmarks[..., IBUG_68, :]


def eye_centres(landmarks: np.ndarray) -> np.ndarray:
    """Return the centres of both eyes, between their corners (blinks do not move them).

    Args:
        landmarks: ``... 468 2`` pixels.

    Returns:
        ``... 2 2``: left then right eye of the picture, x then y.
    """
    left = landmarks[..., LEFT_EYE_CORNERS, :].mean(-2)
    right = landmarks[..., RIGHT_EYE_CORNERS, :].mean(-2)
    return np.stack([left, right], -2)


def eye_distance(landmarks: np.ndarray) -> np.ndarray:
    """Return the pixels between the eye centres, shape ``...`` for landmarks ``... 468 2``."""
    centres = eye_centres(landmarks)
    return np.linalg.norm(centres[..., 1, :] - centres[..., 0, :], axis=-1)


def mouth_centre(landmarks: np.ndarray) -> np.ndarray:
    """Return the point between the mouth corners ``... 2``: it ignores the opening jaw."""
    return landmarks[..., MOUTH_CORNERS, :].mean(-2)


def closed_mouth_score(landmarks: np.ndarray) -> np.ndarray:
    """Measure how far the lips are apart; the lowest frame is the best closed-mouth reference.

    Args:
        landmarks: ``... 468 2`` pixels.

    Returns:
        Mean gap between the inner lips over the distance between the eyes, shape ``...``; about 0
        when closed.
    """
    upper, lower = np.asarray(_OPENING_PAIRS).T
    gaps = np.linalg.norm(landmarks[..., lower, :] - landmarks[..., upper, :], axis=-1)
    return gaps.mean(-1) / np.maximum(eye_distance(landmarks), 1e-6)
