"""The shell completes commands and options, through our own way of starting the command line."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("segkit ver", ["verify"]), ("segkit talk --no-c", ["--no-credentials"])],
)
def test_bash_completes(line, wanted):
    words = line.split()
    environment = os.environ | {
        "_SEGKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-c", "from segkit.cli import main; main()"]
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert answer.stdout.split() == wanted
