"""Sign a video file: its manifest is put in and bound to every byte of picture and sound."""

from __future__ import annotations

import io
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from segkit.provenance.certificate import Certificate
from segkit.provenance.statement import LABEL, Statement

FORMATS = {".mp4": "video/mp4", ".m4v": "video/x-m4v", ".mov": "video/quicktime"}
"""Endings of the videos that can carry credentials -> their type."""

OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
"""Settings under which neither signing nor reading asks the network."""

_SETTINGS: dict[str, Any] = {
    **OFFLINE,
    # Hashed in pieces and kept on disk in between, so that memory does not grow with the film.
    "core": {"merkle_tree_chunk_size_in_kb": 1024, "backing_store_memory_threshold_in_mb": 8},
    "builder": {
        "thumbnail": {"enabled": False},
        "created_assertion_labels": ["c2pa.actions", LABEL],
        "bmff_hash_exclude_free_and_skip_boxes": False,
    },
}
_PIXEL = (
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
"""The smallest picture there is, to try a certificate on."""


def sign(path: Path, *, to: Path, statement: Statement, certificate: Certificate) -> None:
    """Write a copy of a video that carries credentials; memory does not grow with its length.

    Args:
        path: of the finished video.
        to: file to write; replaced if it exists.
        statement: what is said; the ending of its title tells the container.
        certificate: who says it.

    Raises:
        ValueError: a container without room for credentials, or a certificate that C2PA refuses.
        ImportError: the C2PA library is not installed.
        OSError: a file cannot be read or written.
    """
    suffix = Path(statement.title).suffix.lower()
    kind = FORMATS.get(suffix)
    if kind is None:
        raise ValueError(f"{suffix} files cannot carry credentials; expected {', '.join(FORMATS)}")
    manifest = statement.manifest(when=datetime.now(timezone.utc))
    with path.open("rb") as source, to.open("w+b") as target:
        _sign(manifest, kind, source, target, certificate)


def try_certificate(certificate: Certificate) -> None:
    """Sign one pixel, so that a certificate of the wrong kind is told before any slow work.

    Raises:
        ValueError: C2PA does not accept it.
        ImportError: the C2PA library is not installed.
    """
    manifest = Statement("pixel", "picture", "pixel", "none", ()).manifest(
        when=datetime.now(timezone.utc)
    )
    source = io.BytesIO(bytes.fromhex(_PIXEL))
    _sign(manifest, "image/png", source, io.BytesIO(), certificate)


def _sign(
    manifest: dict[str, Any],
    kind: str,
    source: BinaryIO,
    target: BinaryIO,
    certificate: Certificate,
) -> None:
    import c2pa

    try:
        with ExitStack() as stack:
            info = c2pa.C2paSignerInfo(
                certificate.algorithm, certificate.chain, certificate.key, None
            )
            signer = stack.enter_context(c2pa.Signer.from_info(info))
            context = stack.enter_context(c2pa.Context.from_dict(_SETTINGS))
            builder = stack.enter_context(c2pa.Builder(manifest, context))
            builder.sign(signer, kind, source, target)
    except c2pa.C2paError as error:
        raise ValueError(f"the credentials could not be made: {error}") from error
