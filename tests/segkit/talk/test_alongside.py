import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.talk.alongside import Aside, ahead


def threads():
    return {thread.name for thread in threading.enumerate()}


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 30), most=st.integers(1, 5))
def test_the_items_are_those_of_the_source(count, most):
    assert list(ahead(range(count), most=most)) == list(range(count))


def test_no_more_is_made_than_may_wait():
    made = []

    def source():
        for number in range(100):
            made.append(number)
            yield number

    items = ahead(source(), most=3)
    assert next(items) == 0
    time.sleep(0.3)
    # One taken, three waiting, one on the way.
    assert len(made) <= 5
    items.close()
    assert len(made) <= 6
    assert "ahead" not in threads()


def test_the_source_is_closed_in_its_own_thread():
    where = []

    def source():
        try:
            yield threading.current_thread().name
            yield "never asked for"
        finally:
            where.append(threading.current_thread().name)

    items = ahead(source(), most=1)
    assert next(items) == "ahead"
    items.close()
    assert where == ["ahead"]


def test_an_error_of_the_source_comes_where_its_item_would():
    def source():
        yield 1
        raise ValueError("frame 2 is broken")

    items = ahead(source(), most=4)
    assert next(items) == 1
    with pytest.raises(ValueError, match="frame 2 is broken"):
        next(items)
    assert "ahead" not in threads()


def test_calls_are_done_in_order_by_one_thread():
    done = []
    with Aside(most=3) as aside:
        futures = [aside.do(lambda k=k: done.append(k) or threading.get_ident()) for k in range(20)]
    assert done == list(range(20))
    (thread,) = {future.result() for future in futures}
    assert thread != threading.get_ident()


def test_giving_waits_while_too_much_is_unfinished():
    go = threading.Event()
    given = []

    def give(aside):
        for number in range(5):
            aside.do(go.wait)
            given.append(number)

    with Aside(most=2) as aside:
        giver = threading.Thread(target=give, args=(aside,))
        giver.start()
        time.sleep(0.2)
        assert given == [0, 1]
        go.set()
        giver.join()
    assert given == list(range(5))


def test_an_error_comes_at_a_later_call_or_at_the_end():
    def broken():
        raise OSError("no space left on device")

    with Aside(most=1) as aside:
        aside.do(broken)
        with pytest.raises(OSError, match="no space"):
            aside.do(print)
    with pytest.raises(OSError, match="no space"), Aside(most=4) as aside:
        aside.do(broken)
    assert not any(name.startswith("aside") for name in threads())


def test_what_has_not_begun_is_dropped_after_an_error_of_the_owner():
    go, done = threading.Event(), []

    def stop_half_way():
        with Aside(most=9) as aside:
            aside.do(go.wait)
            for number in range(5):
                aside.do(done.append, number)
            threading.Timer(0.1, go.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert done == []


def test_dropping_waits_for_what_has_begun_and_forgets_the_rest():
    begun, done = threading.Event(), []

    def slow():
        begun.set()
        time.sleep(0.2)
        done.append("slow")

    with Aside(most=9) as aside:
        aside.do(slow)
        aside.do(done.append, "next")
        begun.wait()
        aside.drop()
        assert done == ["slow"]
        aside.do(done.append, "later")
    assert done == ["slow", "later"]
