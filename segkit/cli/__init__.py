"""The `segkit` command: one file per sub-command; torch is loaded only by the one that runs."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from segkit.cli.app import run
    from segkit.waiting import wait_briefly

    wait_briefly()
    run()
