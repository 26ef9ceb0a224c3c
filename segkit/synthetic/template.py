"""Where the face sits in the crop: the template that every crop of the toolkit obeys."""

from __future__ import annotations

EYES_Y = 0.42
"""Height of the eyes in the crop, as ``segkit.faces.alignment`` puts them.

Repeated here because that package takes seconds to load; a test compares them.
"""

MOUTH_Y = 0.66
"""Height of the closed mouth in the crop."""
