"""Who owns which file of the page: the first session that uses one, and whoever uploaded it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Ownership:
    """Binds names, which nobody can guess, to the sessions that may use them.

    The page's library keeps uploads and pictures in one folder for everybody, below names made of
    the contents. Here each belongs to a session.

    Args:
        folder: where those files lie; paths outside belong to nobody.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._owners: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def share(self, name: str, session: str) -> None:
        """Let a session use a file that it has just uploaded, whoever else did so too."""
        with self._lock:
            self._owners.setdefault(self._key(name), set()).add(session)

    def claim(self, name: str, session: str) -> bool:
        """Tell whether a session may use a file; the first one to ask may."""
        with self._lock:
            return session in self._owners.setdefault(self._key(name), {session})

    def claim_file(self, path: str, session: str) -> bool:
        """Tell whether a session may use a path: one of the folder, and its own."""
        resolved = Path(path).resolve()
        return resolved.is_relative_to(self._folder) and self.claim(str(resolved), session)

    def release(self, session: str) -> list[Path]:
        """Forget a session; returns the files that nobody uses any more."""
        with self._lock:
            theirs = [key for key, owners in self._owners.items() if session in owners]
            for key in theirs:
                self._owners[key].discard(session)
            alone = [key for key in theirs if not self._owners[key]]
            for key in alone:
                del self._owners[key]
        paths = [Path(key) for key in alone]
        return [path for path in paths if path.is_relative_to(self._folder)]

    def _key(self, name: str) -> str:
        return str(Path(name).resolve()) if name.startswith("/") else name


def paths_in(value: Any) -> Iterator[str]:
    """Find the paths of files in what a page sends."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "path" and isinstance(item, str):
                yield item
            else:
                yield from paths_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from paths_in(item)
