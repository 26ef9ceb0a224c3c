"""Swatches on disk: drawn once for a server, and handed to a page as files of its own."""

from __future__ import annotations

import threading
from pathlib import Path

from segkit.serve.child import TaskError
from segkit.serve.swatches import FACE_SIZE, SEEDS
from segkit.web.bench import Bench
from segkit.web.draft import Draft, linked_or_copied


class Swatches:
    """Looks of drawn persons to choose from.

    Args:
        folder: where they are kept.
        bench: draws them.
    """

    def __init__(self, folder: Path, bench: Bench) -> None:
        self._folder, self._bench = folder, bench
        self._lock = threading.Lock()
        self._tiles: dict[str, list[str]] = {}

    def names(self, region: str) -> list[str]:
        """Return the persons who show a region; those not drawn yet are drawn.

        Raises:
            TaskError: they cannot be drawn.
        """
        return [name for name in SEEDS if region in self._regions(name)]

    def tiles(self, region: str, draft: Draft) -> list[tuple[str, str]]:
        """Return (file, caption) of the tiles of a region, as files of a draft."""
        found = []
        for name in self.names(region):
            target = draft.folder / f"swatch-{name}-{region}.png"
            if not target.exists():
                linked_or_copied(self._folder / f"{name}-{region}.png", target)
            found.append((str(target), name.upper()))
        return found

    def face(self, name: str) -> Path:
        """Return the whole face of a person.

        Raises:
            TaskError: it cannot be drawn.
        """
        self._regions(name)
        return self._folder / f"{name}.png"

    def prepare(self) -> None:
        """Draw everybody, one after another, so that previews may come between."""
        try:
            self._bench.do("warm")
            for name in SEEDS:
                self._regions(name)
        except TaskError:
            pass  # told to whoever asks for one

    def _regions(self, name: str) -> list[str]:
        with self._lock:
            if name not in self._tiles:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                wanted = {name: SEEDS[name]}
                made = self._bench.do(
                    "portraits", folder=str(self._folder), seeds=wanted, size=FACE_SIZE
                )
                self._tiles |= made["tiles"]
            return self._tiles[name]
