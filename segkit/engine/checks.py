"""Check every name and argument of a config before anything slow is built."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from segkit.registry import FAMILIES

SECTIONS = {
    "train_dataloader.dataset": ("DATASETS", ()),
    "train_dataloader.sampler": ("DATA_SAMPLERS", ("dataset", "seed")),
    "train_cfg": ("LOOPS", ("runner", "dataloader")),
    "log_processor": ("LOG_PROCESSORS", ()),
    "visualizer": ("VISUALIZERS", ()),
}
"""Section of a config -> mmengine's registry for it, and the arguments that mmengine passes."""

SCHEDULER_ARGUMENTS = ("optimizer", "param_name", "epoch_length", "convert_to_iter_based")


def check_config(config: Any) -> None:
    """Look up every name in a completed config and compare the arguments with the constructors.

    Raises:
        ValueError: everything that is wrong, one line each, with close matches.
    """
    problems = [problem for section in _sections(config) for problem in section]
    if problems:
        raise ValueError(f"{config.filename}:\n  " + "\n  ".join(problems))


def _sections(config: Any) -> Iterator[list[str]]:
    from mmengine import registry

    for path, (name, given) in SECTIONS.items():
        node = _at(config, path)
        if isinstance(node, dict):
            yield _check(node, path, registry=getattr(registry, name), given=given)
    yield _check_parts(config.model, "model")
    yield from _optimisers(config.optim_wrapper, "optim_wrapper")
    yield from _schedulers(config.get("param_scheduler"), "param_scheduler")
    hooks = {f"default_hooks.{key}": hook for key, hook in config.default_hooks.items()}
    hooks |= {f"custom_hooks[{index}]": hook for index, hook in enumerate(config.custom_hooks)}
    for path, hook in hooks.items():
        if isinstance(hook, dict):
            yield _check(hook, path, registry=registry.HOOKS, given=("priority",))
            if isinstance(hook.get("dataset"), dict):
                yield _check(
                    hook["dataset"], f"{path}.dataset", registry=registry.DATASETS, given=()
                )


def _optimisers(node: dict[str, Any], path: str) -> Iterator[list[str]]:
    from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS

    if "optimizer" in node:
        yield _check(node["optimizer"], f"{path}.optimizer", registry=OPTIMIZERS, given=("params",))
        if "type" in node:
            own = ("optimizer", "constructor", "modules", "paramwise_cfg")
            yield _check(node, path, registry=OPTIM_WRAPPERS, given=own)
        return
    for name, group in node.items():
        if isinstance(group, dict) and name != "paramwise_cfg":
            if "optimizer" in group:
                yield from _optimisers(group, f"{path}.{name}")
            else:
                wanted = "expected dict(optimizer=dict(type=...))"
                yield [f"{path}.{name}: {wanted}, got keys {sorted(group)}"]


def _schedulers(node: Any, path: str) -> Iterator[list[str]]:
    from mmengine.registry import PARAM_SCHEDULERS

    if isinstance(node, (list, tuple)):
        for index, item in enumerate(node):
            yield from _schedulers(item, f"{path}[{index}]")
    elif isinstance(node, dict) and "type" in node:
        yield _check(node, path, registry=PARAM_SCHEDULERS, given=SCHEDULER_ARGUMENTS)
    elif isinstance(node, dict):
        for name, item in node.items():
            yield from _schedulers(item, f"{path}.{name}")


def _check_parts(node: dict[str, Any], path: str) -> list[str]:
    """Check a model and, below it, every part that is given as a dict with a type."""
    problems = _check(node, path, registry=None, given=())
    for key, value in node.items():
        if isinstance(value, dict) and "type" in value:
            problems += _check_parts(value, f"{path}.{key}")
    return problems


def _check(node: dict[str, Any], path: str, *, registry: Any, given: tuple[str, ...]) -> list[str]:
    kind = node.get("type")
    if kind is None:
        return [f"{path}: expected dict(type=...), got keys {sorted(node)}"]
    if not isinstance(kind, str):
        return _check_arguments(kind, node, path, given=given)
    known = _known_names(registry, path)
    if kind in known:
        return _check_arguments(known[kind], node, path, given=given)
    close = difflib.get_close_matches(kind, known, n=3, cutoff=0.5)
    hint = (
        f" Did you mean {' or '.join(map(repr, close))}?"
        if close
        else f" Known: {', '.join(sorted(known)) or 'none'}."
    )
    return [f"{path}.type: there is no {kind!r}.{hint}"]


def _known_names(registry: Any, path: str) -> dict[str, Callable[..., Any]]:
    if registry is not None:
        registry.import_from_location()
        return dict(registry.module_dict)
    slot = path.rpartition(".")[2]
    families = [FAMILIES[f"{slot}s"]] if f"{slot}s" in FAMILIES else list(FAMILIES.values())
    return {name: family.get(name) for family in families for name in family.names()}


def _check_arguments(
    target: Any, node: dict[str, Any], path: str, *, given: tuple[str, ...]
) -> list[str]:
    """Compare the keys of a config dict with what a constructor takes."""
    accepted, required = _arguments_of(target)
    if accepted is None:
        return []
    names = [key for key in node if key not in ("type", "_scope_", *given)]
    problems = []
    for name in names:
        if name not in accepted:
            close = difflib.get_close_matches(name, accepted, n=3, cutoff=0.5)
            hint = (
                f" Did you mean {' or '.join(map(repr, close))}?"
                if close
                else f" It takes: {', '.join(accepted)}."
            )
            problems.append(f"{path}: {_name(target)} has no argument {name!r}.{hint}")
    missing = [name for name in required if name not in (*names, *given)]
    if missing:
        problems.append(f"{path}: {_name(target)} needs {', '.join(map(repr, missing))}.")
    return problems


def _arguments_of(target: Any) -> tuple[list[str] | None, list[str]]:
    """Return the accepted argument names (None: anything) and those without a default."""
    if not inspect.isclass(target):
        return _of_signatures([target])
    initialisers = [
        cls.__dict__["__init__"] for cls in target.__mro__[:-1] if "__init__" in cls.__dict__
    ]
    return _of_signatures(initialisers)


def _of_signatures(functions: list[Callable[..., Any]]) -> tuple[list[str] | None, list[str]]:
    accepted: list[str] = []
    required: list[str] = []
    for function in functions:
        parameters = [
            p for p in inspect.signature(function).parameters.values() if p.name != "self"
        ]
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        accepted += [p.name for p in named]
        required += [p.name for p in named if p.default is p.empty]
        # **kwargs hands the rest to the next class; without it the list is complete.
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return list(dict.fromkeys(accepted)), list(dict.fromkeys(required))
    return None, []


def _at(config: Any, path: str) -> Any:
    node = config
    for key in path.split("."):
        node = node.get(key) if hasattr(node, "get") else None
    return node


def _name(target: Any) -> str:
    return getattr(target, "__name__", str(target))
