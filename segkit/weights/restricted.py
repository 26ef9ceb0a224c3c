"""Unpickle checkpoints of other people's training code without importing or running any of it."""

from __future__ import annotations

import pickle
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from segkit.weights.reading import NUMPY_NAMES, check_file

_INERT_ROOTS = (
    "argparse", "omegaconf", "hydra", "fairseq", "typing", "pathlib",
    "avhubert", "hubert", "hubert_asr", "hubert_dataset", "hubert_pretraining",
)  # fmt: skip
"""Packages whose settings lie beside the tensors; their objects become empty shells."""

_NVIDIA_ROOTS = ("torch_utils", "dnnlib", "training", "legacy")
NVIDIA_WAY_OUT = (
    "NVIDIA's pickles carry Python source that loading executes, so segkit never opens them; with "
    "NVIDIA's own code, in an environment made for it, run "
    "`torch.save({'G_ema': G_ema.state_dict(), 'D': D.state_dict()}, 'plain.pt')` "
    "and convert plain.pt"
)


class Inert:
    """Shell of an object that was not loaded: it takes what a pickle gives and keeps nothing."""

    def __new__(cls, *arguments: Any) -> Inert:
        """Make a shell; the arguments are dropped."""
        return object.__new__(cls)

    def __init__(self, *arguments: Any) -> None:
        del arguments

    def __setstate__(self, state: Any) -> None:
        """Drop the state."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Drop an entry."""

    def append(self, item: Any) -> None:
        """Drop an item."""

    def extend(self, items: Any) -> None:
        """Drop items."""


def _inert_object(cls: Any, base: Any, state: Any) -> Inert:
    if cls is not Inert:
        raise pickle.UnpicklingError(f"an object of {cls!r} is not plain data")
    return Inert()


def _numpy_scalar(dtype: np.dtype, data: bytes = b"") -> Any:
    if dtype.hasobject:
        raise pickle.UnpicklingError("a numpy object is not plain data")
    return np.frombuffer(data, dtype)[0]


_SAFE_NAMES: dict[tuple[str, str], Any] = {
    **NUMPY_NAMES,
    ("numpy.core.multiarray", "scalar"): _numpy_scalar,
    ("numpy._core.multiarray", "scalar"): _numpy_scalar,
    ("collections", "OrderedDict"): OrderedDict,
    # A plain dict: the factory of a defaultdict could be anything.
    ("collections", "defaultdict"): lambda *arguments: {},
    ("copyreg", "_reconstructor"): _inert_object,
    ("builtins", "object"): Inert,
    ("builtins", "dict"): dict,
    ("builtins", "list"): list,
    ("builtins", "int"): int,
    ("builtins", "float"): float,
    ("builtins", "str"): str,
    ("builtins", "bool"): bool,
    ("builtins", "set"): set,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch.nn.parameter", "Parameter"): torch.nn.Parameter,
    **{
        ("torch", f"{name}Storage"): getattr(torch, f"{name}Storage")
        for name in (
            "Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool",
        )
    },
}  # fmt: skip


_PYTHON2_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""torch.save writes protocol 2, which calls these modules by their old names."""


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that makes tensors, arrays and containers, and shells of known settings."""

    def find_class(self, module: str, name: str) -> Any:
        """Return our harmless object for a name, or refuse.

        Raises:
            pickle.UnpicklingError: the name stands for code.
        """
        module = _PYTHON2_NAMES.get(module, module)
        if (module, name) in _SAFE_NAMES:
            return _SAFE_NAMES[module, name]
        root = module.partition(".")[0]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if root in _INERT_ROOTS:
            return Inert
        if root in _NVIDIA_ROOTS:
            raise pickle.UnpicklingError(NVIDIA_WAY_OUT)
        raise pickle.UnpicklingError(
            f"it wants to call {module}.{name}, which is code, not weights; get the file from its "
            "authors, or save a plain state dict with the code that made it"
        )


def _load(file: Any, **named: Any) -> Any:
    return RestrictedUnpickler(file, **named).load()


def _loads(data: bytes, **named: Any) -> NoReturn:
    raise pickle.UnpicklingError("a pickle inside a pickle is not plain data")


# What torch.load wants of a pickle module.
_PICKLE_MODULE = types.ModuleType("restricted_pickle")
vars(_PICKLE_MODULE).update(
    Unpickler=RestrictedUnpickler,
    load=_load,
    loads=_loads,
    UnpicklingError=pickle.UnpicklingError,
)


def read_restricted(path: str | Path, *, sha256: str | None = None) -> Any:
    """Read a torch file whose tensors lie beside settings of the code that trained it.

    Args:
        path: a file of ``torch.save``, of any age.
        sha256: expected digest, checked when given.

    Returns:
        Dicts, lists, numbers, text and tensors; everything else has become None.

    Raises:
        FileNotFoundError: no such file.
        ValueError: wrong digest, damaged, or holding code.
    """
    path = check_file(path, sha256=sha256)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise ValueError(
                    f"{path}: refused: a TorchScript file is a program; "
                    "save its `state_dict()` with torch.save instead"
                )
    try:
        content = torch.load(
            path, map_location="cpu", weights_only=False, pickle_module=_PICKLE_MODULE
        )
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: refused: {error}") from error
    except (RuntimeError, EOFError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise ValueError(
            f"{path}: not a readable torch file, perhaps truncated; fetch it again ({error})"
        ) from error
    return plain(content)


def plain(value: Any, above: frozenset[int] = frozenset()) -> Any:
    """Return a copy of plain containers and tensors; anything else, cycles included, is None."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray):
        return None if value.dtype.hasobject else torch.from_numpy(np.array(value))
    if id(value) in above or not isinstance(value, (dict, list, tuple)):
        return None
    inside = above | {id(value)}
    if isinstance(value, dict):
        return {
            key: plain(item, inside)
            for key, item in value.items()
            if isinstance(key, (str, int, float, bool))
        }
    return [plain(item, inside) for item in value]
