"""What is told to the C library is what it does, seen by the system's own count of pages."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segkit.memory import give_back_freed_memory, keep_freed_memory, let_go_of_pages

SCRIPT = """
import numpy as np
from segkit.memory import give_back_freed_memory, keep_freed_memory

def held_mb():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * 4096 / 1e6

told = keep_freed_memory() if {keep} else True
before = held_mb()
array = np.ones(100_000_000, np.uint8)
taken = held_mb()
del array
freed = held_mb()
give_back_freed_memory()
print(told, round(taken - before), round(freed - before), round(held_mb() - before))
"""


@pytest.mark.parametrize(("keep", "kept_mb"), [(True, 100), (False, 0)])
def test_freed_memory_is_kept_until_it_is_given_back(keep, kept_mb):
    if not sys.platform.startswith("linux"):
        pytest.skip("counts pages as Linux does")
    script = SCRIPT.format(keep=keep)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    told, taken, freed, left = done.stdout.split()
    if told == "False":
        pytest.skip("the C library is not GNU's")
    assert int(taken) == pytest.approx(100, abs=5)
    assert int(freed) == pytest.approx(kept_mb, abs=5)
    assert int(left) == pytest.approx(0, abs=5)


THREADS_SCRIPT = """
from threading import Barrier, Thread
import numpy as np
from segkit.memory import keep_freed_memory

def held_mb():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * 4096 / 1e6

def use(together):
    array = np.ones(40_000_000, np.uint8)
    together.wait()

told = keep_freed_memory()
before, together = held_mb(), Barrier(4)
threads = [Thread(target=use, args=(together,)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
arrays = [np.ones(40_000_000, np.uint8) for _ in range(4)]
print(told, round(held_mb() - before))
"""


def test_what_one_thread_frees_another_takes():
    if not sys.platform.startswith("linux"):
        pytest.skip("counts pages as Linux does")
    done = subprocess.run(
        [sys.executable, "-c", THREADS_SCRIPT], capture_output=True, text=True, check=True
    )
    told, taken = done.stdout.split()
    if told == "False":
        pytest.skip("the C library is not GNU's")
    assert int(taken) == pytest.approx(160, abs=10)


def test_pages_of_a_file_are_dropped_and_read_again(tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("counts pages as Linux does")

    def held_mb():
        status = Path("/proc/self/status").read_text()
        return int(status.split("RssFile:")[1].split()[0]) / 1000

    np.save(tmp_path / "a.npy", np.arange(10_000_000, dtype=np.float32))
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    before, total = held_mb(), array.sum(dtype=np.float64)
    assert held_mb() - before == pytest.approx(40, abs=5)
    let_go_of_pages(array)
    assert held_mb() - before == pytest.approx(0, abs=5)
    assert array.sum(dtype=np.float64) == total


def test_what_was_written_is_never_dropped(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(1000))
    for array in (np.load(tmp_path / "a.npy", mmap_mode="c"), np.zeros(1000)):
        array[:] = 7
        let_go_of_pages(array)
        assert (array == 7).all()


def test_other_systems_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert not keep_freed_memory()
    give_back_freed_memory()
