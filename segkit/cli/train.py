"""``segkit train CONFIG``: the command line of the training engine."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from segkit.waiting import wait_briefly

EPILOG = """\
examples:
  segkit train tsg_tiny --data data/synthetic
  segkit train projects/segtalker/tsg.py --data data/hdtf --minutes 600
  segkit train tsg_tiny --resume
  torchrun --nproc_per_node 2 tools/train.py tsg_tiny --launcher pytorch
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; it needs the standard library only, so that ``-h`` answers at once."""
    parser = argparse.ArgumentParser(
        prog="segkit train",
        description="Train what a config describes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config", help="path of a config, or the name of an installed one such as tsg_tiny"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="clip folder of every dataset (otherwise: $SEGKIT_DATA, the config)",
    )
    parser.add_argument(
        "--work-dir",
        metavar="DIR",
        help="checkpoints and logs go here (default: work_dirs/<config>)",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="continue from the newest checkpoint of the work directory, or from the one given",
    )
    parser.add_argument(
        "--amp", action="store_true", help="bfloat16 autocast, whatever the config says"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="stop after M minutes, with a checkpoint"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="build everything, train one iteration, leave no files",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change single values of the config, such as train_cfg.max_iters=1000",
    )
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch"),
        default="none",
        help="pytorch: started by torchrun or mim",
    )
    parser.add_argument("--local-rank", "--local_rank", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; errors of the user end it with one clear line.

    Args:
        arguments: command line without the program's name; None takes ``sys.argv``.
    """
    parsed = build_parser().parse_args(arguments)
    if parsed.launcher == "pytorch":
        os.environ.setdefault("LOCAL_RANK", str(parsed.local_rank))
    elif int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _fail("several processes were started (WORLD_SIZE > 1); add --launcher pytorch")
    wait_briefly()
    # A config may import a class of the user's own from the current directory.
    sys.path.append(os.getcwd())
    # Only now the slow imports: a typing error above costs nothing.
    from segkit.cli.errors import EXIT_INTERRUPTED
    from segkit.engine.checkpoints import CheckpointMismatchError
    from segkit.engine.launch import TrainOptions, prepare, train

    options = TrainOptions(
        config=parsed.config,
        work_dir=parsed.work_dir,
        data=parsed.data,
        resume=parsed.resume,
        precision="bfloat16" if parsed.amp else None,
        overrides=_overrides(parsed.cfg_options),
        launcher=parsed.launcher,
        minutes=parsed.minutes,
        dry_run=parsed.dry_run,
    )
    try:
        config = prepare(options)
    except (OSError, ImportError, ValueError, KeyError, TypeError) as error:
        _fail(error)
    try:
        runner = train(config, dry_run=options.dry_run)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except (FileNotFoundError, CheckpointMismatchError) as error:
        _fail(error)
    if any(getattr(hook, "interrupted", False) for hook in runner.hooks):
        sys.exit(EXIT_INTERRUPTED)


def _fail(error: Exception | str) -> NoReturn:
    """End with the error's own sentence; ``SEGKIT_DEBUG=1`` shows where it came from."""
    from segkit.cli.errors import EXIT_USER_ERROR, sentence

    if isinstance(error, Exception) and os.environ.get("SEGKIT_DEBUG"):
        raise error
    text = sentence(error) if isinstance(error, Exception) else error
    print(f"error: {text}", file=sys.stderr)
    sys.exit(EXIT_USER_ERROR)


def _overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` pairs as mmengine's ``--cfg-options`` does."""
    if not pairs:
        return {}
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", nargs="+", action=DictAction)
    try:
        return dict(parser.parse_args(["--pairs", *pairs]).pairs)
    except ValueError as error:
        _fail(f"--cfg-options: expected KEY=VALUE, got {' '.join(pairs)} ({error})")


if __name__ == "__main__":
    main()
