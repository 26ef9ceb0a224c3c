"""Uploads on their way into a job's folder: counted, flushed to the disk, under names of ours."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from segkit.edits import EditPlan, read_edits
from segkit.regions import RegionScheme
from segkit.serve.sniff import FILM, PICTURE, SOUND, require_kind
from segkit.serve.tasks import EDIT_FILE, EDIT_FOLDER

_BLOCK = 1 << 20
_EDIT_FILE_BYTES = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}(\.[A-Za-z0-9]{1,8})?")


class TooLargeError(ValueError):
    """More bytes than are accepted."""


def save_stream(source: BinaryIO, target: Path, *, most_bytes: int) -> int:
    """Write a stream to a new file, down to the disk; returns its size.

    Raises:
        TooLargeError: more than ``most_bytes``; nothing is left.
        FileExistsError: the file is there.
    """
    size = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            while block := source.read(_BLOCK):
                size += len(block)
                if size > most_bytes:
                    raise TooLargeError(f"the file is larger than {most_bytes / 1e6:g} MB")
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return size


def save_face(source: BinaryIO, folder: Path, *, most_bytes: int) -> tuple[str, bool]:
    """Keep a film or picture of a face.

    Returns:
        The file's name in the folder, and whether it is a film.

    Raises:
        TooLargeError: too many bytes.
        MediaError: neither film nor picture.
    """
    name, kind = _save_media(
        source, folder, "face", (FILM, PICTURE), "a film or picture of the face", most_bytes
    )
    return name, kind == FILM


def save_voice(source: BinaryIO, folder: Path, *, most_bytes: int) -> str:
    """Keep a voice; returns the file's name in the folder.

    Raises:
        TooLargeError: too many bytes.
        MediaError: no sound file.
    """
    name, _ = _save_media(
        source, folder, "voice", (SOUND, FILM), "a voice (wav, mp3, m4a, ...)", most_bytes
    )
    return name


def save_reference(source: BinaryIO, folder: Path, name: str | None, *, most_bytes: int) -> Path:
    """Keep a picture or film that an edit file names.

    Raises:
        ValueError: a name that is not plain, or comes twice.
        TooLargeError: too many bytes.
        MediaError: neither picture nor film.
    """
    if not name or not _NAME.fullmatch(name) or name == EDIT_FILE:
        raise ValueError(
            f"reference {name!r}: expected a plain file name such as hair.jpg (letters, digits, "
            "- and _), the one by which the edit file calls it"
        )
    home = folder / EDIT_FOLDER
    home.mkdir(mode=0o700, exist_ok=True)
    target = home / name
    if target.exists():
        raise ValueError(f"reference {name!r}: given twice; give each file a name of its own")
    save_stream(source, target, most_bytes=most_bytes)
    require_kind(target, (PICTURE, FILM), wanted=f"reference {name} to be a picture or film")
    return target


def save_edits(source: BinaryIO, folder: Path, *, scheme: RegionScheme) -> EditPlan:
    """Keep an edit file and read it; its pictures must be there already.

    Raises:
        TooLargeError: more than a megabyte.
        EditFileError: it cannot be used, runs code, or names files that did not come with it.
    """
    home = folder / EDIT_FOLDER
    home.mkdir(mode=0o700, exist_ok=True)
    path = home / EDIT_FILE
    save_stream(source, path, most_bytes=_EDIT_FILE_BYTES)
    try:
        return read_edits(path, scheme=scheme, confined=True)
    except ValueError as error:
        # Where things lie here is nobody's business.
        raise type(error)(str(error).replace(f"{home}/", "")) from None


def _save_media(
    source: BinaryIO, folder: Path, stem: str, kinds: tuple[str, ...], wanted: str, most_bytes: int
) -> tuple[str, str]:
    raw = folder / f"{stem}.raw"
    save_stream(source, raw, most_bytes=most_bytes)
    try:
        kind, ending = require_kind(raw, kinds, wanted=wanted)
    except ValueError:
        raw.unlink()
        raise
    raw.rename(folder / f"{stem}.{ending}")
    return f"{stem}.{ending}", kind
