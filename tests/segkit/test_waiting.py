"""What torch's threads are told, by the report of the library that they belong to."""

import os
import re
import subprocess
import sys

import pytest

from segkit.waiting import wait_briefly


def reported(code, **variables):
    """Run code in a fresh process; return what OpenMP says that it was told, None without GNU's."""
    kept = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "OMP_DISPLAY_ENV": "VERBOSE", **variables},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"GOMP_SPINCOUNT = '(\w+)'", done.stderr)
    return found and found[1]


@pytest.fixture(scope="module")
def gnu():
    if reported("import torch") is None:
        pytest.skip("torch of this machine has another OpenMP than GNU's")


COMMAND = """
import contextlib, sys
from segkit.cli import main
sys.argv = ["segkit", "--version"]
with contextlib.suppress(SystemExit):
    main()
import torch
"""
LAUNCHER = """
import contextlib
from segkit.cli.train import main
with contextlib.suppress(SystemExit):
    main(["none.py"])
"""


@pytest.mark.usefixtures("gnu")
@pytest.mark.parametrize("code", [COMMAND, LAUNCHER])
def test_commands_wait_briefly(code):
    assert reported(code) == "10000"


@pytest.mark.usefixtures("gnu")
def test_what_the_user_has_set_stays():
    assert reported(COMMAND, GOMP_SPINCOUNT="77") == "77"
    assert reported(COMMAND, OMP_WAIT_POLICY="PASSIVE") == reported(
        "import torch", OMP_WAIT_POLICY="PASSIVE"
    )


def test_it_is_told_when_it_comes_too_late(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "1")
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert not wait_briefly()
    monkeypatch.delitem(sys.modules, "torch")
    assert wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "1"


@pytest.mark.parametrize(("policy", "turns"), [(None, "10000"), ("ACTIVE", None)])
def test_the_environment_is_told_and_a_policy_of_the_user_is_left_alone(monkeypatch, policy, turns):
    for name, value in (("GOMP_SPINCOUNT", None), ("OMP_WAIT_POLICY", policy)):
        monkeypatch.setenv(name, value or "")
        if value is None:
            monkeypatch.delenv(name)
    wait_briefly()
    assert os.environ.get("GOMP_SPINCOUNT") == turns
