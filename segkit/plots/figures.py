"""Figures without a display: begun in one style, and written whole or not at all."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#26262b"
"""Colour of text and lines."""

SOFT_INK = "#74747c"
"""Colour of what is said aside."""

FORMATS = (".png", ".svg", ".pdf")
"""What a figure can be written as."""

_LIBRARIES = {"matplotlib": "matplotlib", "sklearn": "scikit-learn"}
# Nothing that changes from run to run: equal figures are equal files.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def require_plot_libraries() -> None:
    """Tell that a library is missing before any slow work begins.

    Raises:
        ImportError: matplotlib or scikit-learn is not installed.
    """
    missing = [name for module, name in _LIBRARIES.items() if find_spec(module) is None]
    if missing:
        raise ImportError(f"plots need {' and '.join(missing)}: pip install 'segkit[plot]'")


def check_outputs(path: Path, *, record: bool, force: bool) -> list[Path]:
    """Refuse what cannot be written before any slow work begins.

    Args:
        path: of a picture.
        record: whether a JSON file of the same name is written too.
        force: replace existing files.

    Returns:
        The files that will be written.

    Raises:
        ValueError: an ending that is no kind of picture.
        FileExistsError: a file is there and ``force`` is not set.
        FileNotFoundError: the folder is not there.
    """
    from segkit.talk.bundle import check_writable

    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"{path}: expected a picture ending in {', '.join(FORMATS)}, got {path.suffix!r}; "
            f"such as {path.with_suffix('.png').name}"
        )
    paths = [path, path.with_suffix(".json")] if record else [path]
    for wanted in paths:
        check_writable(wanted, force=force)
    return paths


def new_figure(width: float, height: float) -> Figure:
    """Begin a white figure.

    Args:
        width: in inches.
        height: in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    require_plot_libraries()
    # Not pyplot: it keeps every figure, and picks a window system.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white")


def save_figure(
    figure: Figure,
    path: str | Path,
    *,
    record: dict[str, Any] | None = None,
    dpi: int = 200,
    force: bool = False,
) -> None:
    """Write a figure, and what it was made from beside it; whole or not at all.

    Args:
        figure: to write.
        path: ending in .png, .svg or .pdf.
        record: plain data, written as JSON to the same name ending in .json.
        dpi: pixels per inch.
        force: replace existing files.

    Raises:
        ValueError: another ending.
        FileExistsError: a file is there and ``force`` is not set.
        FileNotFoundError: the folder is not there.
    """
    import matplotlib

    path = Path(path)
    paths = check_outputs(path, record=record is not None, force=force)
    parts = [wanted.with_name(f".{wanted.name}.part") for wanted in paths]
    try:
        # Letters stay letters, and names inside the file do not change from run to run.
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "segkit"}):
            figure.savefig(
                parts[0],
                format=path.suffix[1:].lower(),
                dpi=dpi,
                metadata=_METADATA[path.suffix.lower()],
            )
        if record is not None:
            text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
            parts[1].write_text(text + "\n", encoding="utf-8")
        for part, wanted in zip(parts, paths, strict=True):
            os.replace(part, wanted)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
