"""What a file is, by its first bytes: only real media reach a decoder.

FFmpeg also reads play lists, scripts and descriptions that name other files and addresses; a
stranger's upload must never be one.
"""

from __future__ import annotations

from pathlib import Path

from segkit.media import MediaError

_PICTURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"BM": "bmp"}
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
_SOUNDS = {b"fLaC": "flac", b"ID3": "mp3", b"FORM": "aiff", b"caff": "caf"}
_FILMS = {b"\x1aE\xdf\xa3": "mkv", b"FLV\x01": "flv", b"\x00\x00\x01\xba": "mpg"}
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")

FILM, PICTURE, SOUND = "film", "picture", "sound"


def kind_of(head: bytes) -> tuple[str, str] | None:
    """Tell what a file is.

    Args:
        head: its first 400 bytes or more.

    Returns:
        One of ``FILM`` (which may hold sound only), ``PICTURE``, ``SOUND``, and a fitting ending of
        a file's name; None for everything else.
    """
    riff = head[8:12] if head[:4] == b"RIFF" else b""
    if riff:
        known = {b"WAVE": (SOUND, "wav"), b"AVI ": (FILM, "avi"), b"WEBP": (PICTURE, "webp")}
        return known.get(riff)
    if head[4:8] in _BOXES:
        return (PICTURE, "avif") if head[8:12] in _STILL_BRANDS else (FILM, "mp4")
    if head[:4] == b"OggS":
        return FILM, "ogg"
    for table, kind in ((_PICTURES, PICTURE), (_SOUNDS, SOUND), (_FILMS, FILM)):
        for mark, ending in table.items():
            if head.startswith(mark):
                return kind, ending
    return _by_frames(head)


def _by_frames(head: bytes) -> tuple[str, str] | None:
    """Know streams without a header by the marks of their frames."""
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return FILM, "ts"
    if len(head) > 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return (SOUND, "aac") if head[1] & 0xF6 == 0xF0 else (SOUND, "mp3")
    return None


def require_kind(path: Path, kinds: tuple[str, ...], *, wanted: str) -> tuple[str, str]:
    """Return what a file is.

    Args:
        path: of the file.
        kinds: what is accepted.
        wanted: the same in words, for the message.

    Raises:
        MediaError: something else.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise MediaError(f"expected {wanted}, got an empty file")
    found = kind_of(head)
    if found is None or found[0] not in kinds:
        what = "a file of another kind" if found is None else f"a {found[0]} (.{found[1]})"
        raise MediaError(f"expected {wanted}, got {what}")
    return found
