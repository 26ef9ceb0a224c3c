"""The weight file of a metric: found and verified, or said where to get it."""

from __future__ import annotations

from pathlib import Path

from segkit.weights import check_file


class MissingWeightsError(FileNotFoundError):
    """A metric's weight file is not there; the message says which one and where to get it."""


def find_weights(
    path: str | Path | None, *, name: str, sha256: str | None, source: str, check: bool = True
) -> Path:
    """Return the path of a metric's weight file after checking that it is the known one.

    Args:
        path: the file; None if the user named none.
        name: file name under which it is published.
        sha256: its digest in hex; None if none is known.
        source: where to get it.
        check: compare the digest.

    Raises:
        MissingWeightsError: no path or no file.
        ValueError: the digest differs.
    """
    if path is None or not Path(path).is_file():
        digest = f" (sha256 {sha256})" if sha256 else ""
        got = "no path was given" if path is None else f"{path} not found"
        raise MissingWeightsError(f"{got}; expected {name}{digest}, from {source}")
    return check_file(path, sha256=sha256 if check else None)
