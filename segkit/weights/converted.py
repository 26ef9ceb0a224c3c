"""Our own weight files: written whole or not at all, and loaded into components strictly."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from segkit.weights.conversion import Conversion, convert_state_dict
from segkit.weights.fitting import misfits
from segkit.weights.foreign import read_foreign
from segkit.weights.reading import check_file, sha256_of

FORMAT = 1
"""Version of the file's layout; a newer one is refused."""

_EXTRAS = "extras"
_PACKAGES = ("segkit_models.", "segkit_metrics.")
"""Where the classes of a file's components may come from."""


def convert_file(
    kind: str, source: str | Path, out: str | Path | None, *, force: bool = False
) -> Conversion:
    """Convert a published weight file to one of ours.

    Args:
        kind: one of `segkit.weights.kinds`.
        source: the file as published.
        out: the ``.safetensors`` to write, all parts together; None only checks.
        force: replace an existing file.

    Returns:
        What was made.

    Raises:
        FileNotFoundError: no source, or no folder for the result.
        FileExistsError: the result exists and ``force`` is not set.
        KeyError: unknown kind.
        ValueError: the source is not such a checkpoint; nothing is written.
    """
    source = check_file(source)
    if out is not None:
        out = _checked_target(Path(out), source, force=force)
    if head_of(source) is not None:
        raise ValueError(f"{source}: already converted; give this file to the component as it is")
    content = read_foreign(source)
    conversion = convert_state_dict(kind, content)
    if out is not None:
        _write(out, conversion, source)
    return conversion


def head_of(path: str | Path) -> dict[str, Any] | None:
    """Return what a file of ours says of itself (``kind``, ``parts``, ``source``); None for others.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or written by a newer version.
    """
    from safetensors import SafetensorError, safe_open

    path = check_file(path)
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("segkit_weights")
    except SafetensorError as error:
        raise ValueError(
            f"{path}: not a readable safetensors file ({error}); convert it again"
        ) from error
    if text is None:
        return None
    head = json.loads(text)
    if head.get("format") != FORMAT:
        raise ValueError(
            f"{path}: weight file format {head.get('format')}, this version reads {FORMAT}; "
            "update segkit or convert again"
        )
    return head


def load_component(path: str | Path, part: str | None = None) -> nn.Module:
    """Build a component of a converted file, with its weights, in evaluation mode.

    Args:
        path: made by `segkit convert`.
        part: which, where there are several.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no such part, or the file names a class that is not ours.
    """
    head = _required_head(path)
    name = _part_name(head, part, path)
    arguments = with_classes(head["parts"][name])
    module = arguments.pop("type")(**arguments)
    module.load_state_dict(_tensors(path, f"{name}."))
    return module.eval()


def load_weights(module: nn.Module, path: str | Path, *, part: str | None = None) -> None:
    """Load a converted file's weights into a component; every tensor must fit.

    Args:
        module: the component.
        path: made by `segkit convert`.
        part: which; by default the only one, or the only one of the module's class.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, no such part, or weights of other shapes.
    """
    head = _required_head(path)
    if part is None:
        own = f"{type(module).__module__}.{type(module).__qualname__}"
        same = [name for name, config in head["parts"].items() if config["type"] == own]
        part = same[0] if len(same) == 1 else None
    name = _part_name(head, part, path)
    config = {key: value for key, value in head["parts"][name].items() if key != "type"}
    said = ", ".join(f"{key}={value!r}" for key, value in config.items())
    made_for = f"{head['parts'][name]['type'].rpartition('.')[2]}({said})"
    _load_exactly(module, _tensors(path, f"{name}."), path, f"{head['kind']!r} made for {made_for}")


def load_extras(module: nn.Module, path: str | Path, name: str) -> None:
    """Load tensors of a converted file that belong to no part, such as a mapping network's.

    Args:
        module: the component.
        path: made by `segkit convert`.
        name: what the tensors' names begin with.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or it holds no such tensors, or of other shapes.
    """
    head = _required_head(path)
    state = _tensors(path, f"{_EXTRAS}.{name}.")
    _load_exactly(module, state, path, f"{head['kind']!r}")


