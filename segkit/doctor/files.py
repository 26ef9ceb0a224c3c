"""Codecs, the speech synthesiser, the built-in model, credentials and weight files."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal

from segkit.doctor.finding import Finding
from segkit.doctor.libraries import installed, loads

WRITTEN = ("libx264", "aac")
"""Encoders without which no video can be written."""

READ = ("h264", "hevc", "vp9", "av1", "aac", "mp3", "opus", "pcm_s16le")
"""Decoders of what cameras, phones and the web make."""


def codecs() -> Iterator[Finding]:
    """Ask the FFmpeg inside PyAV for the codecs that we use."""
    import av

    version = getattr(av, "ffmpeg_version_info", None) or "of unknown version"
    yield Finding("media", "FFmpeg", f"{version} inside PyAV {av.__version__}")
    for name in WRITTEN:
        there = has_codec(name, mode="w")
        todo = None if there else "pip install --force-reinstall --only-binary :all: av"
        yield Finding("media", f"encoder {name}", "there" if there else "missing", todo)
    missing = [name for name in READ if not has_codec(name, mode="r")]
    value = ", ".join(name for name in READ if name not in missing)
    hint = f"films in {', '.join(missing)} cannot be read" if missing else None
    yield Finding("media", "decoders", value, hint=hint)


def has_codec(name: str, *, mode: Literal["r", "w"]) -> bool:
    """Tell whether FFmpeg has a codec, to write (``"w"``) or to read (``"r"``)."""
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        Codec(name, mode)
    except UnknownCodecError:
        return False
    return True


def speech_synthesiser() -> Iterator[Finding]:
    """Look for eSpeak NG, which speaks for `segkit demo` and `segkit synth`."""
    if not loads("espeakng_loader"):
        hint = "for `segkit demo` and `segkit synth`: pip install 'segkit[synth]'"
        yield Finding("media", "eSpeak NG", "not installed", hint=hint)
        return
    import espeakng_loader

    paths = (espeakng_loader.get_library_path(), espeakng_loader.get_data_path())
    absent = [str(path) for path in paths if not Path(path).exists()]
    again = "pip install --force-reinstall espeakng-loader"
    value = f"lacks {', '.join(absent)}" if absent else f"of {installed('espeakng-loader')}"
    yield Finding("media", "eSpeak NG", value, hint=again if absent else None)


def builtin_model() -> Iterator[Finding]:
    """Compare the built-in model with what was installed."""
    from segkit.talk.bundle import builtin_bundle_path

    again = "pip install --force-reinstall --no-deps segkit"
    try:
        path = builtin_bundle_path()
    except FileNotFoundError:
        yield Finding("files", "built-in model", "missing", todo=again)
        return
    digest = hashlib.sha256(path.read_bytes()).digest()
    recorded = recorded_digest(path)
    text = f"{path.name}, sha256 {digest.hex()}"
    if recorded is not None and recorded != digest:
        yield Finding("files", "built-in model", f"{text}: damaged", todo=again)
    else:
        how = "as installed" if recorded else "not recorded: an editable installation"
        yield Finding("files", "built-in model", f"{text} ({how})")


def recorded_digest(path: Path) -> bytes | None:
    """Return the sha256 that the installation recorded for a file; None where it has no record."""
    for file in metadata.files("segkit") or ():
        if file.name == path.name and file.hash is not None and file.hash.mode == "sha256":
            return base64.urlsafe_b64decode(file.hash.value + "=" * (-len(file.hash.value) % 4))
    return None


def credentials() -> Iterator[Finding]:
    """Tell whether videos will be signed, and by what."""
    from segkit.provenance import config_folder, local_certificate

    if not (loads("c2pa") and loads("cryptography")):
        hint = "for signed videos: pip install c2pa-python cryptography"
        yield Finding("files", "credentials", "videos will carry none", hint=hint)
        return
    folder = config_folder() / "credentials"
    if not folder.is_dir():
        value = f"the first video makes {folder}"
        if not os.access(_nearest(folder), os.W_OK):
            hint = f"make {folder.parent} writable, or name another folder in SEGKIT_CONFIG"
            yield Finding("files", "credentials", f"{folder} cannot be made", hint=hint)
            return
        yield Finding("files", "credentials", value)
        return
    try:
        local_certificate(folder)
    except (ValueError, OSError) as error:
        yield Finding("files", "credentials", "cannot sign", hint=str(error))
    else:
        yield Finding("files", "credentials", f"signed by {folder / 'certificate.pem'}")


def weights() -> Iterator[Finding]:
    """Tell the state of every published weight file that segkit knows."""
    from segkit.weight_catalogue import KNOWN_FILES, weights_root

    root = weights_root()
    states = {entry.name: entry.state(root) for entry in KNOWN_FILES}
    ready = sum(state == "ready" for state in states.values())
    yield Finding("files", "weights", f"{ready} of {len(states)} ready below {root.absolute()}")
    for name, state in states.items():
        hint = f"`segkit weights {name}` tells how to convert it" if state == "to convert" else None
        yield Finding("files", f"weights {name}", state, hint=hint)


def _nearest(path: Path) -> Path:
    """Return the deepest folder above a path that is there."""
    return next(parent for parent in path.absolute().parents if parent.is_dir())
