"""Mask functions: a user's own Python function, found in a file, called and checked."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from segkit.regions import RegionScheme

MaskFunction = Callable[[np.ndarray, float, RegionScheme], np.ndarray]
"""``(labels H W uint8, time in seconds, scheme) -> labels H W uint8``."""


def split_function(text: str) -> tuple[Path, str]:
    """Read ``FILE.py:FUNCTION``.

    Raises:
        ValueError: another form.
    """
    path, separator, name = text.rpartition(":")
    if not separator or not path or not name.isidentifier():
        raise ValueError(
            f"mask edit: expected FILE.py:FUNCTION such as mine.py:wider_smile, got {text!r}"
        )
    return Path(path), name


def require_function(module: Path, function: str) -> None:
    """Check that a file defines a function, by reading it; nothing of it is run.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not Python, or no such function; the message gives the close matches.
    """
    if not module.is_file():
        raise FileNotFoundError(f"mask edit: {module} not found")
    try:
        tree = ast.parse(module.read_bytes(), str(module))
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"mask edit: {module} is not valid Python ({error})") from error
    names = _defined(tree)
    if names is not None and function not in names:
        close = get_close_matches(function, names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"mask edit: {module} defines no function {function!r}{hint}")


def load_function(module: Path, function: str) -> MaskFunction:
    """Run a file and take a function out of it.

    This runs the user's own code, with all that it may do.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file fails, or what has that name is no function.
    """
    require_function(module, function)
    loaded = types.ModuleType(f"segkit_user_{module.stem}")
    loaded.__file__ = str(module)
    sys.modules[loaded.__name__] = loaded  # dataclasses and pickles look a module up there
    try:
        # Not an import: that would leave a folder of compiled files beside the user's own.
        exec(compile(module.read_bytes(), str(module), "exec"), loaded.__dict__)
    except Exception as error:  # whatever the user's file raises is an error of the user's file
        raise ValueError(
            f"mask edit: {module} cannot be loaded ({type(error).__name__}: {error})"
        ) from error
    found = getattr(loaded, function, None)
    if not callable(found):
        raise ValueError(f"mask edit: {function!r} of {module} is no function")
    return found


def edit_mask(
    labels: np.ndarray,
    function: MaskFunction,
    *,
    time_s: float,
    scheme: RegionScheme,
    name: str = "mask edit",
) -> np.ndarray:
    """Call a function on a copy of a label map, and check what it returns.

    Args:
        labels: uint8 ``H W``; stays as it is.
        function: see `MaskFunction`.
        time_s: of the frame.
        scheme: names of the labels.
        name: of the function, for messages.

    Returns:
        uint8 ``H W``, all labels below the number of regions.

    Raises:
        ValueError: the function fails, or returns no such map.
    """
    try:
        edited = function(labels.copy(), time_s, scheme)
    except Exception as error:  # the user's code may raise anything
        raise ValueError(
            f"{name} failed at {time_s:.2f} s ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(edited, np.ndarray):
        raise ValueError(
            f"{name}: expected a label map as an array, got {type(edited).__name__}; "
            "let the function return its map"
        )
    if edited.shape != labels.shape or edited.dtype != np.uint8:
        raise ValueError(
            f"{name}: expected a map of shape {labels.shape} and type uint8, got shape "
            f"{edited.shape} and type {edited.dtype}; return labels.astype(np.uint8)"
        )
    if edited.size and int(edited.max()) >= len(scheme):
        raise ValueError(
            f"{name}: expected labels 0..{len(scheme) - 1} of {scheme.name!r}, "
            f"got a label {int(edited.max())} at {time_s:.2f} s"
        )
    return edited


def changed_regions(
    before: np.ndarray, after: np.ndarray, *, scheme: RegionScheme
) -> tuple[str, ...]:
    """Name the regions that must be drawn anew where a mask was edited.

    Where a large region (skin, neck, background) gave way to a small one, or the other way round,
    the small one is enough.

    Args:
        before: label map ``H W``.
        after: label map ``H W``.
        scheme: names of the labels.
    """
    large = {
        scheme.index(name) for name in ("background", "skin", "neck") if name in scheme.regions
    }
    changed = before != after
    pairs = np.unique(np.stack([before[changed], after[changed]], 1), axis=0)
    found: set[int] = set()
    for pair in pairs.tolist():
        found |= set(pair) - large or set(pair)
    found.discard(scheme.index("background"))
    return tuple(scheme.regions[label] for label in sorted(found))


def _defined(tree: ast.Module) -> set[str] | None:
    """Return the names that a file binds at its top; None where a star import hides them."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif not isinstance(node, ast.Expr):
            # Names may come out of an `if` or a `try`: only running the file tells.
            return None
    return None if "*" in names else names
