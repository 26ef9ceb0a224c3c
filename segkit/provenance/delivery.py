"""Who signs a video, and adding the credentials once it is finished; failing says so."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from segkit.provenance.certificate import Certificate, local_certificate, read_certificate
from segkit.provenance.signing import FORMATS, sign, try_certificate
from segkit.provenance.statement import Statement

logger = logging.getLogger("segkit.provenance")


def chosen_certificate(
    *,
    credentials: bool,
    certificate: str | Path | None,
    key: str | Path | None,
    suffix: str,
) -> Certificate | None:
    """Return what will sign a video, or None after a line in the log that says why nothing will.

    Args:
        credentials: false switches them off.
        certificate: PEM file of the user's chain; None takes the local certificate.
        key: PEM file of its key.
        suffix: ending of the video's name.

    Raises:
        ValueError: one of certificate and key without the other, or a certificate of the user's
            that cannot sign.
        FileNotFoundError: no such file.
        ImportError: a certificate of the user's, without the libraries that sign.
    """
    if (certificate is None) != (key is None):
        raise ValueError("give --certificate and --key together: a chain and the key to it")
    if not credentials:
        logger.warning("no credentials, as asked: nothing in the video will say how it was made")
        return None
    if suffix.lower() not in FORMATS:
        logger.warning("no credentials: %s files cannot carry them, .mp4 and .mov can", suffix)
        return None
    if certificate is not None and key is not None:
        _require_libraries()
        chosen = read_certificate(certificate, key)
        try_certificate(chosen)
        return chosen
    try:
        _require_libraries()
        return local_certificate()
    except (ImportError, ValueError, OSError) as error:
        logger.warning("no credentials: %s", error)
        return None


def _require_libraries() -> None:
    try:
        import c2pa  # noqa: F401
        import cryptography  # noqa: F401
    except Exception as error:  # a native library fails to load in ways of its own
        raise ImportError(f"{error}; to sign: pip install c2pa-python cryptography") from error


def add_credentials(
    path: Path, *, statement: Callable[[], Statement], certificate: Certificate | None
) -> bool:
    """Sign a finished video in its place, or leave it as it is and say so in the log.

    Args:
        path: the video.
        statement: makes what is said; called only where something signs.
        certificate: who says it; None leaves the video as it is.

    Returns:
        Whether it carries credentials.
    """
    if certificate is None:
        return False
    part = path.with_name(f"{path.name}.signed")
    # A library of native code: whatever fails in it, a film that took an hour is still delivered.
    try:
        sign(path, to=part, statement=statement(), certificate=certificate)
        part.chmod(path.stat().st_mode)
        os.replace(part, path)
    except Exception as error:
        logger.warning("the video is complete but carries no credentials: %s", error)
        return False
    finally:
        part.unlink(missing_ok=True)
    return True
