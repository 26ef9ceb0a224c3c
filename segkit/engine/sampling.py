"""An endless sampler that can start anywhere, so that a resumed training replays no data."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
from torch.utils.data import Sampler


class SeekableSampler(Sampler[int]):
    """Draw sample indices forever; the k-th draw depends on ``(seed, k)`` alone.

    Several processes share one sequence: process ``r`` of ``n`` takes the draws ``r, r + n, ...``.

    Args:
        dataset: map-style dataset.
        seed: of the shuffling; None agrees on a random one among the processes.
        shuffle: draw every epoch in a new order, or in the order of the dataset.
    """

    def __init__(self, dataset: Sized, *, seed: int | None = None, shuffle: bool = True) -> None:
        from mmengine.dist import get_dist_info, sync_random_seed

        if len(dataset) == 0:
            raise ValueError(f"{type(dataset).__name__} is empty: there is nothing to draw from")
        self.rank, self.world_size = get_dist_info()
        self.num_samples = len(dataset)
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.start = 0

    def seek(self, num_drawn: int) -> None:
        """Let the next iteration begin after ``num_drawn`` draws of this process."""
        self.start = num_drawn

    def __iter__(self) -> Iterator[int]:
        draw = self.start * self.world_size + self.rank
        current_epoch = -1
        order: list[int] = []
        while True:
            epoch, position = divmod(draw, self.num_samples)
            if epoch != current_epoch:
                current_epoch, order = epoch, self._order(epoch)
            yield order[position]
            draw += self.world_size

    def __len__(self) -> int:
        return self.num_samples

    def _order(self, epoch: int) -> list[int]:
        if not self.shuffle:
            return list(range(self.num_samples))
        generator = torch.Generator().manual_seed(self.seed + epoch)
        return torch.randperm(self.num_samples, generator=generator).tolist()
