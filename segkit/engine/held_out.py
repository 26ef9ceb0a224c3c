"""Measure a training on clips it does not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import DATASETS
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from segkit.engine.plain_data import random_state, set_random_state


class HeldOut(Hook):
    """Log the model's loss terms and a measure of its predictions over fixed held-out samples.

    The random generators stand afterwards where they stood before, so that measuring changes no
    training.

    Args:
        dataset: config of a map-style dataset whose samples depend on their index only.
        interval: iterations between two measurements.
        num_samples: how many samples to measure on.
        batch_size: samples at once.
        terms: log the means of what ``model(..., mode="loss")`` returns.
        measure: function of what ``model(..., mode="predict")`` returns over all samples, giving
            named numbers.
    """

    priority = "NORMAL"

    def __init__(
        self,
        *,
        dataset: dict[str, Any],
        interval: int,
        num_samples: int = 256,
        batch_size: int = 16,
        terms: bool = True,
        measure: Callable[[Sequence[Any]], dict[str, float]] | None = None,
    ) -> None:
        self.dataset, self.interval = dataset, interval
        self.num_samples, self.batch_size = num_samples, batch_size
        self.terms, self.measure = terms, measure
        self._batches: DataLoader | None = None

    def before_train(self, runner: Any) -> None:
        """Build the dataset; without clips to hold out there is nothing to measure."""
        try:
            dataset = DATASETS.build(self.dataset)
        except FileNotFoundError as error:
            runner.logger.warning(f"nothing is measured on held-out clips: {error}")
            return
        self._batches = DataLoader(dataset, batch_size=self.batch_size, collate_fn=default_collate)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Measure at every ``interval``-th iteration, in the first process."""
        iteration = batch_idx + 1
        if self._batches is None or iteration % self.interval or not is_main_process():
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        state = random_state()
        # The data is the same each time, and so is the noise of the networks.
        torch.manual_seed(0)
        model.eval()
        numbers = self.evaluate(model)
        model.train()
        set_random_state(state)
        text = "  ".join(f"{name}: {number:.4f}" for name, number in numbers.items())
        runner.logger.info(f"held out [{iteration}]  {text}")
        runner.visualizer.add_scalars(
            {f"held_out/{name}": number for name, number in numbers.items()}, step=iteration
        )

    @torch.no_grad()
    def evaluate(self, model: Any) -> dict[str, float]:
        """Return the means of the terms and the measure.

        Args:
            model: in evaluation mode.
        """
        assert self._batches is not None
        totals: dict[str, float] = {}
        predictions: list[Any] = []
        num_batches = -(-self.num_samples // self.batch_size)
        for batch in islice(self._batches, num_batches):
            inputs = model.data_preprocessor(batch, False)
            if self.terms:
                for name, term in model(**inputs, mode="loss").items():
                    if isinstance(term, Tensor) and term.numel() == 1:
                        totals[name] = totals.get(name, 0.0) + float(term) / num_batches
            if self.measure is not None:
                predictions += model(**inputs, mode="predict")
        return totals | (self.measure(predictions) if self.measure is not None else {})
