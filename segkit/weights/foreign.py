"""Open a weight file of any known format by looking at its first bytes; nothing inside is run."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

from segkit.weights.reading import check_file, read_numpy_pickle, read_tfjs
from segkit.weights.restricted import NVIDIA_WAY_OUT, read_restricted

_LEGACY_TORCH = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
"""First bytes of what torch.save wrote before it wrote zip files."""


def read_foreign(path: str | Path, *, sha256: str | None = None) -> Any:
    """Read the plain data of a checkpoint.

    Args:
        path: ``.safetensors``, a file of ``torch.save`` of any age, a pickle of numpy arrays, or
            the ``*-weights_manifest.json`` of a TensorFlow.js model.
        sha256: expected digest, checked when given.

    Returns:
        What lies at the top: usually a dict of tensors, or of containers of them.

    Raises:
        FileNotFoundError: no such file.
        ValueError: wrong digest, damaged, another kind of file, or one that holds code.
    """
    path = check_file(path, sha256=sha256)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if path.suffix == ".json":
        return read_tfjs(path)
    with path.open("rb") as file:
        head = file.read(256)
    if zipfile.is_zipfile(path) or head.startswith(_LEGACY_TORCH):
        return read_restricted(path)
    if head.startswith(b"PK"):
        raise ValueError(f"{path}: a truncated torch file ({_size(path)}); fetch it again")
    if head.startswith(b"\x80"):
        return _read_pickle(path)
    if head.lstrip()[:1] == b"<":
        raise ValueError(
            f"{path}: a web page, not weights; the download gave a form or an error page, "
            "open the address in a browser"
        )
    if head.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path}: a git-lfs pointer, not weights; run `git lfs pull` there")
    raise ValueError(
        f"{path}: not a weight file ({_size(path)}, begins with {head[:8]!r}); expected "
        "safetensors, a torch file, a pickle of arrays, or a tfjs manifest (.json)"
    )


def read_safetensors(path: Path) -> dict[str, Any]:
    """Read the tensors of a safetensors file.

    Raises:
        ValueError: damaged, or of another kind.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path}: not a readable safetensors file ({error}); fetch or convert it again"
        ) from error


def _read_pickle(path: Path) -> Any:
    try:
        return read_numpy_pickle(path)
    except ValueError as error:
        if any(root in str(error) for root in ("torch_utils.", "dnnlib.")):
            raise ValueError(f"{path}: refused: {NVIDIA_WAY_OUT}") from error
        raise
    except (EOFError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: not a readable pickle of arrays, perhaps truncated ({error}); fetch it again"
        ) from error


def _size(path: Path) -> str:
    return f"{path.stat().st_size:,} bytes"
