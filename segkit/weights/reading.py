"""Read weight files of every format the toolkit meets, without running any code inside them."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


def _array_of_buffer(
    buffer: Any, dtype: np.dtype, shape: tuple[int, ...], order: str
) -> np.ndarray:
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)  # type: ignore[call-overload]


def _bytes_of_text(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


# What a pickle of plain numpy arrays calls, under the names of numpy 1 and 2, and our own harmless
# function for it.
NUMPY_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # The public way to numpy's private `_reconstruct`.
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy.core.numeric", "_frombuffer"): _array_of_buffer,
    ("numpy._core.numeric", "_frombuffer"): _array_of_buffer,
    ("_codecs", "encode"): _bytes_of_text,
}


def check_file(path: str | Path, *, sha256: str | None = None) -> Path:
    """Return the path of a weight file after checking that it is the wanted one.

    Args:
        path: the file.
        sha256: expected digest in hex; not checked when not given.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the digest differs.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found; run `segkit weights` to see where it belongs")
    if sha256 is not None:
        found = sha256_of(path)
        if found != sha256.lower():
            raise ValueError(
                f"{path}: expected sha256 {sha256}, got {found}; "
                "the file is damaged or another version, fetch it again"
            )
    return path


def sha256_of(path: Path) -> str:
    """Return the digest of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_tensors(path: str | Path, *, sha256: str | None = None) -> Any:
    """Read a ``.safetensors`` file, or a torch file of plain tensors and containers.

    Args:
        path: the file; anything but ``.safetensors`` is taken for a torch file.
        sha256: expected digest, checked when given.

    Returns:
        Name -> tensor; or, for a torch file, whatever plain data it holds.

    Raises:
        FileNotFoundError: no such file.
        ValueError: wrong digest, or the file holds objects whose loading would run code.
    """
    path = check_file(path, sha256=sha256)
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: not a plain torch file, refused to run what is inside: {error}"
        ) from error


class _NumpyUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NUMPY_NAMES:
            raise pickle.UnpicklingError(f"{module}.{name} is not a plain numpy array")
        return NUMPY_NAMES[module, name]


def read_numpy_pickle(path: str | Path, *, sha256: str | None = None) -> Any:
    """Read a pickle that holds nothing but containers of numpy arrays.

    Args:
        path: the file.
        sha256: expected digest, checked when given.

    Raises:
        FileNotFoundError: no such file.
        ValueError: wrong digest, or the pickle holds anything else.
    """
    path = check_file(path, sha256=sha256)
    with path.open("rb") as file:
        try:
            return _NumpyUnpickler(file).load()
        except pickle.UnpicklingError as error:
            raise ValueError(f"{path}: refused: {error}") from error


def read_tfjs(
    manifest: str | Path, *, sha256: str | None = None, binary_sha256: str | None = None
) -> dict[str, Tensor]:
    """Read the weights of a TensorFlow.js model, undoing its quantisation.

    Args:
        manifest: the ``*-weights_manifest.json``; the binary files it names lie beside it, under
            the name given there or with the manifest's own stem and ``.bin``.
        sha256: expected digest of the manifest, checked when given.
        binary_sha256: expected digest of the binary file, checked when given.

    Returns:
        Name -> float32 tensor.

    Raises:
        FileNotFoundError: manifest or binary missing.
        ValueError: wrong digest, or the binary does not hold exactly the listed weights.
    """
    manifest = check_file(manifest, sha256=sha256)
    groups = json.loads(manifest.read_text())
    weights: dict[str, Tensor] = {}
    for group in groups:
        binary = manifest.parent / group["paths"][0]
        if not binary.is_file():
            binary = manifest.with_name(manifest.name.split("-weights_manifest")[0] + ".bin")
        data = check_file(binary, sha256=binary_sha256).read_bytes()
        offset = 0
        for entry in group["weights"]:
            values, offset = _tfjs_values(entry, data, offset, binary)
            weights[entry["name"]] = values
        if offset != len(data):
            raise ValueError(f"{binary}: expected {offset} bytes, got {len(data)}; fetch it again")
    return weights


def _tfjs_values(
    entry: dict[str, Any], data: bytes, offset: int, binary: Path
) -> tuple[Tensor, int]:
    quantisation = entry.get("quantization")
    kind = np.dtype(quantisation["dtype"] if quantisation else entry["dtype"])
    count = int(np.prod(entry["shape"], dtype=np.int64))
    end = offset + count * kind.itemsize
    if end > len(data):
        raise ValueError(f"{binary}: ends inside {entry['name']}; fetch it again")
    values = np.frombuffer(data, kind, count, offset).astype(np.float32)
    if quantisation:
        values = values * np.float32(quantisation["scale"]) + np.float32(quantisation["min"])
    return torch.from_numpy(values.reshape(entry["shape"])), end
