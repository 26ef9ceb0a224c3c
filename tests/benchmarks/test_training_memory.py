"""Memory counted without numbers is the memory that real tensors take."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.training_memory import Live, count, main
from benchmarks.training_steps import steps


def chain(x, live):
    """Three exponentials, each of which keeps its result, then backward; 4000 bytes a tensor."""
    with live:
        y = x.exp().exp().exp()
        kept = live.now
        y.sum().backward()
    return kept, live.most


def test_a_chain_worked_out_by_hand():
    kept, most = chain(torch.zeros(1000, requires_grad=True), Live())
    assert kept == 3 * 4000
    # Backward adds the sum and its gradient, then two gradients at a time at most.
    assert 3 * 4000 < most <= 5 * 4000 + 16
    with FakeTensorMode():
        assert chain(torch.zeros(1000, requires_grad=True), Live()) == (kept, most)


@pytest.mark.parametrize("name", steps(quick=True))
def test_a_step_without_numbers_holds_what_a_real_one_holds(name):
    step = steps(quick=True)[name]
    torch.manual_seed(0)
    model, batch = step.build().train(), step.batch()
    model.zero_grad()
    with Live() as live:
        loss = step.loss(model, batch)
        kept = live.now
        loss.backward()
    counted = count(step)
    assert counted.kept == pytest.approx(kept, rel=0.01)
    assert counted.most == pytest.approx(live.most, rel=0.02)


def test_checkpointing_and_bfloat16_both_save(capsys):
    main(only="TSG", quick=True)
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1:3] for row in rows] == [
        [precision, way] for precision in ("float32", "bfloat16") for way in ("no", "yes")
    ]
    kept, most = ([float(row[place]) for row in rows] for place in (3, 4))
    for found in (kept, most):
        assert found[1] < 0.8 * found[0]
        assert found[3] < 0.8 * found[2]
        assert found[2] < 0.8 * found[0]
