"""``mim``, where ``mim train CONFIG.py`` means ``mim train segkit CONFIG.py``.

openmim's own parser decides which word is PACKAGE. Only when that is a ``.py`` file, which no
package is called and openmim refuses, is ``segkit`` put before it; every other line reaches openmim
as typed. Without openmim, ``mim train [segkit] CONFIG.py`` starts our launcher itself. ``mim
download segkit --config NAME`` is answered here too, with or without openmim.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from segkit.mim_download import download, wants_config

COMMANDS_WITH_PACKAGE = ("train", "test", "gridsearch")


def main() -> int:
    """Run ``mim`` on the command line's arguments and return its exit code."""
    arguments = sys.argv[1:]
    if wants_config(arguments):
        return download(arguments[2:])
    try:
        from mim.cli import cli
    except ImportError:
        return train_without_openmim(arguments)
    complete = with_package(arguments, cli)
    if complete != arguments:
        print("mim " + " ".join(complete), file=sys.stderr)
    if complete[:1] == ["train"] and "segkit" in complete:
        _leave_interrupts_to_the_training()
    try:
        return cli(args=complete, prog_name="mim") or 0
    except subprocess.CalledProcessError as error:
        # The script has said what went wrong; openmim would print its own traceback below it.
        return error.returncode


def with_package(arguments: Sequence[str], group: Any, *, package: str = "segkit") -> list[str]:
    """Put ``package`` before a config that stands where openmim wants a package.

    Args:
        arguments: what follows ``mim``.
        group: openmim's click group.
        package: the package to put in.

    Returns:
        The arguments, changed only where openmim would refuse them.
    """
    import click

    arguments = list(arguments)
    if len(arguments) < 2 or arguments[0] not in COMMANDS_WITH_PACKAGE:
        return arguments
    command = group.get_command(click.Context(group), arguments[0])
    context = click.Context(
        command,
        ignore_unknown_options=True,
        allow_interspersed_args=command.allow_interspersed_args,
        resilient_parsing=True,
    )
    try:
        options, _, _ = command.make_parser(context).parse_args(arguments[1:])
    except click.ClickException:
        return arguments
    first = options.get("package")
    if not isinstance(first, str) or not first.endswith(".py"):
        return arguments
    position = arguments.index(first, 1)
    return [*arguments[:position], package, *arguments[position:]]


def train_without_openmim(arguments: Sequence[str]) -> int:
    """Start our launcher for ``mim train [segkit] CONFIG ...``; other commands need openmim.

    Returns:
        The exit code.
    """
    if not arguments or arguments[0] != "train":
        print("openmim is not installed: pip install 'segkit[mim]'", file=sys.stderr)
        return 2
    _leave_interrupts_to_the_training()
    return subprocess.call(launch_command(arguments[1:]))


def _leave_interrupts_to_the_training() -> None:
    """Let Ctrl-C reach the training alone, which saves a checkpoint.

    Python would wait a quarter of a second and then kill the child. A handler that does nothing is
    not inherited by the child, as an ignored signal would be.
    """
    signal.signal(signal.SIGINT, lambda number, frame: None)


def launch_command(arguments: Sequence[str]) -> list[str]:
    """Translate the options of ``mim train`` into the command that openmim would start.

    Args:
        arguments: what follows ``mim train``: its own ``-G/--gpus``, ``-g/--gpus-per-node``,
            ``-l/--launcher``, ``--port``, ``-y/--yes``, then ``[segkit] CONFIG`` and the launcher's
            options.
    """
    parser = argparse.ArgumentParser(prog="mim train", add_help=False, allow_abbrev=False)
    parser.add_argument("-G", "--gpus", type=int, default=1)
    parser.add_argument("-g", "--gpus-per-node", type=int)
    parser.add_argument("-l", "--launcher", choices=("none", "pytorch"), default="none")
    parser.add_argument("--port", type=int)
    parser.add_argument("-y", "--yes", action="store_true")
    own, rest = parser.parse_known_args(list(arguments))
    if rest and rest[0].lower() == "segkit":
        rest = rest[1:]
    train = ["-m", "segkit.cli.train", *rest, "--launcher", own.launcher]
    if own.launcher == "none":
        return [sys.executable, *train]
    processes = max(1, own.gpus_per_node or own.gpus)
    port = own.port or random.randint(20000, 30000)
    torchrun = [
        "-m",
        "torch.distributed.run",
        f"--nproc_per_node={processes}",
        f"--master_port={port}",
    ]
    return [sys.executable, *torchrun, *train]


if __name__ == "__main__":
    sys.exit(main())
