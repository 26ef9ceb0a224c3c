"""Where the files of a clip are: in a folder of their own, or inside the tar shards of a pack."""

from __future__ import annotations

import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

SHARD_INDEX = "shards.jsonl"
_MAX_OPEN = 16


class ClipFiles(Protocol):
    """The files of one clip, by their names inside it, such as ``masks/000000.png``."""

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: no such file.
        """
        ...

    def exists(self, name: str) -> bool:
        """Return whether the clip has a file."""
        ...

    def place(self, name: str) -> str:
        """Return where a file is, in words for a message."""
        ...

    @contextmanager
    def as_path(self, name: str) -> Iterator[Path]:
        """Give the path of a file, for readers that need one."""
        ...


class FolderFiles:
    """The files of a clip in its folder.

    Args:
        folder: of the clip.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self.folder / name).read_bytes()

    def exists(self, name: str) -> bool:
        """Return whether the clip has a file."""
        return (self.folder / name).exists()

    def place(self, name: str) -> str:
        """Return where a file is, in words for a message."""
        return str(self.folder / name)

    @contextmanager
    def as_path(self, name: str) -> Iterator[Path]:
        """Give the path of a file."""
        yield self.folder / name


class Shards:
    """The open tar files of a pack: at most 16 at a time, read by offset.

    Safe to share by fork, since nothing seeks; a pickled copy opens its own.

    Args:
        root: folder of the pack.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: OrderedDict[str, int] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open files behind."""
        return {"root": self.root, "_open": OrderedDict()}

    def __del__(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def read(self, shard: str, offset: int, size: int) -> bytes:
        """Return some bytes of a shard.

        Args:
            shard: its name.
            offset: of the first byte.
            size: how many.

        Raises:
            FileNotFoundError: the shard is missing, or shorter than the index says.
        """
        if shard in self._open:
            self._open.move_to_end(shard)
        else:
            self._open[shard] = os.open(self.root / shard, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            if len(self._open) > _MAX_OPEN:
                os.close(self._open.popitem(last=False)[1])
        content = os.pread(self._open[shard], size, offset)
        if len(content) < size:
            raise FileNotFoundError(
                f"{self.root / shard} is shorter than its index says; pack the data set again"
            )
        return content


class ShardFiles:
    """The files of a clip inside a tar shard.

    Args:
        shards: of the pack.
        shard: name of the one that holds the clip.
        members: file name -> offset and size.
    """

    def __init__(self, shards: Shards, shard: str, members: dict[str, tuple[int, int]]) -> None:
        self._shards, self._shard = shards, shard
        self._names = {name: number for number, name in enumerate(members)}
        self._spans = np.array(list(members.values()), np.int64).reshape(-1, 2)

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        if name not in self._names:
            raise FileNotFoundError(f"{self.place(name)} is missing; pack the data set again")
        offset, size = (int(value) for value in self._spans[self._names[name]])
        return self._shards.read(self._shard, offset, size)

    def exists(self, name: str) -> bool:
        """Return whether the clip has a file."""
        return name in self._names

    def place(self, name: str) -> str:
        """Return where a file is, in words for a message."""
        return f"{self._shards.root / self._shard}:{name}"

    @contextmanager
    def as_path(self, name: str) -> Iterator[Path]:
        """Give the path of a copy that is there for a while."""
        with tempfile.TemporaryDirectory(prefix="segkit-") as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(self.read(name))
            yield path


def read_shard_index(root: Path) -> dict[str, ShardFiles] | None:
    """Return clip id -> its files of a packed data set, or None if it is not packed.

    Raises:
        ValueError: a damaged index.
    """
    path = root / SHARD_INDEX
    if not path.exists():
        return None
    shards, found = Shards(root), {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            found[entry["id"]] = ShardFiles(shards, entry["shard"], entry["members"])
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}, line {number} is damaged ({error!r}); pack the data set again"
            ) from error
    return found