def _load_exactly(module: nn.Module, state: dict[str, Tensor], path: str | Path, what: str) -> None:
    problems = misfits(module.state_dict(), state)
    if problems:
        raise ValueError(
            f"{path}: {len(problems)} weights do not fit this {type(module).__name__}; the file "
            f"is a {what}\n  " + "\n  ".join(problems[:5])
        )
    module.load_state_dict(state)


def load_extra(path: str | Path, name: str) -> Tensor:
    """Return a tensor of a converted file that belongs to no part.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or no such tensor.
    """
    _required_head(path)
    found = _tensors(path, f"{_EXTRAS}.")
    if name not in found:
        raise ValueError(f"{path}: holds no {name!r}; there is {', '.join(found) or 'nothing'}")
    return found[name]


def with_names(config: Any) -> Any:
    """Replace classes by their dotted names, inside containers too."""
    if isinstance(config, Mapping):
        return {key: with_names(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [with_names(item) for item in config]
    if isinstance(config, type):
        return f"{config.__module__}.{config.__qualname__}"
    return config


def with_classes(config: Any) -> Any:
    """Undo `with_names`: replace each ``type`` by the class of ours that it names.

    Raises:
        ValueError: a name that is no module class of the toolkit.
    """
    if isinstance(config, list):
        return [with_classes(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: _our_class(value) if key == "type" else with_classes(value)
        for key, value in config.items()
    }


def _our_class(name: str) -> type[nn.Module]:
    module, _, attribute = name.rpartition(".")
    # A file decides which class is made: only networks of ours, found without running anything.
    found = None
    if name.startswith(_PACKAGES):
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except ModuleNotFoundError:
            found = None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"the weight file names {name!r}, which is no component of this segkit")
    return found


def _required_head(path: str | Path) -> dict[str, Any]:
    head = head_of(path)
    if head is None:
        raise ValueError(
            f"{path}: not a file made by `segkit convert`; run "
            f"`segkit convert KIND {path} OUT.safetensors` and give OUT.safetensors "
            "(`segkit weights` tells the kind)"
        )
    return head


def _part_name(head: dict[str, Any], part: str | None, path: str | Path) -> str:
    names = list(head["parts"])
    if part is None and len(names) == 1:
        return names[0]
    if part is None or part not in names:
        wanted = "one of its parts" if part is None else f"part {part!r}"
        raise ValueError(f"{path}: expected {wanted}, got parts {', '.join(names)}")
    return part


def _tensors(path: str | Path, prefix: str) -> dict[str, Tensor]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        return {
            key.removeprefix(prefix): file.get_tensor(key)
            for key in file.keys()  # noqa: SIM118 - the handle is no mapping
            if key.startswith(prefix)
        }


def _checked_target(out: Path, source: Path, *, force: bool) -> Path:
    if out.suffix != ".safetensors":
        raise ValueError(f"{out}: expected a name that ends in .safetensors")
    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder; give the path of the file to write")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"the folder {out.parent} does not exist; make it first")
    if out.exists() and (not force or out.samefile(source)):
        raise FileExistsError(f"{out} exists already; give another path, or --force to replace it")
    return out


def _write(out: Path, conversion: Conversion, source: Path) -> None:
    from safetensors.torch import save_file

    tensors = {
        f"{name}.{key}": tensor
        for name, (_, state) in conversion.items()
        for key, tensor in state.items()
    } | {f"{_EXTRAS}.{key}": tensor for key, tensor in conversion.extras.items()}
    head = {
        "format": FORMAT,
        "kind": conversion.kind,
        "parts": {name: with_names(config) for name, (config, _) in conversion.items()},
        "source": {"name": source.name, "sha256": sha256_of(source)},
        "notes": conversion.notes,
    }
    partial = out.with_name(f".{out.name}.part")
    try:
        # safetensors keeps its files private; this one is as readable as any file made here.
        partial.touch()
        mode = partial.stat().st_mode
        contiguous = {key: tensor.clone().contiguous() for key, tensor in tensors.items()}
        save_file(contiguous, str(partial), metadata={"segkit_weights": json.dumps(head)})
        partial.chmod(mode)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
