"""The job store against a plain list: order, bounds, and what a restart leaves."""

import pytest

from segkit.serve.store import CANCELLED, DONE, QUEUED, RUNNING, JobStore, QueueFullError


@pytest.fixture
def store(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite3")
    yield store
    store.close()


def add(store, id, owner="me", most=10):
    return store.add(id, owner=owner, kind="talk", options={"a": [1, None]}, most_waiting=most)


def test_jobs_are_taken_in_the_order_in_which_they_came(store):
    jobs = [add(store, name) for name in "cab"]
    assert [store.ahead_of(job) for job in jobs] == [0, 1, 2]
    assert [store.take().id for _ in range(3)] == ["c", "a", "b"]
    assert store.take() is None
    assert store.get("a").options == {"a": [1, None]}


def test_only_so_many_may_wait_and_running_ones_do_not_count(store):
    add(store, "a", most=2)
    add(store, "b", most=2)
    with pytest.raises(QueueFullError):
        add(store, "c", most=2)
    store.take()
    add(store, "c", most=2)
    assert (store.count(QUEUED), store.count(RUNNING)) == (2, 1)


def test_a_job_is_only_its_owners(store):
    add(store, "a", owner="me")
    assert store.get("a", owner="me").id == "a"
    with pytest.raises(KeyError):
        store.get("a", owner="you")


def test_a_job_ends_once(store):
    add(store, "a")
    store.take()
    assert store.end("a", state=CANCELLED)
    assert not store.end("a", state=DONE, report={"frames": 3})
    assert (store.get("a").state, store.get("a").report) == (CANCELLED, {})


def test_a_restart_loses_nothing_and_runs_again_what_was_running(tmp_path):
    first = JobStore(tmp_path / "kept.sqlite3")
    for name in "abc":
        add(first, name)
    first.take()
    first.move("a", stage="drawing", progress=0.4)
    first.take()
    first.end("b", state=DONE, report={"frames": 10})
    # Not closed: as after a crash, the second reads what the first has promised.
    second = JobStore(tmp_path / "kept.sqlite3")
    assert second.put_back() == 1
    assert {job.id: job.state for job in second.of_owner("me")} == {
        "a": QUEUED, "b": DONE, "c": QUEUED,
    }  # fmt: skip
    assert second.take().id == "a"
    assert second.get("b").report == {"frames": 10}
    first.close()
    second.close()
