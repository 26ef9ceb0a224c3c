"""The benchmark for GPUs: it runs, and its exact ways agree, where there is none."""

import torch

from benchmarks.on_gpu import WAYS, measure


def test_all_ways_are_timed_as_often_and_the_exact_ones_agree():
    seconds, error = measure(
        16, device=torch.device("cpu"), dtype=torch.float32, batch=2, layers=13, rounds=3,
        channels=(16, 16, 16),
    )  # fmt: skip
    assert {way: len(times) for way, times in seconds.items()} == dict.fromkeys(WAYS, 3)
    assert all(time > 0 for times in seconds.values() for time in times)
    assert error < 1e-5
