"""What `segkit talk` tells at its end."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any


def summary(out: Path, made: dict[str, Any], *, unlearned: Path | None = None) -> str:
    """Tell in a few lines what was made, where no face was found, and where the time went.

    Args:
        out: what was written.
        made: the report of `talk`.
        unlearned: film whose person the model has not learned.
    """
    line = (
        f"{out}: {made['frames']} frames of {made['width']} x {made['height']} "
        f"at {made['fps']:g} fps, made in {made['seconds']['total']:.1f} s"
    )
    if made["passed_through"]:
        spans = ", ".join(f"{start:g}-{end:g} s" for start, end in made["passed_through"])
        line += f"\nno face was found at {spans}; those frames are as they were"
    if made["signed"]:
        line += f"\nit says how it was made: segkit verify {out}"
    if unlearned is not None:
        line += (
            "\nthe built-in model knows drawn faces alone, so a real mouth looks painted; to learn "
            f"this one:\n  segkit fit {shlex.quote(str(unlearned))} --out person.safetensors\n"
            "and then talk with --model person.safetensors"
        )
    return line + "\n" + stages(made)


def stages(made: dict[str, Any]) -> str:
    """Return a table of where the time went: seconds, and milliseconds per frame made.

    Below the total stand the stages that ran beside the others.
    """
    spent = dict(made["seconds"])
    total = spent.pop("total")
    spent["other"] = max(0.0, total - sum(spent.values()))
    frames = max(1, made["frames"] - made["resumed_frames"])
    beside = {f"+ {name}": value for name, value in made["meanwhile"].items()}
    rows = [*spent.items(), ("total", total), *beside.items()]
    lines = [f"{'stage':<10}{'s':>9}{'ms/frame':>10}"]
    lines += [f"{name:<10}{value:>9.1f}{1000 * value / frames:>10.1f}" for name, value in rows]
    if beside:
        lines.append("stages with a + ran beside the others")
    lines.append(f"peak memory {made['peak_memory_mb']:.0f} MB")
    if made["resumed_frames"]:
        lines.append(f"{made['resumed_frames']} frames were there from before the stop")
    return "\n".join(lines)
