"""A Ray cluster does the jobs of local workers, and does again what a killed one had begun."""

import gc
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch

import segkit
from segkit.clips import ClipFolder
from segkit.prepare import prepare_folder
from segkit.preparing.cluster import run_on_ray
from segkit.preparing.video_job import VideoWork
from segkit.preparing.workers import Died
from segkit.video import VideoWriter

pytestmark = pytest.mark.slow

FILMS = ("anna_1", "ben_1", "carla_1", "dan_1")
SETTINGS: dict[str, Any] = {"size": 96, "min_frames": 10, "progress": False, "storage": "png"}


def end(ray: Any) -> None:
    """End the cluster; Ray forgets its processes unwaited, which is no warning for later tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        ray.shutdown()
        gc.collect()


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster of two processes; what is made in this file travels there by value."""
    ray = pytest.importorskip("ray", reason="needs pip install 'segkit[cluster]'")
    os.environ.update(
        RAY_USAGE_STATS_ENABLED="0",
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
        RAY_worker_niceness="0",  # the suite's other processes would leave them nothing
    )
    for _ in range(3):
        try:
            ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
            break
        except Exception as error:  # Ray raises no narrower one for its own 30 s of patience
            end(ray)
            problem = str(error)
    else:
        pytest.skip(f"Ray does not start here: {problem}")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield ray
    end(ray)


class DiesOnce(VideoWork):
    """Kills its own process as `kill -9` does, in the middle of one film, the first time."""

    def _make(self, maker: Any, job: Any, step: Any) -> Any:
        number = len(list(self.out.glob(f"begun-{job.footage.clip_id}-*")))
        (self.out / f"begun-{job.footage.clip_id}-{number}").touch()

        def deadly(title: str, done: int, total: int) -> None:
            if title == "carla_1: parse" and done == 8 and number == 0:
                assert (self.out / "clips" / ".carla_1.part").is_dir()
                os.kill(os.getpid(), signal.SIGKILL)
            step(title, done, total)

        return super()._make(maker, job, deadly)


def double(job: int, step: Any) -> tuple[int, int]:
    if job < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if job == 99:
        raise OSError(28, "No space left on device")
    return 2 * job, os.getpid()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    face = skimage.data.astronaut()[:280, 80:380]
    folder = tmp_path_factory.mktemp("films")
    waveform = 0.3 * torch.sin(torch.arange(640 * 16) * 0.1)
    for number, name in enumerate(FILMS):
        with VideoWriter(
            folder / f"{name}.mp4", width=240, height=240, fps=25, waveform=waveform,
            preset="ultrafast",
        ) as writer:  # fmt: skip
            for frame in range(16):
                left = 20 + number + frame
                writer.write(np.ascontiguousarray(face[20:260, left : left + 240]))
    return folder


def content(out: Path) -> dict[str, bytes]:
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    named = {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
    return {name: held for name, held in named.items() if not name.startswith("begun-")}


def test_every_clip_is_made_though_a_worker_is_killed(
    ray: Any, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_folder(films, tmp_path / "alone", **SETTINGS)
    monkeypatch.chdir(films.parent)
    with monkeypatch.context() as patched:
        patched.setattr("segkit.prepare.VideoWork", DiesOnce)
        report = prepare_folder(films.name, tmp_path / "out", **SETTINGS, jobs=None, cluster="ray")
    assert (report.clips, report.num_new, report.skipped) == (list(FILMS), 4, {})
    begun = sorted(path.name for path in (tmp_path / "out").glob("begun-*"))
    # One film was begun twice, all others once; no clip is listed twice.
    assert begun == sorted([*(f"begun-{name}-0" for name in FILMS), "begun-carla_1-1"])
    listed = [clip.clip_id for clip in ClipFolder(tmp_path / "out").clips(None)]
    assert sorted(listed) == list(FILMS)
    assert content(tmp_path / "out") == content(tmp_path / "alone")

    again = prepare_folder(films, tmp_path / "out", **SETTINGS, cluster="ray")
    assert (again.clips, again.num_new) == (list(FILMS), 0)
    assert ray.is_initialized()  # whoever began the cluster ends it


def test_who_always_dies_is_given_up(ray: Any) -> None:
    cleared: list[int] = []
    answers = dict(run_on_ray(lambda: double, [1, -1, 3], clear=cleared.append))
    assert answers[1] == Died(None, times=3)
    assert "was killed 3 times" in str(answers[1])
    assert cleared == [1, 1, 1]
    assert (answers[0][0], answers[2][0]) == (2, 6)
    assert os.getpid() not in (answers[0][1], answers[2][1])


def test_an_error_of_the_work_itself_ends_the_run(ray: Any, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        list(run_on_ray(lambda: double, [1, 99]))
    with pytest.raises(RuntimeError, match=r"does not see .*nowhere.*a disk that all machines"):
        list(run_on_ray(lambda: double, [1], shared=[tmp_path / "nowhere"]))


def test_machines_must_have_the_same_segkit(ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segkit, "__version__", "0.0.1")
    with pytest.raises(RuntimeError, match=r"has segkit \d.*this one 0\.0\.1"):
        list(run_on_ray(lambda: double, [1]))


def test_other_clusters_are_refused(films: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no cluster 'slurm'; known: ray"):
        prepare_folder(films, tmp_path, **SETTINGS, cluster="slurm")
