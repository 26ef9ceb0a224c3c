"""Who is drawn: the numbers of one face, and of one scene around it, sampled from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]

_SKINS = (
    (245, 214, 194),
    (234, 190, 162),
    (214, 163, 130),
    (184, 130, 96),
    (142, 94, 66),
    (100, 66, 49),
)
_HAIRS = (
    (28, 22, 20),
    (44, 30, 24),
    (74, 47, 32),
    (110, 72, 44),
    (150, 104, 62),
    (196, 156, 104),
    (222, 190, 142),
    (140, 62, 34),
    (168, 166, 164),
    (210, 208, 206),
    (96, 40, 52),
    (50, 58, 92),
)
_HAIR_WEIGHTS = (16, 16, 14, 12, 9, 8, 5, 6, 6, 3, 2, 1)
_EYES = (
    (72, 46, 30),
    (98, 66, 38),
    (112, 100, 52),
    (88, 116, 84),
    (88, 124, 150),
    (120, 146, 166),
    (56, 40, 34),
)
_CLOTHES = (
    (38, 44, 62),
    (120, 34, 40),
    (40, 84, 70),
    (200, 196, 188),
    (70, 70, 74),
    (56, 86, 138),
    (178, 142, 78),
    (146, 92, 120),
    (94, 120, 92),
    (24, 24, 28),
    (228, 226, 222),
    (196, 102, 66),
)

HAIR_STYLES = ("bald", "buzz", "short", "quiff", "bob", "long", "bun", "curly", "receding")
_STYLE_WEIGHTS = {True: (1, 1, 6, 2, 18, 34, 18, 18, 0), False: (8, 14, 30, 18, 2, 5, 2, 9, 12)}
BEARDS = ("none", "stubble", "full", "goatee", "moustache")


@dataclass(frozen=True)
class Identity:
    """One person: lengths in crop widths, angles in radians, colours RGB in [0, 1]."""

    feminine: bool
    age: float
    skin: Colour
    temple_width: float
    cheek_width: float
    jaw_width: float
    chin_width: float
    chin_y: float
    crown_y: float
    eye_distance: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    eye_colour: Colour
    lashes: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    brow_tilt: float
    nose_width: float
    nose_length: float
    nose_height: float
    nose_bulb: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    cupid_bow: float
    mouth_curve: float
    lip_colour: Colour
    lip_gloss: float
    teeth_shade: float
    hair_style: str
    hair: Colour
    hair_thickness: float
    hairline_y: float
    fringe: float
    parting: float
    beard: str
    freckles: float
    blush: float
    glasses: str
    glasses_colour: Colour
    earrings: str
    earring_colour: Colour
    neck_width: float
    mouth_amplitude: float
    asymmetry: float


def _mix(first: Colour, second: Colour, amount: float) -> Colour:
    red, green, blue = ((1 - amount) * a + amount * b for a, b in zip(first, second, strict=True))
    return (red, green, blue)


def _rgb(colour: tuple[int, int, int]) -> Colour:
    return (colour[0] / 255, colour[1] / 255, colour[2] / 255)


def _jittered(colour: Colour, rng: np.random.Generator, amount: float) -> Colour:
    red, green, blue = (
        float(np.clip(value + rng.normal(0, amount), 0.02, 0.98)) for value in colour
    )
    return (red, green, blue)


def _sample_colours(rng: np.random.Generator, age: float, feminine: bool) -> dict[str, Colour]:
    tone = rng.uniform(0, len(_SKINS) - 1)
    low = min(int(tone), len(_SKINS) - 2)
    skin = _jittered(_mix(_rgb(_SKINS[low]), _rgb(_SKINS[low + 1]), tone - low), rng, 0.012)
    weights = np.array(_HAIR_WEIGHTS, float)
    weights[3:8] *= max(0.15, 1 - tone / 3)
    weights[8:10] *= 0.3 + 6 * max(0.0, age - 0.55)
    hair = _jittered(_rgb(_HAIRS[rng.choice(len(_HAIRS), p=weights / weights.sum())]), rng, 0.015)
    natural = (skin[0] * 0.86, skin[1] * 0.60, skin[2] * 0.60)
    lips = _mix(natural, (0.66, 0.26, 0.28), 0.28)
    if feminine and rng.random() < 0.55:
        shades: tuple[Colour, ...] = (
            (0.72, 0.12, 0.18),
            (0.78, 0.32, 0.36),
            (0.52, 0.14, 0.22),
            (0.82, 0.36, 0.30),
        )
        lips = _mix(lips, shades[rng.integers(len(shades))], rng.uniform(0.35, 0.75))
    eyes = _rgb(_EYES[rng.integers(len(_EYES)) if tone < 2.5 else rng.choice((0, 1, 6))])
    return {
        "skin": skin,
        "hair": hair,
        "lip_colour": _jittered(lips, rng, 0.02),
        "eye_colour": eyes,
    }


def sample_identity(seed: int, *, feminine: bool | None = None) -> Identity:
    """Draw a person from a seed.

    Args:
        seed: any non-negative integer.
        feminine: chooses between two overlapping ranges of looks; None draws it too.

    Returns:
        The person; equal for equal arguments.
    """
    rng = np.random.default_rng([seed, 0xFACE])
    drawn = bool(rng.random() < 0.5)
    woman = drawn if feminine is None else feminine
    age = float(rng.beta(1.6, 2.0))
    build = rng.normal(0, 1)
    cheek = 0.242 + 0.011 * build + rng.normal(0, 0.006)
    colours = _sample_colours(rng, age, woman)
    styles = np.array(_STYLE_WEIGHTS[woman], float)
    beard_weights = (1, 0, 0, 0, 0) if woman else (0.42, 0.24, 0.16, 0.09, 0.09)
    frames: tuple[Colour, ...] = (
        (0.08, 0.08, 0.09),
        (0.35, 0.2, 0.1),
        (0.5, 0.5, 0.54),
        (0.55, 0.1, 0.12),
        (0.15, 0.2, 0.45),
    )
    metals: tuple[Colour, ...] = (
        (0.92, 0.76, 0.3),
        (0.85, 0.86, 0.9),
        (0.2, 0.6, 0.6),
        (0.8, 0.2, 0.25),
    )
    return Identity(
        feminine=woman,
        age=age,
        **colours,
        cheek_width=cheek,
        temple_width=cheek - rng.uniform(0.004, 0.022),
        jaw_width=cheek - (rng.uniform(0.040, 0.066) if woman else rng.uniform(0.026, 0.054)),
        chin_width=float(rng.uniform(0.055, 0.085) if woman else rng.uniform(0.065, 0.105)),
        chin_y=float(0.826 + rng.normal(0, 0.009) - 0.006 * woman),
        crown_y=float(rng.uniform(0.075, 0.115)),
        eye_distance=float(rng.normal(0.108, 0.004)),
        eye_width=float(rng.uniform(0.044, 0.054)),
        eye_height=float(rng.uniform(0.018, 0.026)),
        eye_tilt=float(rng.normal(0.06, 0.06)),
        lashes=float(rng.uniform(0.5, 1.0) if woman else rng.uniform(0.1, 0.4)),
        brow_height=float(rng.uniform(0.046, 0.062) + 0.004 * woman),
        brow_thickness=float(rng.uniform(0.008, 0.014) if woman else rng.uniform(0.012, 0.021)),
        brow_arch=float(rng.uniform(0.004, 0.018)),
        brow_tilt=float(rng.normal(0.0, 0.08)),
        nose_width=float(np.clip(rng.normal(0.044, 0.005), 0.034, 0.058)),
        nose_length=float(rng.uniform(0.140, 0.160)),
        nose_height=float(rng.uniform(0.7, 1.25)),
        nose_bulb=float(rng.uniform(0.7, 1.35)),
        mouth_width=float(np.clip(rng.normal(0.088, 0.006), 0.074, 0.102)),
        upper_lip=float(rng.uniform(0.014, 0.025) + 0.002 * woman),
        lower_lip=float(rng.uniform(0.020, 0.033) + 0.002 * woman),
        cupid_bow=float(rng.uniform(0.1, 0.4)),
        mouth_curve=float(rng.normal(0.0, 0.004)),
        lip_gloss=float(rng.uniform(0.15, 0.75) if woman else rng.uniform(0.05, 0.3)),
        teeth_shade=float(rng.uniform(0.82, 0.97)),
        hair_style=HAIR_STYLES[rng.choice(len(HAIR_STYLES), p=styles / styles.sum())],
        hair_thickness=float(rng.uniform(0.022, 0.05)),
        hairline_y=float(rng.uniform(0.205, 0.262) - 0.015 * (not woman) * age),
        fringe=float(rng.uniform(0.3, 1.0) if rng.random() < (0.3 if woman else 0.2) else 0.0),
        parting=float(rng.uniform(-0.11, 0.11)),
        beard=BEARDS[rng.choice(len(BEARDS), p=beard_weights)],
        freckles=float(rng.random() if rng.random() < 0.2 else 0.0),
        blush=float(rng.uniform(0.3, 1.0) if woman else rng.uniform(0.1, 0.6)),
        glasses=str(rng.choice(("none", "round", "square"), p=(0.76, 0.12, 0.12))),
        glasses_colour=frames[rng.integers(len(frames))],
        earrings=str(
            rng.choice(
                ("none", "stud", "hoop", "drop"),
                p=(0.35, 0.2, 0.2, 0.25) if woman else (0.93, 0.05, 0.02, 0),
            )
        ),
        earring_colour=metals[rng.integers(len(metals))],
        neck_width=float(rng.uniform(0.100, 0.118) if woman else rng.uniform(0.120, 0.145)),
        mouth_amplitude=float(rng.uniform(0.85, 1.15)),
        asymmetry=float(rng.normal(0, 0.05)),
    )


@dataclass(frozen=True)
class Scene:
    """What changes between two clips of a person: light, clothes, background; RGB in [0, 1]."""

    light: tuple[float, float, float]
    ambient: float
    warmth: float
    clothes: Colour
    neckline: str
    pattern: str
    background: str
    background_colours: tuple[Colour, Colour, Colour]
    texture_seed: int


def sample_scene(seed: int) -> Scene:
    """Draw a scene from a seed; equal for equal seeds."""
    rng = np.random.default_rng([seed, 0x5CEE])
    azimuth, elevation = rng.uniform(-0.95, 0.95), rng.uniform(0.15, 0.9)
    light = (
        float(np.sin(azimuth) * np.cos(elevation)),
        float(-np.sin(elevation)),
        float(np.cos(azimuth) * np.cos(elevation)),
    )
    palette = [
        _jittered(_rgb(_CLOTHES[index]), rng, 0.06) for index in rng.integers(len(_CLOTHES), size=4)
    ]
    shades = [
        _mix(colour, (0.75, 0.75, 0.75), float(rng.uniform(0, 0.6))) for colour in palette[1:]
    ]
    return Scene(
        light=light,
        ambient=float(rng.uniform(0.36, 0.6)),
        warmth=float(rng.normal(0, 0.035)),
        clothes=palette[0],
        neckline=str(rng.choice(("crew", "vee", "collar", "high"))),
        pattern=str(rng.choice(("plain", "stripes", "knit", "check"), p=(0.5, 0.15, 0.2, 0.15))),
        background=str(rng.choice(("gradient", "shapes", "bokeh", "wall", "panels"))),
        background_colours=(shades[0], shades[1], shades[2]),
        texture_seed=int(rng.integers(2**31)),
    )
