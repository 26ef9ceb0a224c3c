"""torch.compile in a process of its own: what it keeps and counts is the whole process's."""

import re

import pytest


@pytest.mark.slow
def test_compiled_masks_pass_their_tests(run_alone):
    told = run_alone("tests/segkit/backends/compiled_masks.py")
    assert re.search(r"\b\d+ passed", told), told[-500:]
