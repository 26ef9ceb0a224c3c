"""What a user sees when a command fails: one line, an exit code, and no traceback unless asked."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

P = ParamSpec("P")
T = TypeVar("T")

# What the library raises about a user's input. Anything else is a bug of ours and shows its trace.
USER_ERRORS = (ValueError, KeyError, OSError, ImportError)
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C


def user_errors(
    interrupted: str = "nothing half-written is left",
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Wrap a command: errors of the user become one red line, Ctrl-C ends it quietly.

    ``SEGKIT_DEBUG=1``, which ``--debug`` sets, lets the traceback through.

    Args:
        interrupted: what Ctrl-C leaves behind, told to the user.
    """

    def decorate(command: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(command)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return command(*args, **kwargs)
            except KeyboardInterrupt:
                # The writers remove their temporary files on the way here.
                typer.secho(f"interrupted: {interrupted}", fg="yellow", err=True)
                raise typer.Exit(EXIT_INTERRUPTED) from None
            except USER_ERRORS as error:
                if os.environ.get("SEGKIT_DEBUG"):
                    raise
                typer.secho(f"error: {sentence(error)}", fg="red", err=True)
                raise typer.Exit(EXIT_USER_ERROR) from None

        return wrapped

    return decorate


def sentence(error: BaseException) -> str:
    """Return an error's own words, without the quotes of a KeyError or the number of an OSError."""
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def require_free(*paths: os.PathLike[str], force: bool) -> None:
    """Refuse to overwrite, before any slow work begins.

    Raises:
        FileExistsError: a path exists and ``force`` is false.
    """
    for path in paths:
        if os.path.exists(path) and not force:
            raise FileExistsError(f"{os.fspath(path)} exists; add --force to replace it")


def require_file(path: os.PathLike[str], *, option: str) -> None:
    """Refuse an input that is not a readable file, naming the option that gave it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, or an empty file.
    """
    name = os.fspath(path)
    if not os.path.exists(name):
        raise FileNotFoundError(f"{option}: {name} does not exist")
    if os.path.isdir(name):
        raise ValueError(f"{option}: {name} is a folder; a file is needed")
    if os.path.getsize(name) == 0:
        raise ValueError(f"{option}: {name} is empty")
