"""The models that a server offers: the built-in one, those of a folder, and those fitted here."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from segkit.regions import SCHEME_12
from segkit.serve.queue import JobQueue
from segkit.serve.store import DONE

logger = logging.getLogger("segkit.serve")

BUILTIN = "builtin"
_FITTED = "fit:"


@dataclass(frozen=True)
class Models:
    """Names to files; a path never comes from a client.

    Page and forms know the regions of the 12-class scheme; bundles of others are not offered.

    Args:
        queue: where fitted models come from.
        folder: of bundles to offer; None offers none.
    """

    queue: JobQueue
    folder: Path | None = None

    def __post_init__(self) -> None:
        for path in () if self.folder is None else sorted(self.folder.glob("*.safetensors")):
            if not _is_of_the_page(path):
                logger.warning(
                    "%s is not offered: its regions are those of %s, the page has those of %s",
                    path, _scheme_of(path), SCHEME_12.name,
                )  # fmt: skip

    def titles(self, *, owner: str) -> dict[str, str]:
        """Return the names that somebody may choose, each with a title."""
        fitted = [
            job
            for job in self.queue.store.of_owner(owner)
            if job.kind == "fit" and job.state == DONE
        ]
        return {
            BUILTIN: "Built-in, for any face (128 px)",
            **{path.stem: path.stem for path in self._files()},
            **{
                f"{_FITTED}{job.id}": f"Fitted here ({job.report.get('size', '?')} px)"
                for job in fitted
            },
        }

    def path_of(self, name: str, *, owner: str) -> str | None:
        """Return the file of a model; None is the built-in one.

        Raises:
            ValueError: no such model, or somebody else's.
        """
        if name == BUILTIN:
            return None
        if name.startswith(_FITTED):
            try:
                job = self.queue.store.get(name.removeprefix(_FITTED), owner=owner)
                return str(self.queue.result(job))
            except (KeyError, FileNotFoundError):
                pass
        for path in self._files():
            if path.stem == name:
                return str(path)
        known = ", ".join(self.titles(owner=owner))
        raise ValueError(f"model: expected one of {known}, got {name[:80]!r}")

    def _files(self) -> list[Path]:
        if self.folder is None:
            return []
        return [path for path in sorted(self.folder.glob("*.safetensors")) if _is_of_the_page(path)]


def _is_of_the_page(path: Path) -> bool:
    # What is no bundle is told when it is chosen.
    return _scheme_of(path) in (None, SCHEME_12.name)


def _scheme_of(path: Path) -> str | None:
    """Return the name of a bundle's scheme, by its head alone; None of what is no bundle."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            head = json.loads((file.metadata() or {})["segkit"])
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
    return head.get("scheme") if isinstance(head, dict) else None
