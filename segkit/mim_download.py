"""``mim download segkit --config NAME``: the complete config, since no weights are published.

openmim downloads the weights first and has no word for a config without any.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def wants_config(arguments: Sequence[str]) -> bool:
    """Tell whether a line of ``mim`` asks for configs of segkit."""
    words = [word.lower() for word in arguments]
    return words[:2] == ["download", "segkit"] and "--config" in words and "--help" not in words


def download(arguments: Sequence[str]) -> int:
    """Write each config as one complete file, and say where weights would come from.

    Args:
        arguments: what follows ``mim download segkit``, with openmim's own options.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="mim download segkit", allow_abbrev=False)
    parser.add_argument("--config", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--dest", type=Path, default=Path.home() / ".cache" / "mim")
    parser.add_argument("--ignore-ssl", action="store_true", help="as openmim; nothing is fetched")
    options = parser.parse_args(list(arguments))
    try:
        for name in [part for word in options.config for part in word.split(",")]:
            print(f"wrote {write_config(name, options.dest)}")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        "no weights are published for segkit's configs: train them with `segkit train FILE`. "
        "A trained model comes with the package; `segkit talk` uses it."
    )
    return 0


def write_config(name: str, folder: Path) -> Path:
    """Write a shipped config, with all that it takes from others, as one file.

    Args:
        name: such as ``"tsg_tiny"``.
        folder: made if it is not there.

    Returns:
        The file; one of the same content stays.

    Raises:
        FileNotFoundError: no such config.
        FileExistsError: another file of that name is there.
    """
    from mmengine import Config

    from segkit.engine.config import find_config

    source = find_config(name)
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / f"{source.stem}.py", folder / f".{source.stem}.py.part"
    try:
        # mmengine writes by the ending of the name, and a lazy config only in Python.
        part.write_text(Config.fromfile(str(source)).pretty_text)
        if path.exists() and path.read_text() != part.read_text():
            raise FileExistsError(f"{path} exists with other content; remove it or give --dest")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
