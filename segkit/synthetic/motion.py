"""Everything that moves but the mouth: head, blinks, gaze, brows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.contracts import FPS


@dataclass(frozen=True)
class Motion:
    """The pose of every frame; all arrays have T rows.

    Args:
        mouth: ``T 8``, mouth parameters.
        yaw: radians, positive turns the nose to the right of the picture.
        pitch: radians, positive lowers the nose.
        roll: radians, what alignment leaves of it.
        shift: ``T 2``, what alignment leaves of the translation, crop widths.
        zoom: scale around 1.
        blink: 0 open .. 1 shut.
        gaze: ``T 2`` in [-1, 1].
        brows: raise, around 0, crop widths.
    """

    mouth: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    shift: np.ndarray
    zoom: np.ndarray
    blink: np.ndarray
    gaze: np.ndarray
    brows: np.ndarray

    def __len__(self) -> int:
        return len(self.yaw)


def wander(
    rng: np.random.Generator, num_frames: int, *, highest_hz: float, slope: float = 1.0
) -> np.ndarray:
    """Smooth random motion of unit deviation over long times.

    Args:
        rng: source of phases.
        num_frames: T.
        highest_hz: nothing moves faster.
        slope: how much slow motion outweighs fast motion.

    Returns:
        ``T``.
    """
    times_s = np.arange(num_frames) / FPS
    frequencies = np.linspace(0.06, highest_hz, 9) * rng.uniform(0.85, 1.15, 9)
    sizes = frequencies ** (-slope)
    phases = rng.uniform(0, 2 * np.pi, 9)
    waves = np.sin(2 * np.pi * frequencies * times_s[:, None] + phases) * sizes
    return waves.sum(1) / np.sqrt((sizes**2).sum() / 2)


def _blinks(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """Lids that shut for about 0.2 s every few seconds."""
    times_s = np.arange(num_frames) / FPS
    lids = np.zeros(num_frames)
    moment = rng.uniform(0.3, 4.0)
    while moment < num_frames / FPS:
        fall_s, rise_s = rng.uniform(0.07, 0.09), rng.uniform(0.12, 0.18)
        before = np.clip(1 - (moment - times_s) / fall_s, 0, 1) * (times_s <= moment)
        after = np.clip(1 - (times_s - moment - 0.03) / rise_s, 0, 1) * (times_s > moment)
        shut = np.maximum(before, after)
        lids = np.maximum(lids, shut * shut * (3 - 2 * shut))
        moment += rng.uniform(1.6, 5.5) if rng.random() > 0.12 else 0.4
    return lids


def _gaze(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """Fixations joined by quick saccades."""
    gaze = np.zeros((num_frames, 2))
    frame = 0
    while frame < num_frames:
        stay = int(rng.uniform(0.4, 2.5) * FPS)
        gaze[frame : frame + stay] = rng.normal(0, (0.28, 0.14), 2)
        frame += stay
    return np.clip(gaze, -0.9, 0.9)


def sample_motion(
    mouth: np.ndarray, rng: np.random.Generator, *, liveliness: float = 1.0
) -> Motion:
    """Move a head while its mouth speaks.

    Args:
        mouth: ``T 8``, mouth parameters; nods and brows follow its jaw a little.
        rng: source of the motion.
        liveliness: scales head motion; 0 keeps the head still.
    """
    num_frames = len(mouth)
    window = np.hanning(13) / np.hanning(13).sum()
    speech = np.convolve(np.pad(mouth[:, 0], 6, mode="edge"), window, "valid")
    speech = speech - speech.mean()

    def drift(deviation: float, highest_hz: float = 0.9) -> np.ndarray:
        return liveliness * deviation * wander(rng, num_frames, highest_hz=highest_hz)

    return Motion(
        mouth=mouth,
        yaw=liveliness * rng.normal(0, 0.07) + drift(0.055),
        pitch=liveliness * rng.normal(0, 0.035) + drift(0.035) + liveliness * 0.05 * speech,
        roll=drift(0.008, 1.5),
        shift=np.stack([drift(0.0025, 2.0), drift(0.0025, 2.0)], 1),
        zoom=1 + drift(0.006, 1.0),
        blink=_blinks(rng, num_frames),
        gaze=_gaze(rng, num_frames),
        brows=drift(0.0022, 1.2) + 0.012 * speech,
    )
