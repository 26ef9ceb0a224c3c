"""Pack a clip folder into WebDataset shards, a few large tar files with an index, bit for bit.

::

    root/manifest.jsonl, stats.json        as in the clip folder
    root/shards.jsonl                      where every file of a clip lies: shard, offset, size
    root/shards/000000.tar                 whole clips, sorted by id

In a shard a clip is one WebDataset sample: its key is the id, with ``.`` turned into ``_``, and its
files are ``KEY.clip.json``, ``KEY.audio.wav``, ``KEY.frames-000000.jpg``,
``KEY.masks-000000.png``, and so on.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from segkit.clip_files import SHARD_INDEX
from segkit.clip_manifest import MANIFEST, STATS
from segkit.clip_writer import CLIPS
from segkit.clips import ClipFolder

_FOLDER = "shards"


def pack_clips(
    root: str | Path, out: str | Path, *, shard_mb: float = 256, force: bool = False,
    progress: bool = True,
) -> int:  # fmt: skip
    """Write a clip folder as shards; ``out`` appears whole or not at all.

    A clip is never divided: a shard ends with the clip that fills it. The same folder gives the
    same bytes.

    Args:
        root: clip folder.
        out: folder to make.
        shard_mb: size at which a shard is full, in 1e6 bytes.
        force: replace ``out``, if it is a pack.
        progress: show a progress bar.

    Returns:
        How many shards were written.

    Raises:
        FileNotFoundError: no such folder, or a clip of it lacks files.
        FileExistsError: ``out`` is there, and not to be replaced or no pack.
        ValueError: a size that is not positive, or a folder that is packed already.
    """
    from segkit.progress import counted, progress_bars

    root, out = Path(root), Path(out)
    if shard_mb <= 0:
        raise ValueError(f"shard_mb: expected a positive size, got {shard_mb}")
    folder = ClipFolder(root)
    if (root / SHARD_INDEX).exists():
        raise ValueError(f"{root} is packed already")
    _check_free(out, force=force)
    ids = [clip.clip_id for clip in folder.clips(None)]
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / _FOLDER).mkdir(parents=True)
        with progress_bars(show=progress) as bars:
            clips = ((name, root / CLIPS / name) for name in counted(ids, bars, "pack", len(ids)))
            lines = list(_write_shards(part, clips, round(shard_mb * 1e6)))
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (part / SHARD_INDEX).write_text(text, encoding="utf-8")
        for name in (MANIFEST, STATS):
            if (root / name).exists():
                shutil.copyfile(root / name, part / name)
        if force and out.exists():
            shutil.rmtree(out)
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return len({line["shard"] for line in lines})


def _check_free(out: Path, *, force: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not force:
        raise FileExistsError(f"{out} exists; add --force to replace it")
    if not (out / SHARD_INDEX).is_file():
        raise FileExistsError(f"{out} is no folder of shards and is not replaced; choose another")


def _write_shards(
    part: Path, clips: Iterable[tuple[str, Path]], limit: int
) -> Iterator[dict[str, Any]]:
    """Write clip after clip; yield their index lines."""
    number, keys = -1, set[str]()
    file: BinaryIO | None = None
    try:
        for clip_id, folder in clips:
            if file is None or file.tell() >= limit:
                if file is not None:
                    _close(file)
                number += 1
                name = f"{_FOLDER}/{number:06d}.tar"
                file = (part / name).open("wb")
            key = clip_id.replace(".", "_")
            if key in keys:
                raise ValueError(
                    f"clips {clip_id!r} and another differ only in '.' and '_', which a shard "
                    "cannot tell apart; rename one of their videos and prepare it again"
                )
            keys.add(key)
            members = {inside: _append(file, key, inside, path) for inside, path in _files(folder)}
            yield {"id": clip_id, "shard": name, "members": members}
    finally:
        if file is not None:
            _close(file)


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Return name in the clip -> path, in order of names; nothing half-written."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing; prepare this clip again, then pack")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = [(path.relative_to(folder).as_posix(), path) for path in paths]
    return [(name, path) for name, path in named if not name.endswith(".part")]


def _append(file: BinaryIO, key: str, inside: str, path: Path) -> tuple[int, int]:
    """Append a member to a tar file; return where its content lies."""
    content = path.read_bytes()
    # WebDataset groups by what stands before the first dot behind the last slash.
    member = tarfile.TarInfo(f"{key}.{inside.replace('/', '-')}")
    member.size = len(content)  # owner, time and mode stay the same for everybody
    file.write(member.tobuf(tarfile.PAX_FORMAT))
    offset = file.tell()
    file.write(content)
    file.write(bytes(-len(content) % tarfile.BLOCKSIZE))
    return offset, len(content)


def _close(file: BinaryIO) -> None:
    """End a tar file as the format wants: two empty blocks."""
    file.write(bytes(2 * tarfile.BLOCKSIZE))
    file.close()
