"""Edits: pure functions on label maps, style codes and pictures, none of which sees another.

`swap`, `blink`, `close_mouth`, `composite` and their like change values. A plan says what to change
when; it comes from an edit file (`read_edits`), from options (`parse_options`), or from both
(`merged`).
"""

from segkit.edits.blinks import BlinkSchedule, automatic_blinks
from segkit.edits.compositing import (
    blurred_background,
    composite,
    cover,
    foreground_colours,
    refined_matte,
    soft_matte,
)
from segkit.edits.edit_file import read_edits
from segkit.edits.edit_text import EXAMPLE, edits_text
from segkit.edits.eyelids import blink
from segkit.edits.lips import close_mouth, mouth_line, turn_mouth
from segkit.edits.marked import EditFileError
from segkit.edits.mask_functions import MaskFunction, changed_regions, edit_mask, load_function
from segkit.edits.options import parse_background, parse_colour, parse_options, parse_swap
from segkit.edits.paintings import paint, read_painting
from segkit.edits.plan import (
    AutomaticBlinks,
    Background,
    EditPlan,
    MaskEdit,
    Painting,
    Span,
    Swap,
    merged,
)
from segkit.edits.styles import interpolate, swap

__all__ = [
    "EXAMPLE",
    "AutomaticBlinks",
    "Background",
    "BlinkSchedule",
    "EditFileError",
    "EditPlan",
    "MaskEdit",
    "MaskFunction",
    "Painting",
    "Span",
    "Swap",
    "automatic_blinks",
    "blink",
    "blurred_background",
    "changed_regions",
    "close_mouth",
    "composite",
    "cover",
    "edit_mask",
    "edits_text",
    "foreground_colours",
    "interpolate",
    "load_function",
    "merged",
    "mouth_line",
    "paint",
    "parse_background",
    "parse_colour",
    "parse_options",
    "parse_swap",
    "read_edits",
    "read_painting",
    "refined_matte",
    "soft_matte",
    "swap",
    "turn_mouth",
]
