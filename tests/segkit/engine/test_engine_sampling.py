"""The sampler's draws depend on (seed, k) alone."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.engine.sampling import SeekableSampler


@given(
    size=st.integers(1, 20), start=st.integers(0, 60), seed=st.integers(0, 5), shuffle=st.booleans()
)
def test_seeking_equals_skipping(size: int, start: int, seed: int, shuffle: bool) -> None:
    sampler = SeekableSampler(range(size), seed=seed, shuffle=shuffle)
    skipped = list(islice(sampler, start, start + 30))
    sampler.seek(start)
    assert list(islice(sampler, 30)) == skipped


@given(size=st.integers(1, 20), seed=st.integers(0, 5))
def test_every_epoch_draws_every_sample_once(size: int, seed: int) -> None:
    draws = list(islice(SeekableSampler(range(size), seed=seed), 3 * size))
    for epoch in range(3):
        assert sorted(draws[epoch * size : (epoch + 1) * size]) == list(range(size))


@given(size=st.integers(1, 20), world_size=st.integers(1, 4))
def test_processes_share_the_sequence(size: int, world_size: int) -> None:
    alone = list(islice(SeekableSampler(range(size), seed=1), 8 * world_size))
    for rank in range(world_size):
        sampler = SeekableSampler(range(size), seed=1)
        sampler.rank, sampler.world_size = rank, world_size
        assert list(islice(sampler, 8)) == alone[rank::world_size]


def test_empty_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match="list is empty"):
        SeekableSampler([], seed=0)
