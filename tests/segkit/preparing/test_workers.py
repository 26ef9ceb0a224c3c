"""Jobs in processes: answers arrive, progress shows, a death costs one job, an error ends all."""

import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from segkit.preparing.workers import Died, run_jobs

# A new process cannot import this file, so the work lies in a module of its own.
MODULE = """
import os, signal, time

def setup(folder):
    def work(job, step):
        step(f"title {job}", 1, 1)
        if job == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if job == "fails":
            raise OSError(28, "No space left on device")
        if job == "waits":
            (folder / "begun").touch()
            try:
                time.sleep(60)
            finally:
                (folder / "cleaned").touch()
        while job == "last" and not (folder / "begun").exists():
            time.sleep(0.01)
        return job * 2, os.getpid()

    return work

def cannot_begin():
    os._exit(3)
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import importlib

    (tmp_path / "jobs_of_workers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("jobs_of_workers", None)
    yield importlib.import_module("jobs_of_workers")
    sys.modules.pop("jobs_of_workers", None)


def setup_of(folder: Path) -> Any:
    return partial(sys.modules["jobs_of_workers"].setup, folder)


def run(jobs: list[str], folder: Path, processes: int = 2) -> dict[int, Any]:
    return dict(run_jobs(setup_of(folder), jobs, processes=processes, step=lambda *words: None))


def test_one_process_is_this_one(tmp_path: Path) -> None:
    assert run(["a", "b"], tmp_path, processes=1) == {
        0: ("aa", os.getpid()),
        1: ("bb", os.getpid()),
    }
    assert run([], tmp_path) == {}


def test_a_death_costs_one_job(tmp_path: Path) -> None:
    shown = []
    jobs = ["a", "dies", "b", "c"]
    answers = dict(
        run_jobs(setup_of(tmp_path), jobs, processes=2, step=lambda *words: shown.append(words))
    )
    assert answers.pop(1) == Died(-signal.SIGKILL)
    assert {number: answer[0] for number, answer in answers.items()} == {0: "aa", 2: "bb", 3: "cc"}
    assert os.getpid() not in {answer[1] for answer in answers.values()}
    assert {(title, done, total) for _, title, done, total in shown} == {
        (f"title {job}", 1, 1) for job in jobs
    }
    assert {place for place, *_ in shown} <= {0, 1}


def test_an_error_of_the_work_itself_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        run(["a", "fails", "b"], tmp_path)


def test_who_stops_listening_lets_the_others_clean_up(tmp_path: Path) -> None:
    answers = run_jobs(setup_of(tmp_path), ["waits", "last"], processes=2, step=lambda *words: None)
    assert next(answers)[0] == 1
    answers.close()
    assert (tmp_path / "cleaned").exists()


def test_workers_that_cannot_begin_are_no_fault_of_the_jobs(module: Any) -> None:
    with pytest.raises(RuntimeError, match=r"could not begin.*exit code 3"):
        list(run_jobs(module.cannot_begin, ["a", "b"], processes=2, step=lambda *words: None))


def test_a_death_tells_its_signal() -> None:
    assert "SIGKILL" in str(Died(-9))
    assert "exit code 3" in str(Died(3))
