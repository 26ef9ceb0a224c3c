"""Find and read a training config, complete it with defaults, and point it at the data."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

DATA_VARIABLE = "SEGKIT_DATA"
"""Environment variable that replaces the data root of every config."""


def find_config(name: str) -> Path:
    """Return the path of a config given as a path or as the base name of an installed one.

    Args:
        name: ``projects/segtalker/tsg.py``, ``tsg.py`` or ``tsg``.

    Raises:
        FileNotFoundError: no such file; the message lists the installed configs.
    """
    given = Path(name)
    if given.is_file():
        return given
    package = Path(__file__).parents[1]
    # A wheel carries the configs in .mim; in a source tree they lie beside the package.
    for root in (package / ".mim" / "projects", package.parent / "projects"):
        configs = [path for path in sorted(root.rglob("*.py")) if "__pycache__" not in path.parts]
        found = [path for path in configs if path.stem == given.stem]
        if found and given.suffix in ("", ".py"):
            return found[0]
        if configs:
            known = ", ".join(path.stem for path in configs)
            raise FileNotFoundError(
                f"config {name!r}: no such file and no installed config; known: {known}"
            )
    raise FileNotFoundError(
        f"config {name!r}: no such file, and no configs are installed beside segkit"
    )


def load_config(
    name: str, *, overrides: dict[str, Any] | None = None, data: str | None = None
) -> Any:
    """Read a config, apply the command line's changes, complete and check it.

    Args:
        name: path or base name.
        overrides: dotted key -> value, as ``--cfg-options`` gives them.
        data: root of the clip folder; before ``data_root`` of the overrides, the environment
            variable ``SEGKIT_DATA`` and the config's own ``data_root``.

    Returns:
        mmengine's Config, ready for its Runner but for ``work_dir``.

    Raises:
        FileNotFoundError: no such config.
        ValueError: names or arguments that do not exist, all of them in one message.
    """
    from mmengine.config import Config

    from segkit.engine.checks import check_config

    config = Config.fromfile(str(find_config(name)))
    overrides = copy.deepcopy(overrides or {})  # mmengine takes `_delete_` out of what it is given
    root = data or overrides.pop("data_root", None) or os.environ.get(DATA_VARIABLE)
    if root:
        set_data_root(config, str(root))
    if overrides:
        config.merge_from_dict(overrides)
    resolve_types(config._cfg_dict)
    complete(config)
    check_config(config)
    return config


def set_data_root(config: Any, root: str) -> None:
    """Point a config at another clip folder: every value equal to its ``data_root`` changes.

    Raises:
        ValueError: the config has no ``data_root``.
    """
    old = config.get("data_root")
    if old is None:
        raise ValueError(
            f"{config.filename}: a data folder was given, but there is no `data_root` to replace"
        )

    def replace(node: Any) -> None:
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            if value == old:
                node[key] = root
            elif isinstance(value, (dict, list)):
                replace(value)

    replace(config._cfg_dict)


def lazy(path: str) -> Any:
    """Return a class as a config holds it: imported when first used, dumped as its dotted name.

    Args:
        path: ``"package.module.Name"``.
    """
    from mmengine.config.lazy import LazyObject

    module, _, name = path.rpartition(".")
    return LazyObject(module, name)


def resolve_types(node: Any) -> None:
    """Turn dotted class names (as a dumped config has them) back into classes, in place."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if key in ("type", "constructor", "measure") and isinstance(value, str) and "." in value:
            node[key] = lazy(value)
        elif isinstance(value, (dict, list)):
            resolve_types(value)


def complete(config: Any) -> None:
    """Fill in what every training has in common; a config says otherwise by naming the key.

    Filled: the loop and its sampler, stacked batches, optimiser construction, hooks (checkpoint,
    log, stop), one log window, seed 0, no default scope.
    """

    def default(section: Any, **values: Any) -> None:
        for key, value in values.items():
            if section.get(key) is None:
                section[key] = value

    for key in ("train_dataloader", "train_cfg", "optim_wrapper", "model"):
        if not config.get(key):
            raise ValueError(f"{config.filename}: a training config needs {key!r}")
    workers = config.train_dataloader.get("num_workers", 0)
    default(
        config.train_dataloader,
        num_workers=0,
        sampler={"type": lazy("segkit.engine.sampling.SeekableSampler")},
        collate_fn={"type": lazy("torch.utils.data.default_collate")},
        persistent_workers=workers > 0,
        drop_last=True,
    )
    default(config.train_cfg, type=lazy("segkit.engine.loop.TrainLoop"))
    default(config.optim_wrapper, constructor=lazy("segkit.engine.optim.OptimisersOfModules"))
    default(config, default_hooks={}, custom_hooks=[], randomness={"seed": 0}, env_cfg={})
    default(
        config,
        log_processor={
            "type": lazy("mmengine.runner.LogProcessor"),
            "by_epoch": False,
            "window_size": 50,
        },
    )
    hooks = {
        "checkpoint": {"type": lazy("segkit.engine.checkpoints.SaveCheckpoint")},
        "logger": {
            "type": lazy("mmengine.hooks.LoggerHook"),
            "interval": 50,
            "log_metric_by_epoch": False,
        },
        "stop": {"type": lazy("segkit.engine.stopping.StopAfter")},
        "announce": {"type": lazy("segkit.engine.logs.Announce")},
    }
    for name, hook in hooks.items():
        default(config.default_hooks, **{name: {}})
        default(config.default_hooks[name], **hook)
    for scheduler in _schedulers(config.get("param_scheduler")):
        default(scheduler, by_epoch=False)
    if isinstance(config.get("param_scheduler"), list):
        # One that begins after the end of a shortened training would never act; mmengine refuses
        # it.
        end = config.train_cfg.get("max_iters", float("inf"))
        config.param_scheduler = [
            item for item in config.param_scheduler if item.get("begin", 0) < end
        ]
    config.default_scope = None


def _schedulers(node: Any) -> list[Any]:
    """Return the scheduler dicts of a list, or of lists per optimiser."""
    if isinstance(node, dict) and "type" in node:
        return [node]
    items = node.values() if isinstance(node, dict) else node or []
    return [scheduler for item in items for scheduler in _schedulers(item)]
